use std::sync::atomic::{AtomicU64, Ordering};

impl Counts {
    /// Of those that were to be mirrored: how many outcomes are known.
    pub(crate) fn told(&self) -> u64 {
        self.confirmed
            + self.unroutable
            + self.rejected
            + self.unknown
            + self.spooled
            + self.local_only
    }

    /// And how many are not.
    pub(crate) fn untold(&self) -> u64 {
        self.mirrored.saturating_sub(self.told())
    }
}

/// One number that only grows.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, n: u64) {
        if n > 0 {
            self.0.fetch_add(n, Ordering::Relaxed);
        }
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

macro_rules! ledger {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// The books of one bus, as they are kept.
        #[derive(Debug, Default)]
        pub(crate) struct Ledger {
            $(pub(crate) $name: Counter,)*
        }

        impl Ledger {
            pub(crate) fn counts(&self) -> Counts {
                Counts { $($name: self.$name.get(),)* }
            }
        }

        /// What a bus has counted since it was built; from [`Bus::counts`](crate::Bus::counts).
        ///
        /// Each number is exact; read while the bus works, they may be of slightly different moments.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct Counts {
            $($(#[$doc])* pub $name: u64,)*
        }
    };
}

ledger! {
    /// Events published here, whether anybody heard them or not.
    published,
    /// Signals raised here.
    signals,
    /// Publishes refused: a bad key, the bus was shut down, a subscriber that has publishing fail is
    /// full, or too many events are scheduled.
    refused,
    /// Received by subscribers, or handled: events from here and from other processes; besides, signals
    /// put into the buffers of their subscribers. [`Bus::books`](crate::Bus::books) tells them apart.
    delivered,
    /// Events that a subscriber did not get because it lagged ([`Lag::DropOldest`](crate::Lag::DropOldest),
    /// [`Lag::DropNewest`](crate::Lag::DropNewest)).
    dropped,
    /// Signals that did not get into a subscriber's buffer: `signal` was cancelled while it waited for
    /// room, the subscriber left meanwhile, or the bus was shut down.
    undelivered,
    /// Signals that a handler of signals finished without an error. What those handlers took is in exactly one of this
    /// and the following three.
    signals_handled,
    /// Signals whose handler ended in an error.
    signals_failed,
    /// Signals whose handler ended in a panic.
    signals_panicked,
    /// Signals that a handler of signals which was cut off, dropped or shut down had not finished: in hand, or buffered.
    signals_abandoned,
    /// Left out because their time had passed: by subscribers, and messages from other processes that
    /// came too late.
    expired,
    /// Events that a handler which was cut off, dropped or shut down had not finished: in hand,
    /// waiting for a retry, parked behind their key, or buffered.
    ///
    /// What was offered to handlers, less what was dropped or had expired there, and what was
    /// redriven, are together `handled` + `dead_lettered` + `abandoned` + what they still have.
    abandoned,
    /// Events that a handler finished without an error.
    handled,
    /// Attempts of handlers that ended in an error; a retried event may count several.
    failed,
    /// Attempts of handlers, and requests in the hands of responders, that ended in a panic; and events
    /// whose order key could not be had because its function panicked.
    panicked,
    /// Of the failed: those after which the event was put off, to be tried again.
    retried,
    /// Events that became dead letters; a redriven one may count several times.
    dead_lettered,
    /// Dead letters that made room for newer ones, and are gone.
    dead_letters_lost,
    /// Dead letters that were given back to their handlers.
    redriven,
    /// Requests made. Each is in exactly one of the following six once it is resolved or dropped.
    requests,
    /// Requests that were answered with a reply.
    requests_answered,
    /// Requests that were answered with the responder's error.
    requests_declined,
    /// Requests whose deadline passed.
    requests_timed_out,
    /// Requests that a responder had begun and did not answer: it panicked, left, or was cut off by
    /// the end of the bus.
    requests_lost,
    /// Requests that no responder began: there was none, or the bus had ended.
    requests_refused,
    /// Requests whose asker went away before they were resolved.
    requests_withdrawn,
    /// Events scheduled ([`publish_after`](crate::Bus::publish_after) and its like). Each is in
    /// exactly one of the following five.
    delayed,
    /// Delayed events that were published.
    delayed_published,
    /// Delayed events that were refused when they were due; they are in `refused`, too.
    delayed_refused,
    /// Delayed events that were taken back before they were published.
    delayed_cancelled,
    /// Delayed events that were dropped with the bus, or with the runtime of its timer.
    delayed_abandoned,
    /// Delayed events that are not yet published: not due, or waiting for room.
    delayed_pending,
    /// Events and signals that were to be mirrored. Each is in exactly one of the following six once its
    /// outcome is known.
    mirrored,
    /// Outcomes [`Remote::Confirmed`](crate::Remote::Confirmed).
    confirmed,
    /// Outcomes [`Remote::Unroutable`](crate::Remote::Unroutable).
    unroutable,
    /// Outcomes [`Remote::Rejected`](crate::Remote::Rejected).
    rejected,
    /// Outcomes [`Remote::Unknown`](crate::Remote::Unknown).
    unknown,
    /// Outcomes [`Remote::Spooled`](crate::Remote::Spooled).
    spooled,
    /// Outcomes [`Remote::LocalOnly`](crate::Remote::LocalOnly) of events and signals that were to
    /// be mirrored.
    local_only,
    /// Of what was spooled, in this life of the process or an earlier one: sent, and confirmed.
    replayed,
    /// Of the same: not taken by the other side, or impossible to send.
    replay_refused,
    /// Of the same: dropped by a rule of the spool before it was confirmed; each is told by a
    /// [`Notice`](crate::spool::Notice).
    spool_lost,
    /// Events and signals from other processes, delivered here.
    received,
    /// Messages heard again of this bus itself, and dropped.
    echoes,
    /// Messages that had arrived before, and were dropped.
    duplicates,
    /// Messages that nobody could read, and were dead-lettered.
    malformed,
    /// Messages of a type or a version that this bus does not know, dead-lettered.
    unknown_type,
}
