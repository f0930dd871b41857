//! What `benches/compare resilience` is asked for.

use std::time::Duration;

use crate::rounds::Outcome;

pub(crate) struct Options {
    quick: bool,
    /// Every contender's spread besides.
    pub(crate) spread: bool,
    /// The fastest round counts, not the median.
    minimum: bool,
    /// Only cases whose name contains it.
    pub(crate) filter: String,
}

impl Options {
    /// `None` unless run as a bench: `cargo test --benches` runs it too.
    pub(crate) fn from_args() -> Option<Self> {
        let mut options = Self {
            quick: false,
            spread: false,
            minimum: false,
            filter: String::new(),
        };
        let mut is_bench = false;
        for argument in std::env::args().skip(1) {
            match argument.as_str() {
                "--bench" => is_bench = true,
                "--quick" => options.quick = true,
                "--spread" => options.spread = true,
                "--min" => options.minimum = true,
                _ => options.filter = argument,
            }
        }
        is_bench.then_some(options)
    }

    /// Rounds of each contender in a case.
    pub(crate) fn rounds(&self) -> usize {
        if self.quick { 7 } else { 25 }
    }

    /// How long one round is to take.
    pub(crate) fn length(&self) -> Duration {
        Duration::from_millis(if self.quick { 4 } else { 10 })
    }

    /// The number that counts, in nanoseconds for one call.
    pub(crate) fn of(&self, outcome: &Outcome) -> f64 {
        if self.minimum {
            outcome.least()
        } else {
            outcome.median()
        }
    }
}
