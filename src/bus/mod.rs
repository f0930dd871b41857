//! The bus: ties the other rooms together, and decides nothing itself.

mod alarms;
mod builder;
mod delay;
mod delayed;
mod escalate;
mod links;
mod options;
mod pattern;
mod planned;
mod publish;
mod publisher;
mod publishing;
mod receipt;
mod request;
mod resilience;
mod shutdown;
mod subscribe;
mod vitals;

use std::{
    fmt,
    sync::{Arc, Mutex},
};

use algedonic_transport::BusId;

pub use self::{
    builder::Builder,
    delayed::Delayed,
    links::Links,
    options::PublishOptions,
    pattern::PatternSubscription,
    publisher::{Interrupted, Publisher},
    receipt::{Delivered, Receipt},
    shutdown::Shutdown,
};
use crate::{
    delay::Delays,
    handler::{DeadLetters, HandlerSet},
    local::{Gate, Local},
    mirror::{MirrorStackHandle, Running},
    observe::{Books, Counts, Health, Ledger},
    request::Requests,
    resilience::registry::WeakRegistry,
    signal::Signals,
    task::{Task, Tasks},
};

/// A typed event bus. Cloning it copies a pointer; all clones are the same bus.
///
/// The bus of a process needs no broker, no configuration and no feature. It needs no tokio runtime either, but
/// for handlers, requests, delayed events, mirrors and [`shutdown`](Self::shutdown). Dropping the last clone
/// ends its tasks at once; use [`shutdown`](Self::shutdown) to let them finish. A [`Publisher`] keeps the bus
/// alive, and so does a handler that holds a clone.
#[derive(Clone)]
pub struct Bus {
    shared: Arc<Shared>,
}

struct Shared {
    /// Who publishes, in words for people.
    source: Arc<str>,
    /// Which bus this is: its events carry it.
    origin: BusId,
    /// Closed after that of events: what hurts during a shutdown can be said.
    signals_gate: Gate,
    local: Arc<Local>,
    signals: Arc<Signals>,
    /// Above the handlers: ended before their tasks are, it says that the bus ends.
    requests: Requests,
    handlers: HandlerSet,
    /// Of signals: no event of a handler above holds them up.
    signal_handlers: Tasks,
    delays: Delays,
    /// Held by the one shutdown at work.
    shutting_down: tokio::sync::Mutex<()>,
    /// Raise the signals of the mirror.
    #[expect(dead_code, reason = "tasks that end with the bus")]
    alarms: Vec<Task>,
    mirror: Option<Running>,
    /// Looks at the bus, once that is asked for.
    watching: Mutex<Option<vitals::Watching>>,
    /// Whose health is part of that of the bus. It may keep the bus alive, by its observer.
    registry: Mutex<Option<WeakRegistry>>,
    ledger: Arc<Ledger>,
}

impl Bus {
    /// A bus for this process alone.
    pub fn local() -> Self {
        Builder::new().local()
    }

    /// Sets up a bus with a name, or a mirror.
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// Who publishes: [`Builder::source`].
    pub fn source(&self) -> &str {
        &self.shared.source
    }

    /// The id of this bus, which its events carry as [`origin`](crate::Metadata::origin).
    pub fn id(&self) -> BusId {
        self.shared.origin
    }

    /// How the bus is now; its `Display` is one line for an operator.
    pub fn health(&self) -> Health {
        let shared = &self.shared;
        let mirror = shared.mirror.as_ref();
        let mirror = mirror.map(|mirror| mirror.health(shared.counts().untold()));
        Health::new(shared.local.is_draining(), mirror, self.resilience())
    }

    /// The mirror's link as it is now, then each change; a slow reader misses what lay between,
    /// never the last. Without a mirror the stream ends at once.
    pub fn links(&self) -> Links {
        Links::new(self.shared.mirror.as_ref().map(Running::links))
    }

    /// Sees and controls the layers that events pass on their way to other processes: the breaker, the bulkhead, the retry.
    /// None without a mirror, and with a [stack](crate::Mirror::stack) of your own.
    pub fn mirror_stack(&self) -> Option<MirrorStackHandle> {
        self.shared.mirror.as_ref()?.stack().cloned()
    }

    /// The events that handlers could not handle.
    pub fn dead_letters(&self) -> DeadLetters {
        self.shared.handlers.dead_letters()
    }

    /// What the bus has counted since it was built.
    pub fn counts(&self) -> Counts {
        self.shared.counts()
    }

    /// The books: what became of each event, per type and subscriber.
    pub fn books(&self) -> Books {
        self.shared.local.books()
    }
}

impl Drop for Shared {
    /// Who holds a subscription learns that nothing comes any more.
    fn drop(&mut self) {
        self.local.close();
        self.signals.close();
    }
}

impl Shared {
    /// The counts, with what the books say of events.
    fn counts(&self) -> Counts {
        let mut counts = self.ledger.counts();
        // After those that were told: never fewer.
        counts.mirrored += self.local.mirrored();
        let books = self.local.books();
        let total = books.total();
        counts.published = books.types.iter().map(|books| books.published).sum();
        counts.delivered += total.delivered;
        counts.dropped = total.dropped;
        counts.expired += total.expired;
        if let Some(spool) = self.mirror.as_ref().and_then(Running::spool) {
            counts.spool_lost = spool.dropped + spool.expired + spool.missing;
        }
        counts.delayed_pending = self.delays.pending();
        counts
    }
}

impl fmt::Debug for Bus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bus")
            .field("source", &self.shared.source)
            .field("id", &self.shared.origin)
            .field("mirror", &self.shared.mirror)
            .finish_non_exhaustive()
    }
}
