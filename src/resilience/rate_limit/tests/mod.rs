/// The layer among other services, on paused time: RL-1, RL-5, RL-6, TC-1 to TC-6.
mod calls;
/// TC-7.
mod config;
/// The core against the model: RL-1 to RL-5.
mod core;
/// A rate limit written as plainly as can be.
mod model;
/// Services of one layer beside the model.
mod pair;
/// Other rate limits.
mod peers;
