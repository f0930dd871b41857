//! What `benches/compare` is asked for.

use std::time::Duration;

use crate::rounds::Outcome;

/// Which cases.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Set {
    Local,
    Trying,
    Metadata,
    Batch,
    Growth,
}

/// What is asked for.
pub(crate) struct Options {
    pub(crate) set: Set,
    pub(crate) quick: bool,
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
            set: Set::Local,
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
                "local" => options.set = Set::Local,
                "try" => options.set = Set::Trying,
                "metadata" => options.set = Set::Metadata,
                "batch" => options.set = Set::Batch,
                "growth" => options.set = Set::Growth,
                _ => options.filter = argument,
            }
        }
        is_bench.then_some(options)
    }

    /// Rounds of each contender in a case: at least, and at most.
    pub(crate) fn rounds(&self) -> (usize, usize) {
        if self.quick { (3, 15) } else { (15, 101) }
    }

    /// How long a case may go on after its least number of rounds.
    pub(crate) fn patience(&self) -> Duration {
        if self.quick {
            Duration::from_millis(1500)
        } else {
            Duration::from_secs(10)
        }
    }

    /// The number that counts, in nanoseconds for one event.
    pub(crate) fn of(&self, outcome: &Outcome) -> f64 {
        if self.minimum {
            outcome.least()
        } else {
            outcome.median()
        }
    }
}
