//! What `benches/compare amqp` is asked for.

/// What is asked of a run.
pub(crate) struct Options {
    pub(crate) rounds: usize,
    pub(crate) quick: bool,
    /// Every contender's spread besides.
    pub(crate) spread: bool,
    /// Only rows whose name contains it.
    filter: String,
    /// Only this contender, to look at its profile.
    only: Option<String>,
}

impl Options {
    /// `None` unless run as a bench: `cargo test --benches` runs it too.
    pub(crate) fn from_args() -> Option<Self> {
        let mut options = Self {
            rounds: 9,
            quick: false,
            spread: false,
            filter: String::new(),
            only: None,
        };
        let mut is_bench = false;
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            match word.as_str() {
                "--bench" => is_bench = true,
                "--quick" => (options.quick, options.rounds) = (true, 3),
                "--spread" => options.spread = true,
                "--rounds" => {
                    let rounds = words.next().and_then(|rounds| rounds.parse().ok());
                    options.rounds = rounds.expect("--rounds NUMBER");
                }
                "--only" => options.only = words.next(),
                _ => options.filter = word,
            }
        }
        is_bench.then_some(options)
    }

    pub(crate) fn wants(&self, row: &str) -> bool {
        row.contains(&self.filter)
    }

    pub(crate) fn plays(&self, contender: &str) -> bool {
        self.only.as_ref().is_none_or(|only| only == contender)
    }
}
