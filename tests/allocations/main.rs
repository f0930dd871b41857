//! What must not allocate: a call through a resilience layer, whatever becomes of it.
//!
//! Seen by a global allocator that keeps the highest number of bytes; therefore a binary of its own, with one test.

/// Calls through a circuit breaker.
mod breaker;
/// Calls through a bulkhead.
mod bulkhead;
/// Calls with a fallback.
mod fallback;
/// A service that answers at once, and one that never does.
mod inner;
/// Calls through a load shed.
mod load_shed;
/// Calls through a rate limit.
mod rate_limit;
/// Calls that are tried again.
mod retry;
/// Calls through several layers.
mod stack;
/// Calls through a timeout.
mod timeout;

use std::hint::black_box;

use peak_alloc::PeakAlloc;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// Something that is done again and again.
pub(crate) struct Case {
    name: String,
    call: Box<dyn FnMut()>,
}

impl Case {
    pub(crate) fn new(name: impl Into<String>, call: impl FnMut() + 'static) -> Self {
        Self {
            name: name.into(),
            call: Box::new(call),
        }
    }

    /// How many bytes it takes at the most, of a thousand times, once it is warm; also those that it gives back at once.
    fn bytes(&mut self) -> usize {
        (0..100).for_each(|_| (self.call)());
        ALLOCATOR.reset_peak_usage();
        let before = ALLOCATOR.current_usage();
        (0..1_000).for_each(|_| (self.call)());
        ALLOCATOR.peak_usage() - before
    }
}

#[test]
fn br_12_no_call_allocates() {
    let mut boxes = Case::new("a box", || drop(black_box(Box::new(7_u64))));
    assert_eq!(boxes.bytes(), 8, "what allocates is seen");
    let mut allocate = Vec::new();
    let cases = [
        breaker::cases(),
        bulkhead::cases(),
        fallback::cases(),
        load_shed::cases(),
        rate_limit::cases(),
        retry::cases(),
        stack::cases(),
        timeout::cases(),
    ];
    for mut case in cases.into_iter().flatten() {
        let bytes = case.bytes();
        println!("{}: {bytes} bytes", case.name);
        if bytes > 0 {
            allocate.push(case.name);
        }
    }
    assert!(allocate.is_empty(), "these allocate: {allocate:?}");
}
