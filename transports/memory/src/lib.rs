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
//! # As a broker does
//!
//! | | here | RabbitMQ |
//! |---|---|---|
//! | confirm | once every queue that wants it has it | `basic.ack` |
//! | return | [`NotRouted`](algedonic_transport::Outcome::NotRouted): nobody wants the key, and it is stored nowhere | `mandatory`, `basic.return` |
//! | full queue | [`Rejected`](algedonic_transport::Outcome::Rejected), though other queues have it; or the oldest goes | `x-overflow` |
//! | prefetch | so many unsettled for each transport and lane, then the next waits | `basic.qos` |
//! | work queue | two transports of one name share what comes for it, on any lane; commands wait for it | a shared queue |
//! | redelivery | to the place it had, marked; counted, and a dead letter beyond a limit | `redelivered`, `x-delivery-limit` |
//! | time to live | of a queue: a dead letter. Of a message: left out, and counted, as the AMQP transport does | `x-message-ttl` |
//! | dead letters | with their reason, bounded | `x-death` |
//! | blocked | senders are refused, receivers go on | `connection.blocked` |
//!
//! What goes wrong on the way is said by [`Faults`], message by message, or drawn from a seed.
//!
//! # Time
//!
//! Time is tokio's: under `#[tokio::test(start_paused = true)]` an hour passes at once. By itself happens only what is
//! said to take time: the confirm deadline, the deadline of `close`, delays, and faults that end. These need a tokio
//! runtime with its timers enabled, and wake those who wait; without one they happen at the next call after their
//! time. Nothing else needs a runtime, and there is no chance in anything: the same calls in the same order have the
//! same effect.
//!
//! [algedonic]: https://docs.rs/algedonic

#![forbid(unsafe_code)]
mod arrivals;
mod broker;
mod clock;
mod closing;
mod connection;
mod cuts;
mod dead;
mod delivering;
mod fault;
mod faults;
mod limits;
mod queue;
mod random;
mod receiver;
mod routing;
mod script;
mod settle;
mod shared;
mod state;
mod stored;
mod transport;
mod which;

pub use self::{
    broker::Broker,
    dead::{DeadLetter, DeathCause},
    fault::{DeliveryFault, SendFault},
    limits::{Limits, Losses, Overflow},
    script::Faults,
    transport::Memory,
    which::Which,
};
