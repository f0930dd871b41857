//! The AMQP transport on a real RabbitMQ.

mod attribution;
mod closing;
mod conformance;
mod dead_letters;
mod differential;
mod env;
mod faults;
mod proxy;
mod raw;
mod refusals;
mod round_trip;
mod support;
mod unreadable;
