//! What comes and goes leaves nothing: the bytes on the heap after 1,000 cycles and after 10,000 are the same.
//!
//! Counted by a global allocator; therefore a binary of its own, with one test, in which one case runs after
//! another.

/// Buses, publishers and handlers that come and go.
mod buses;
/// Event types, and how they are published.
mod events;
/// Subscribers that come and go, and futures that are dropped.
mod subscribers;

use peak_alloc::PeakAlloc;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// What a case may hold more: less than one byte for each cycle. Keys with more digits take a few bytes, and where
/// somebody stays who never reads, the log keeps up to a segment of 64 events more or less for it.
const BOUND: usize = 4 * 1024;

/// Something that is done again and again.
struct Case {
    name: String,
    /// After so many cycles the bus has made what it keeps.
    warm: u64,
    /// After so many it must have no more.
    end: u64,
    cycle: Box<dyn FnMut(u64)>,
}

impl Case {
    fn new(name: impl Into<String>, cycle: impl FnMut(u64) + 'static) -> Self {
        Self {
            name: name.into(),
            warm: 1_000,
            end: 10_000,
            cycle: Box::new(cycle),
        }
    }

    /// The bytes held when it is warm, and at the end.
    fn run(mut self) -> (usize, usize) {
        (0..self.warm).for_each(&mut self.cycle);
        let warm = ALLOCATOR.current_usage();
        (self.warm..self.end).for_each(&mut self.cycle);
        (warm, ALLOCATOR.current_usage())
    }
}

#[test]
fn cycles_leave_nothing_on_the_heap() {
    let mut grown = Vec::new();
    for case in subscribers::cases().into_iter().chain(buses::cases()) {
        let name = case.name.clone();
        let (warm, end) = case.run();
        println!("{name}: {warm} bytes, then {end}");
        if end > warm + BOUND {
            grown.push(format!("{name}: {} bytes more", end - warm));
        }
    }
    assert!(grown.is_empty(), "{}", grown.join("\n"));
}
