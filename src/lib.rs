#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod bus;
mod delay;
mod event;
mod handler;
mod local;
mod mirror;
#[cfg(all(test, algedonic_loom))]
mod models;
mod observe;
mod request;
pub mod resilience;
mod signal;
pub mod spool;
mod task;
#[cfg(feature = "testing")]
pub mod testing;
mod turn;

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
    bus::{
        Builder, Bus, Delayed, Delivered, Interrupted, Links, PatternSubscription, PublishOptions,
        Publisher, Receipt, Shutdown,
    },
    event::{AnyEnvelope, Cause, Envelope, Event, Scoped},
    handler::{
        DeadLetter, DeadLetterKind, DeadLetters, Drained, Fail, Handler, HandlerBuilder,
        HandlerService, LetterId, RedriveError, Redriven, Retry,
    },
    local::{Batch, Buffer, EventRef, Gap, Lag, Subscription},
    mirror::{
        Mirror, MirrorStack, MirrorStackHandle, Mirrored, Outage, Passing, PublishFailed, Sending,
        TransportService,
    },
    observe::{
        Account, Books, Counts, Health, LocalOnly, MirrorHealth, PatternBooks, Remote, Status,
        SubscriberBooks, TypeBooks,
    },
    request::{Answer, Asked, Asking, Loss, Request, RequestError, Responder, ResponderBuilder},
    signal::{
        AlarmObserver, Alarms, Chain, ChainCounts, Escalation, Feeling, Level, Pain,
        SeatSubscription, Signal, SignalHandler, SignalHandlerBuilder, SignalSubscription, Vitals,
    },
};
