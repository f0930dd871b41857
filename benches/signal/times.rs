//! What one contender needed, and how a line says it.

/// Nanoseconds, of all rounds.
#[derive(Default)]
pub(crate) struct Times(Vec<u64>);

impl Times {
    pub(crate) fn add(&mut self, round: Vec<u64>) {
        self.0.extend(round);
        self.0.sort_unstable();
    }

    /// What so many of a thousand needed at most.
    pub(crate) fn permille(&self, part: usize) -> u64 {
        assert!(!self.0.is_empty(), "a round was played");
        self.0[(self.0.len() - 1) * part / 1000]
    }
}

/// A line for each of the three numbers.
pub(crate) fn print(case: &str, ours: &Times, peer: &str, theirs: &Times) {
    for (name, part) in [("p50", 500), ("p99", 990), ("max", 1000)] {
        let (ours, theirs) = (ours.permille(part), theirs.permille(part));
        let ratio = theirs as f64 / ours as f64;
        println!("{case}/{name} ours={ours} peer={peer} theirs={theirs} ratio={ratio:.2}");
    }
}

/// Whether the 99th percentile under a load is no more than so many times that without.
pub(crate) fn judge(loaded: &Times, idle: &Times, most: f64) {
    let times = loaded.permille(990) as f64 / idle.permille(990) as f64;
    let verdict = if times <= most { "met" } else { "MISSED" };
    println!("    {verdict}: p99 times that of an idle bus, at most {most:.1}: {times:.2}");
}
