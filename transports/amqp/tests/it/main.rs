//! The AMQP transport on a real RabbitMQ.

mod addresses;
mod attribution;
#[cfg(feature = "tls")]
mod certificates;
mod closing;
mod compose;
mod conformance;
mod env;
mod faults;
mod proxy;
mod refusals;
mod round_trip;
mod support;
mod topology;
