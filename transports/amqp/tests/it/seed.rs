//! Random numbers that can be had again.

/// Seeded at random, or by `ALGEDONIC_TEST_SEED`; printed.
pub(crate) fn rng() -> fastrand::Rng {
    let seed = match std::env::var("ALGEDONIC_TEST_SEED") {
        Ok(seed) => seed.parse().expect("a number"),
        Err(_) => fastrand::u64(..),
    };
    println!("ALGEDONIC_TEST_SEED={seed}");
    fastrand::Rng::with_seed(seed)
}
