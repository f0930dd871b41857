//! What must not allocate: a call through a resilience layer, whatever becomes of it.
//!
//! Seen by a global allocator that counts for each thread how often it is asked for memory, also for more of it; therefore
//! a binary of its own.

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
/// Calls through a circuit breaker, at random.
mod traffic;

use std::hint::black_box;

use allocation_counter::measure;

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

    /// How often a thousand times ask for memory, once it is warm; also for what is given back at once.
    fn allocations(&mut self) -> u64 {
        (0..100).for_each(|_| (self.call)());
        measure(|| (0..1_000).for_each(|_| (self.call)())).count_total
    }
}

#[test]
fn br_12_no_call_allocates() {
    let mut boxes = Case::new("a box", || drop(black_box(Box::new(7_u64))));
    assert_eq!(boxes.allocations(), 1_000, "what allocates is seen");
    let mut grows = Case::new("what grows", || {
        black_box(&mut vec![7_u64]).reserve_exact(1_000);
    });
    assert_eq!(grows.allocations(), 2_000, "and so is what grows");
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
        let allocations = case.allocations();
        println!("{}: {allocations} allocations", case.name);
        if allocations > 0 {
            allocate.push(case.name);
        }
    }
    assert!(allocate.is_empty(), "these allocate: {allocate:?}");
}
