/// The layer among other services, on paused time: TO-1 to TO-6, TC-1 to TC-6.
mod calls;
/// TC-7.
mod config;
/// A timeout written as plainly as can be.
mod model;
/// Other timeouts.
mod peers;
/// TO-4, and what is left in a service that is seldom ready.
mod total;
