/// The layer among other services, on paused time: BR-1, BR-8, BR-11.
mod calls;
/// TC-7.
mod config;
/// TC-1 to TC-6.
mod contract;
/// The core against the model: BR-1 to BR-7, BR-9 to BR-11.
mod core;
/// A breaker written as plainly as can be.
mod model;
/// The model and other breakers.
mod peers;
/// Random configurations and steps.
mod steps;
