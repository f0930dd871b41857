#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod bus;
mod event;
mod handler;
mod local;
mod mirror;
mod observe;
mod signal;
mod task;

#[cfg(feature = "amqp")]
#[doc(inline)]
pub use algedonic_amqp as amqp;
#[cfg(feature = "memory")]
#[doc(inline)]
pub use algedonic_memory as memory;
/// What the author of a transport names; see the crate `algedonic-transport`.
#[doc(inline)]
pub use algedonic_transport as transport;
#[doc(inline)]
pub use algedonic_transport::{
    BusId, CorrelationId, Error, ErrorKind, EventId, Key, KeyError, Link, LinkState, Metadata,
    Pattern, PatternError, Priority, TraceContext, Verdict,
};

pub use self::{
    bus::{Builder, Bus, Delivered, Links, PublishOptions, Receipt, Shutdown},
    event::{AnyEnvelope, Cause, Envelope, Event, Scoped},
    handler::{
        DeadLetter, DeadLetterKind, DeadLetters, Drained, Fail, Handler, HandlerBuilder,
        HandlerService, LetterId, RedriveError, Redriven, Retry,
    },
    local::{Buffer, Gap, Lag, PatternSubscription, Subscription},
    mirror::{LocalOnly, Mirror, Mirrored, Remote, Sending, TransportService},
    observe::{Counts, Health, MirrorHealth, Status},
    signal::{Feeling, Level, Signal},
};
