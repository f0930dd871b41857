use std::{fmt, time::Duration};

use tokio::time::{Instant, timeout_at};

use super::Bus;
use crate::{
    mirror::Running,
    observe::{Books, Counts},
    task::Ended,
};

/// What was finished at a shutdown, and what was left.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Shutdown {
    /// Handlers and responders that finished all they had.
    pub handlers_finished: u64,
    /// Handlers and responders that were cut off at the deadline.
    pub handlers_aborted: u64,
    /// Events that those had in hand or in their buffers.
    pub abandoned: u64,
    /// Signals that those had in hand or in their buffers.
    pub signals_abandoned: u64,
    /// Delayed events that were not published: not yet due, waiting for room until the end, or due
    /// behind another of their type that waited.
    pub delayed: u64,
    /// Events and signals that still wait in buffers, to be read by whoever holds the subscription.
    pub unread: u64,
    /// Of the events and signals on their way out when it began: how many stayed local.
    pub unsent: u64,
    /// Of the same: for how many nobody can say.
    pub unknown: u64,
    /// Events and signals that wait on the disk, for the next that opens the [spool](crate::Mirror::spool). They are safe, and
    /// nothing that was left undone.
    pub spooled: u64,
    /// What was counted, to the end.
    pub counts: Counts,
    /// The books at the end, per type and subscriber.
    pub books: Books,
}

impl Shutdown {
    /// Whether nothing was left undone.
    pub fn is_clean(&self) -> bool {
        self.handlers_aborted == 0
            && self.delayed == 0
            && self.unread == 0
            && self.unsent == 0
            && self.unknown == 0
    }
}

impl Bus {
    /// Ends the bus: takes no more, finishes what it has, reports. Resolves within `deadline` from
    /// now (and two tenths of a second, if tasks must be cut off), whatever the broker does.
    ///
    /// In this order:
    ///
    /// 1. Publishing and asking are refused, and no more is taken from other processes. Delayed events that
    ///    are due are begun, the others dropped.
    /// 2. What waits for room in a subscriber's buffer is waited for, until half of the time has passed.
    /// 3. Handlers finish what is in their buffers, and responders what they have in hand, until three
    ///    quarters have. Then signals are refused.
    /// 4. Handlers of signals finish what is in their buffers, until nine tenths have. What is on its way to
    ///    other processes is sent and its outcome awaited as long; it went on leaving meanwhile. Then the
    ///    transport is closed, and the spool, with what still waits in it.
    ///
    /// Subscriptions end after what they hold; that may be read afterwards, too.
    ///
    /// Called again it returns the report of an idle bus; called meanwhile it waits for the first.
    ///
    /// Inside a handler it works, too: the handler that calls it is not waited for.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with its timers enabled.
    ///
    /// # Cancellation
    ///
    /// Dropped early, the bus stays closed and its handlers go on; call it again to finish.
    pub async fn shutdown(&self, deadline: Duration) -> Shutdown {
        let shared = &*self.shared;
        // A year is as good as for ever, and can be added to the clock.
        let deadline = deadline.min(Duration::from_secs(365 * 24 * 3600));
        let start = Instant::now();
        let by = |share: f64| start + deadline.mul_f64(share);
        let before = shared.counts();
        shared.requests.close();
        shared.delays.close();
        // One at a time; a second call finds everything done, or waits for it.
        let Ok(_turn) = timeout_at(by(1.0), shared.shutting_down.lock()).await else {
            return Shutdown::report(self, Ended::default(), &before);
        };
        let stop_receiving = async {
            if let Some(mirror) = &shared.mirror {
                mirror.stop_receiving(by(0.5)).await;
            }
        };
        // Either may wait for a subscriber that nobody reads.
        tokio::join!(shared.local.drain(by(0.5)), stop_receiving);
        shared.local.close();
        // Those that still waited for room have just been told to end.
        let ((), mut ended) = tokio::join!(
            shared.delays.end_by(by(0.75)),
            shared.handlers.end_by(by(0.75)),
        );
        shared.signals_gate.close();
        let _ = timeout_at(by(0.75), shared.signals_gate.empty()).await;
        shared.signals.close();
        let drain = async {
            if let Some(mirror) = &shared.mirror {
                mirror.drain(by(0.9), by(1.0)).await;
            }
        };
        let (of_signals, ()) = tokio::join!(shared.signal_handlers.end_by(by(0.9)), drain);
        ended += of_signals;
        Shutdown::report(self, ended, &before)
    }
}

impl Shutdown {
    fn report(bus: &Bus, ended: Ended, before: &Counts) -> Self {
        let shared = &*bus.shared;
        let counts = shared.counts();
        Self {
            handlers_finished: ended.finished,
            handlers_aborted: ended.aborted,
            abandoned: counts.abandoned - before.abandoned,
            signals_abandoned: counts.signals_abandoned - before.signals_abandoned,
            delayed: counts.delayed_abandoned - before.delayed_abandoned,
            unread: shared.local.unread() + shared.signals.unread(),
            unsent: counts.local_only - before.local_only,
            unknown: counts.unknown - before.unknown,
            spooled: shared
                .mirror
                .as_ref()
                .and_then(Running::spool)
                .map_or(0, |spool| spool.records()),
            counts,
            books: shared.local.books(),
        }
    }
}

impl fmt::Display for Shutdown {
    /// One line for an operator.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let on_disk = |f: &mut fmt::Formatter<'_>| match self.spooled {
            0 => Ok(()),
            spooled => write!(f, ", {spooled} on the disk"),
        };
        if self.is_clean() {
            f.write_str("shut down, nothing left")?;
            return on_disk(f);
        }
        write!(
            f,
            "shut down; left: {} handlers cut off with {} events and {} signals, {} delayed, {} unread, {} unsent, {} unknown",
            self.handlers_aborted,
            self.abandoned,
            self.signals_abandoned,
            self.delayed,
            self.unread,
            self.unsent,
            self.unknown
        )?;
        on_disk(f)
    }
}
