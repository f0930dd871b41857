//! The AMQP transport on a real RabbitMQ.

mod attribution;
mod closing;
mod conformance;
mod differential;
mod env;
mod faults;
mod proxy;
mod refusals;
mod round_trip;
mod support;
