/// The layer around a service that does as it is told, against the model: RT-1, RT-5, RT-7.
mod attempts;
/// Delays: RT-2, RT-3.
mod backoff;
/// The budget: RT-4.
mod budget;
/// The layer among other services: RT-6, RT-8, TC-1 to TC-6.
mod calls;
/// TC-7.
mod config;
/// A retry written as plainly as can be.
mod model;
/// Other retries.
mod peers;
