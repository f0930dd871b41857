//! What an application sees of breakers, bulkheads and their registry, by its own means only: each of the requirements
//! that begin with 1. by its number.
//!
//! `cargo test --test resilience` runs all of it, with a name behind it one file or one test.

/// Pain and pleasure of components and of their health.
mod alarms;
/// One around the other, and around a mirror.
mod composed;
/// What the handles tell somebody who looks for a fault.
mod diagnosis;
/// Components by their names, with their numbers.
mod names;

use std::io;

use algedonic::resilience::registry::Registry;

/// What a dependency says that is down.
fn down() -> io::Error {
    io::Error::from(io::ErrorKind::ConnectionRefused)
}

/// Calls that fail, one after another.
async fn fail(registry: &Registry, breaker: &'static str, calls: u32) {
    for _ in 0..calls {
        let failed = registry.with_breaker(breaker, || async { Err::<(), _>(down()) });
        assert!(failed.await.is_err());
    }
}

/// Calls that succeed, one after another.
async fn succeed(registry: &Registry, breaker: &'static str, calls: u32) {
    for _ in 0..calls {
        let well = registry.with_breaker(breaker, || async { Ok::<_, io::Error>(()) });
        well.await.expect("let through, and well");
    }
}
