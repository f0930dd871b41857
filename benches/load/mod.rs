//! What every bench puts on a bus, the runtimes it does so on, and how a round is played.
#![allow(dead_code, unused_imports, reason = "each bench uses a part of it")]

mod criterion;
mod reading;
mod round;
mod runtimes;

pub(crate) mod ours;

pub(crate) use self::{
    criterion::{bench, group},
    reading::{LaneReading, Reading},
    round::{Round, Work},
    runtimes::runtimes,
};

/// How many unread events a subscriber holds before its publisher waits.
pub(crate) const CAPACITY: usize = 1024;

/// Whether to measure: `cargo test --benches` runs benches too, and wants to be done soon.
pub(crate) fn is_bench() -> bool {
    std::env::args().any(|argument| argument == "--bench")
}
