use std::{
    hash::{BuildHasher, RandomState},
    sync::atomic::{AtomicU64, Ordering},
};

/// Random numbers for jitter (SplitMix64): nothing secret hangs on them.
#[derive(Debug)]
pub(crate) struct Random(u64);

/// The same for threads that draw at once: no two of them have the same number.
#[derive(Debug)]
pub(crate) struct Randoms(AtomicU64);

const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

fn start(seed: Option<u64>) -> u64 {
    seed.unwrap_or_else(|| RandomState::new().hash_one(0))
}

const fn mixed(mut state: u64) -> u64 {
    state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ (state >> 31)
}

/// A random number as one from 0 to `most`, both included; evenly.
pub(crate) fn up_to(most: u64, random: u64) -> u64 {
    let product = u128::from(random) * (u128::from(most) + 1);
    u64::try_from(product >> 64).unwrap_or(most)
}

impl Random {
    /// From a seed, for tests; else each has numbers of its own.
    pub(crate) fn new(seed: Option<u64>) -> Self {
        Self(start(seed))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        mixed(self.0)
    }

    /// Evenly from 0 to `most`, both included.
    pub(crate) fn up_to(&mut self, most: u64) -> u64 {
        up_to(most, self.next())
    }
}

impl Randoms {
    /// From a seed, for tests; else each has numbers of its own.
    pub(crate) fn new(seed: Option<u64>) -> Self {
        Self(AtomicU64::new(start(seed)))
    }

    pub(crate) fn next(&self) -> u64 {
        mixed(self.0.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP))
    }
}
