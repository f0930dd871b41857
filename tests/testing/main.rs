//! The testing feature, used as an application would: each test reads like a user's own.

/// What an application does: orders, shipments, and pain.
mod app;
/// What the assertions say when they fail.
mod failing;
/// Buses joined by a broker that fails on demand.
mod joined;
/// One bus.
mod local;
/// Whatever goes wrong, from a seed.
mod seeded;
