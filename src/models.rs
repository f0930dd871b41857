//! How models of threads are checked: loom runs each with every order of its threads' steps, up to a number
//! of preemptions, and with every value that a load may see by the memory model. A thread that waits for ever
//! fails its model. How to run them: `tests/README.md`.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// Checks a model with at most so many preemptions, unless `LOOM_MAX_PREEMPTIONS` says otherwise.
pub(crate) fn check(preemptions: usize, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    let bound = *builder.preemption_bound.get_or_insert(preemptions);
    builder.max_branches = 10_000;
    let turns = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&turns);
    let start = std::time::Instant::now();
    builder.check(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        model();
    });
    println!(
        "{}: {} runs, at most {bound} preemptions, {:.1} s",
        std::thread::current().name().unwrap_or_default(),
        turns.load(Ordering::Relaxed),
        start.elapsed().as_secs_f64()
    );
}
