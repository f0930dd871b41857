//! What the author of a transport for the [algedonic] event bus must name, and nothing else.
//!
//! Applications depend on `algedonic`, which re-exports what they need from here. Depend on this
//! crate to carry the bus over something new; it changes rarely, and brings no runtime with it.
//!
//! # Nouns
//!
//! | noun | meaning |
//! |---|---|
//! | [`Message`] | one event as it travels: [`Metadata`], an encoded body, a [`Lane`] |
//! | [`Key`], [`Pattern`] | dotted words, and what selects them: AMQP's topic grammar everywhere |
//! | [`Transport`] | carries messages; knows nothing of Rust types |
//! | [`Outcome`] | what became of a message that was handed over |
//! | [`Delivery`] | a message that arrived, to be settled exactly once |
//! | [`Link`] | the state of the connection, as told to people and to the bus |
//! | [`Error`] | kind, retry verdict, source, and what to do about it |
//!
//! # Checklist for implementers
//!
//! 1. Every future resolves within its deadline: peer killed, paused, blocked, or silent.
//! 2. `Err` from [`Transport::send`] only when the message has certainly not left the process;
//!    otherwise [`Outcome::Unknown`].
//! 3. Messages leave in the order of the calls to `send`, whether or not the futures are polled.
//! 4. Dropping any future, stream or delivery leaks nothing. A delivery dropped unsettled comes again.
//! 5. The transport starts with its peer away, reconnects by itself, and says so by [`Link`].
//! 6. No [`Lane`] is delayed or filled by another, least of all [`Lane::Signal`].
//! 7. Every buffer is bounded, and what comes off the wire is bounded before it is allocated.
//! 8. No secret in `Debug`, in an error, or in a log line.
//! 9. `close` is idempotent, and bounded by its deadline.
//! 10. The suite in the module `conformance` (feature `conformance`) passes.
//!
//! [algedonic]: https://docs.rs/algedonic

#![forbid(unsafe_code)]
mod capability;
#[cfg(feature = "conformance")]
pub mod conformance;
mod delivery;
mod error;
mod id;
mod key;
mod link;
mod message;
mod outcome;
mod pattern;
mod transport;

pub use self::{
    capability::Capabilities,
    delivery::{Arrival, Delivery, Settle, Settlement},
    error::{Error, ErrorKind, Verdict},
    id::{BusId, CorrelationId, EventId},
    key::{Key, KeyError},
    link::{Link, LinkState},
    message::{Lane, Message, Metadata, Priority, TraceContext},
    outcome::Outcome,
    pattern::{Pattern, PatternError},
    transport::{BoxFuture, BoxStream, Closed, Transport},
};
