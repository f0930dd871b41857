use std::hash::{BuildHasher, RandomState};

/// Random numbers for jitter (SplitMix64): nothing secret hangs on them.
#[derive(Debug)]
pub(crate) struct Random(u64);

impl Random {
    /// From a seed, for tests; else each has numbers of its own.
    pub(crate) fn new(seed: Option<u64>) -> Self {
        Self(seed.unwrap_or_else(|| RandomState::new().hash_one(0)))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Evenly from 0 to `most`, both included.
    pub(crate) fn up_to(&mut self, most: u64) -> u64 {
        let product = u128::from(self.next()) * (u128::from(most) + 1);
        u64::try_from(product >> 64).unwrap_or(most)
    }
}
