/// The layer among other services, on paused time: BH-2 to BH-6, BH-8, TC-1 to TC-6.
mod calls;
/// TC-7.
mod config;
/// The core against the model: BH-1 to BH-4, BH-8.
mod core;
/// A bulkhead written as plainly as can be.
mod model;
/// Other bulkheads.
mod peers;
