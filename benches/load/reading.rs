//! What is published.

use std::hint::black_box;

use algedonic::Event;
use serde::{Deserialize, Serialize};

/// The event of the benches.
pub(crate) type Reading = LaneReading<0>;

/// An event of 64 bytes; another type, and so another lane, for each `LANE`.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(crate) struct LaneReading<const LANE: usize> {
    pub(crate) values: [u64; 8],
}

impl<const LANE: usize> Event for LaneReading<LANE> {
    const NAME: &'static str = if LANE == 0 {
        "bench.reading"
    } else {
        "bench.noise"
    };
}

impl<const LANE: usize> LaneReading<LANE> {
    pub(crate) fn new(number: u64) -> Self {
        Self {
            values: [number; 8],
        }
    }

    /// Reads it from end to end: what a subscriber does with it.
    pub(crate) fn read(&self) -> u64 {
        let [first, .., last] = &black_box(self).values;
        first.wrapping_add(*last)
    }
}
