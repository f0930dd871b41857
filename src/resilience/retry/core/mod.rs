//! When to try again, and how often all together: without a service, a timer or a clock.

pub(in crate::resilience) mod backoff;
pub(in crate::resilience) mod budget;
