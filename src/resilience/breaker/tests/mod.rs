/// The layer among other services, on paused time: BR-1, BR-8, BR-11.
mod calls;
/// TC-7.
mod config;
/// TC-1 and TC-2.
mod contract;
/// The core against the model: BR-1 to BR-7, BR-9 to BR-11.
mod core;
/// What does not answer, and is given up further out.
mod hanging;
/// Services that were ready while the breaker was in another state.
mod late;
/// A breaker written as plainly as can be.
mod model;
/// The model and other breakers.
mod peers;
/// TC-3 to TC-6.
mod promises;
/// Random configurations and steps.
mod steps;
