use std::time::{SystemTime, UNIX_EPOCH};

/// Numbers that follow from a seed (`SplitMix64`).
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    /// From `ALGEDONIC_TEST_SEED`, or anew; printed, so that a failure can be run again.
    pub(crate) fn seeded(what: &str) -> Self {
        let seed = match std::env::var("ALGEDONIC_TEST_SEED") {
            Ok(seed) => seed.parse().expect("ALGEDONIC_TEST_SEED is a number"),
            Err(_) => fresh(),
        };
        println!("{what}: ALGEDONIC_TEST_SEED={seed}");
        Self(seed)
    }

    /// Another sequence, of its own.
    pub(crate) fn fork(&mut self) -> Self {
        Self(self.next())
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// An index below `bound`.
    pub(crate) fn index(&mut self, bound: usize) -> usize {
        usize::try_from(self.below(bound as u64)).expect("below a usize")
    }

    /// True once in `times`.
    pub(crate) fn one_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }
}

fn fresh() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.expect("after 1970").as_nanos();
    u64::try_from(now & u128::from(u64::MAX)).expect("64 bits")
}
