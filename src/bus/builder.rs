use std::sync::{Arc, Mutex};

use algedonic_transport::{BusId, Error, Message, Outcome};
use tower::{BoxError, Service};

use super::{Bus, Shared, alarms};
use crate::{
    delay::{self, Delays},
    handler::{self, HandlerSet},
    local::{Gate, Local},
    mirror::{Boxed, Mirror, Running},
    observe::Ledger,
    request::Requests,
    signal::Signals,
    task::Tasks,
};

/// Sets up a [`Bus`].
#[derive(Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct Builder {
    source: Arc<str>,
    mirror: Option<Mirror<Boxed>>,
    dead_letter_capacity: usize,
    delay_capacity: usize,
}

impl Builder {
    pub(super) fn new() -> Self {
        Self {
            source: "local".into(),
            mirror: None,
            dead_letter_capacity: handler::DEFAULT_CAPACITY,
            delay_capacity: delay::DEFAULT_CAPACITY,
        }
    }

    /// Says who publishes, in words for people: the application or the subsystem. "local" by
    /// default.
    pub fn source(mut self, source: impl Into<Arc<str>>) -> Self {
        self.source = source.into();
        self
    }

    /// How many dead letters the bus keeps; 1,024 by default. When there are more, the oldest makes
    /// room. With 0 none are kept, and each is counted as lost.
    pub fn dead_letter_capacity(mut self, letters: usize) -> Self {
        self.dead_letter_capacity = letters;
        self
    }

    /// How many events may be scheduled at a time ([`Bus::publish_after`]), those included that are due
    /// and wait for room; 65,536 by default. Beyond it scheduling fails with `Busy`; with 0, always.
    pub fn delay_capacity(mut self, events: usize) -> Self {
        self.delay_capacity = events;
        self
    }

    /// Mirrors events and signals to other processes.
    pub fn mirror<S>(mut self, mirror: Mirror<S>) -> Self
    where
        S: Service<Message, Response = Outcome> + Clone + Send + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send + 'static,
    {
        self.mirror = Some(mirror.boxed());
        self
    }

    /// Starts the bus. Waits for nothing: with a broker away it is a local bus, until the broker comes.
    ///
    /// # Errors
    ///
    /// `Misconfigured`: an event type whose name or keys break the rules, two types of one name, or
    /// a mirror outside of a tokio runtime. Without a mirror there are none.
    pub fn build(self) -> Result<Bus, Error> {
        let Self {
            source,
            mirror,
            dead_letter_capacity,
            delay_capacity,
        } = self;
        let ledger = Arc::new(Ledger::default());
        let origin = BusId::new();
        let local = Arc::new(Local::new(Arc::clone(&source), origin));
        let signals = Arc::new(Signals::new(Arc::clone(&source), origin, &ledger));
        let mirror = match mirror {
            None => None,
            Some(Mirror {
                mistake: Some(mistake),
                ..
            }) => return Err(mistake),
            Some(mut mirror) => {
                let alarms = mirror.alarms.take();
                let running = Running::start(mirror, origin, &local, &signals, &ledger)?;
                Some((running, alarms))
            }
        };
        let (mirror, alarms) = mirror.unzip();
        Ok(Bus {
            shared: Arc::new_cyclic(|shared| Shared {
                alarms: mirror
                    .as_ref()
                    .zip(alarms.flatten())
                    .map_or_else(Vec::new, |(mirror, alarms)| {
                        alarms::begin(shared, mirror, &alarms)
                    }),
                source,
                origin,
                signals_gate: Gate::default(),
                local,
                signals,
                requests: Requests::new(&ledger),
                handlers: HandlerSet::new(dead_letter_capacity, &ledger),
                signal_handlers: Tasks::default(),
                delays: Delays::new(delay_capacity, &ledger),
                shutting_down: tokio::sync::Mutex::default(),
                mirror,
                watching: Mutex::default(),
                registry: Mutex::default(),
                ledger,
            }),
        })
    }

    pub(super) fn local(self) -> Bus {
        self.build()
            .expect("a bus without a mirror has nothing to get wrong")
    }
}
