//! The AMQP transport on a real RabbitMQ.

mod addresses;
mod attempts;
mod attribution;
#[cfg(feature = "tls")]
mod certificates;
mod closing;
mod commands;
mod compose;
mod conflicts;
mod conformance;
mod dead_letters;
mod definitions;
mod differential;
mod env;
mod faults;
mod hostile;
mod outcomes;
mod proxy;
mod raw;
mod reading;
mod readme;
mod refusals;
mod round_trip;
mod seed;
mod signals;
mod support;
mod topology;
mod unreadable;
mod versions;
