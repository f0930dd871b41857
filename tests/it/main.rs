//! The promises of the bus, one binary for all of them.
//!
//! A test goes into the module of the promise that it checks; its name says the promise.

/// Futures that are dropped: what was not received and what was not published.
mod cancelling;
/// Events that are published later, or taken back.
mod delay;
/// Who gets an event, in which order, with which metadata.
mod delivery;
/// What an event, a waker or a subscription may do while it is dropped.
mod dropping;
/// The smallest buffer, many events, many subscribers.
mod extremes;
/// What is left of a bus that is dropped without a shutdown: nothing.
mod gone;
/// Functions that the bus calls: causes, errors, panics.
mod handlers;
/// What happens when a subscriber is slow: policies, gaps, cancelled publishers.
mod lag;
/// Publishing and reading after the end.
mod late;
/// Events that are lent: batches, gaps before and behind them.
mod lending;
/// The same against a plain model, for any sequence of steps.
mod model;
/// The same as `async-broadcast`, for any sequence of steps.
mod oracle;
/// Events that panic when they are dropped.
mod panicking;
/// Questions and answers inside the process.
mod request;
/// The end of a bus: what is finished, what is left, what is leaked.
mod shutdown;
/// Pain and pleasure.
mod signals;
/// All of it at once, on several threads.
mod stress;
/// Publishers that wait for room: who is let in, who is woken, who is refused.
mod waiting;

/// Event types that the tests share.
mod events;
/// Events that act when they are dropped.
mod last_words;
/// How long they wait.
mod patience;
/// Random numbers that can be had again.
mod seed;
/// Futures that are polled by hand.
mod wakers;

/// A real RabbitMQ that is killed, stopped and paused; each test has a node of its own.
#[cfg(feature = "amqp")]
mod faults;
/// A client that is not ours, in another language.
#[cfg(feature = "amqp")]
mod interop;
/// Tower layers around the way out of a mirror.
#[cfg(feature = "memory")]
mod layers;
/// Two buses and a broker in memory, with faults on demand.
#[cfg(feature = "memory")]
mod mirror;
/// What becomes of events elsewhere: each outcome told once, in order, whatever ends.
#[cfg(feature = "memory")]
mod outcomes;
/// Two buses and a real RabbitMQ.
#[cfg(feature = "amqp")]
mod rabbitmq;
/// The layers that are around the way out of a mirror by default.
#[cfg(feature = "memory")]
mod stack;
