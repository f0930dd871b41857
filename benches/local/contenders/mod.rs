//! The bus, and the channels one would use instead.
//!
//! Nothing is lost, and at most 1,024 events are unread: whoever is full makes its publisher wait,
//! except for tokio's broadcast, which cannot (see `shared`).

pub(crate) mod batch;
mod fan_out;
mod ours;
mod shared;

use std::sync::Arc;

use crate::{
    case::Case,
    load::{Reading, Round},
    payload::{Apart, Payload, Sealed},
};

/// Who takes part, and how it plays a case.
pub(crate) type Contender = (&'static str, fn(Case) -> Round);

/// The bus.
pub(crate) const OURS: Contender = ("ours", ours::ours);

const fn peers<P: Payload>() -> [Contender; 5] {
    [
        ("tokio-broadcast", shared::tokio_broadcast::<P, false>),
        ("async-broadcast", shared::async_broadcast::<P, false>),
        ("tokio-mpsc", fan_out::tokio_mpsc::<P, false, false>),
        ("flume", fan_out::flume::<P, false, false>),
        ("kanal", fan_out::kanal::<P, false, false>),
    ]
}

/// Peers that carry the bare event, by value.
pub(crate) const BARE: [Contender; 5] = peers::<Reading>();

/// Peers that carry an event with metadata, in an `Arc`.
pub(crate) const WITH_METADATA: [Contender; 5] = peers::<Arc<Sealed>>();

/// The bare ones once more, as somebody would write them who counts nanoseconds: `try_send` and
/// `try_recv` first, where that is faster. It also passes by the turns that tokio's own channels
/// give to other tasks.
pub(crate) const TRYING: [Contender; 5] = [
    (
        "tokio-broadcast-try",
        shared::tokio_broadcast::<Apart<1>, true>,
    ),
    (
        "async-broadcast-try",
        shared::async_broadcast::<Apart<1>, true>,
    ),
    (
        "tokio-mpsc-try",
        fan_out::tokio_mpsc::<Apart<1>, true, true>,
    ),
    // Its `try_recv` is slower than its `recv_async`.
    ("flume-try", fan_out::flume::<Apart<1>, true, false>),
    ("kanal-try", fan_out::kanal::<Apart<1>, true, true>),
];
