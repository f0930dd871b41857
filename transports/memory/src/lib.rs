//! The reference transport of the [algedonic] event bus: a broker in memory, with faults on demand.
//!
//! It keeps every promise of [`Transport`](algedonic_transport::Transport), in one process and
//! without any input or output: for tests of what is built on a transport, and as the model that
//! other transports are measured by. What a broker does to its clients once a year it does on
//! demand; see the methods of [`Broker`].
//!
//! ```
//! use algedonic_memory::Broker;
//! use algedonic_transport::{Lane, Pattern, Transport};
//!
//! let broker = Broker::new();
//! let planner = broker.transport("planner");
//! let arrivals = planner.receive(Lane::Event, vec![Pattern::new("s3.#")?])?;
//! assert!(planner.link().is_up());
//!
//! broker.stop();
//! assert!(!planner.link().is_up());
//! # drop(arrivals);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Time
//!
//! Nothing happens by itself but the passing of the confirm deadline and of the deadline of
//! `close`, which are tokio's time; nothing else needs a runtime. There are no tasks in the
//! background and no sleeps, so the same calls in the same order have the same effect.
//!
//! [algedonic]: https://docs.rs/algedonic

#![forbid(unsafe_code)]
mod arrivals;
mod broker;
mod closing;
mod connection;
mod delivering;
mod faults;
mod limits;
mod queue;
mod receiver;
mod routing;
mod settle;
mod shared;
mod state;
mod transport;

pub use self::{
    broker::Broker,
    limits::{Limits, Losses},
    transport::Memory,
};
