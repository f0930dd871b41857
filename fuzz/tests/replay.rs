//! The checks on stable Rust: the seeds, and a few thousand inputs made from them and from nothing.
//!
//! The number that the inputs come from is printed; `ALGEDONIC_FUZZ_SEED` sets it, to see a failure again.

use std::{
    cell::Cell,
    fs,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    path::Path,
    sync::{Mutex, Once, PoisonError},
};

use fastrand::Rng;

#[test]
fn pattern() {
    replay("pattern", 20_000, algedonic_fuzz::pattern::check);
}

#[test]
fn amqp_config() {
    replay("amqp_config", 5_000, algedonic_fuzz::amqp_config::check);
}

#[test]
fn amqp_guard() {
    replay("amqp_guard", 5_000, algedonic_fuzz::amqp_guard::check);
}

#[test]
fn amqp_letter() {
    replay("amqp_letter", 10_000, algedonic_fuzz::amqp_letter::check);
}

#[test]
fn amqp_reply() {
    replay("amqp_reply", 20_000, algedonic_fuzz::amqp_reply::check);
}

#[test]
fn amqp_url() {
    replay("amqp_url", 5_000, algedonic_fuzz::amqp_url::check);
}

#[test]
fn amqp_wire() {
    replay("amqp_wire", 20_000, algedonic_fuzz::amqp_wire::check);
}

#[test]
fn inbound() {
    replay("inbound", 5_000, algedonic_fuzz::inbound::check);
}

fn replay(target: &str, inputs: usize, check: fn(&[u8])) {
    count_panics();
    let seeds = seeds(target);
    for (name, seed) in &seeds {
        run(check, seed, name);
    }
    let number = std::env::var("ALGEDONIC_FUZZ_SEED").map_or_else(
        |_| fastrand::u64(..),
        |text| text.parse().expect("ALGEDONIC_FUZZ_SEED is a number"),
    );
    println!(
        "{target}: {} seeds, then {inputs} inputs of ALGEDONIC_FUZZ_SEED={number}",
        seeds.len()
    );
    let mut rng = Rng::with_seed(number);
    for input in 0..inputs {
        let data = if rng.bool() {
            let (_, seed) = &seeds[rng.usize(..seeds.len())];
            changed(seed, &mut rng)
        } else {
            let length = rng.usize(..256);
            (0..length).map(|_| rng.u8(..)).collect()
        };
        run(check, &data, &format!("input {input}"));
    }
}

/// What was written by hand, and what the fuzzer has found.
fn seeds(target: &str) -> Vec<(String, Vec<u8>)> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = ["seeds", "corpus"].map(|folder| here.join(folder).join(target));
    let mut seeds: Vec<_> = folders
        .iter()
        .flat_map(|folder| fs::read_dir(folder).expect("it is committed"))
        .map(|entry| {
            let path = entry.expect("readable").path();
            let bytes = fs::read(&path).expect("readable");
            (path.display().to_string(), bytes)
        })
        .collect();
    // In the same order on every machine, or a number would not say which inputs come of it.
    seeds.sort();
    assert!(!seeds.is_empty());
    seeds
}

/// A seed with some of its bytes changed, removed, or said twice.
fn changed(seed: &[u8], rng: &mut Rng) -> Vec<u8> {
    let mut data = seed.to_vec();
    for _ in 0..rng.usize(1..6) {
        if data.is_empty() {
            data.push(rng.u8(..));
        }
        let at = rng.usize(..data.len());
        match rng.u8(..4) {
            0 => data[at] = rng.u8(..),
            1 => data[at] ^= 1 << rng.u8(..8),
            2 => drop(data.remove(at)),
            _ => data.insert(at, data[rng.usize(..data.len())]),
        }
    }
    data
}

thread_local! {
    /// Panics on the thread of a test, those included that somebody caught: a fuzzer, too, would not
    /// let them pass.
    static PANICS: Cell<usize> = const { Cell::new(0) };
}

fn count_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            PANICS.with(|panics| panics.set(panics.get() + 1));
            usual(panic);
        }));
    });
}

fn run(check: fn(&[u8]), data: &[u8], name: &str) {
    // One at a time: what is on the heap is the process's.
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let result = catch_unwind(AssertUnwindSafe(|| {
        check(data);
        assert_eq!(PANICS.get(), 0, "a panic was caught on the way");
    }));
    if let Err(panic) = result {
        eprintln!("{name} fails: {}", data.escape_ascii());
        resume_unwind(panic);
    }
}
