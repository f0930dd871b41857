//! What `benches/compare signal` is asked for.

use std::time::Duration;

pub(crate) struct Options {
    quick: bool,
    /// Only where this is in the name.
    filter: String,
}

impl Options {
    /// `None` unless run as a bench: `cargo test --benches` runs it too.
    pub(crate) fn from_args() -> Option<Self> {
        let mut options = Self {
            quick: false,
            filter: String::new(),
        };
        let mut is_bench = false;
        for word in std::env::args().skip(1) {
            match word.as_str() {
                "--bench" => is_bench = true,
                "--quick" => options.quick = true,
                _ => options.filter = word,
            }
        }
        is_bench.then_some(options)
    }

    pub(crate) fn wants(&self, part: &str) -> bool {
        part.contains(&self.filter)
    }

    /// Of each contender.
    pub(crate) fn rounds(&self) -> usize {
        if self.quick { 3 } else { 20 }
    }

    /// How long signals are raised in one round.
    pub(crate) fn length(&self) -> Duration {
        Duration::from_millis(if self.quick { 400 } else { 1000 })
    }

    /// How many ordinary messages wait on the broker.
    pub(crate) fn backlog(&self) -> u64 {
        if self.quick { 10_000 } else { 100_000 }
    }
}
