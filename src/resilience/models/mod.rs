//! Models of the cores, checked by loom. How to run them: `tests/README.md`.

mod breaker;
mod buckets;
mod budget;
mod bulkhead;
mod counter;
mod rate_limit;
