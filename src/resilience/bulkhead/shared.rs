use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::Instant;

use super::{
    BulkheadConfig,
    core::{Core, Place, Served, Taken},
};
use crate::resilience::{
    ConfigError, Reason, Rejection, What, clock::Clock, counter::Counter, observer::Reporter,
    storm::Storm, sync::wake,
};

/// One bulkhead: shared by all services of a layer, their calls, and handles.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) core: Core,
    pub(super) reporter: Reporter,
    max_wait: Duration,
    /// As it was last resized.
    config: Mutex<BulkheadConfig>,
    /// The size of that, for who only wants to know whether it is exceeded.
    size: AtomicU64,
    /// How often it was resized.
    generation: AtomicU64,
    pub(super) admitted: Counter,
    pub(super) full: Storm,
    pub(super) timed_out: Storm,
    pub(super) overflow: Storm,
}

/// What a service and its calls hold.
///
/// Each clone of a service has one of its own. A call counts the references to this one, and so touches no
/// memory that other clones touch, but for the slots themselves.
#[derive(Debug)]
pub(super) struct Local {
    pub(super) shared: Arc<Shared>,
}

/// A slot that is taken, until it is dropped.
#[derive(Debug)]
pub(super) struct Held(Arc<Local>);

/// A place in the queue, until it is dropped or has become a slot.
#[derive(Debug)]
pub(super) struct Queued {
    local: Arc<Local>,
    /// None once it has become a slot, or was left.
    place: Option<Place>,
    /// When it is left.
    pub(super) until: Instant,
}

/// What a call gets.
#[derive(Debug)]
pub(super) enum Entry {
    Held(Held),
    Queued(Queued),
    Rejected(Rejection),
}

impl Shared {
    /// Of a valid configuration.
    pub(super) fn new(config: BulkheadConfig, reporter: Reporter) -> Self {
        let clock = Clock::new();
        let storm = |what| Storm::new(what, &reporter, clock);
        Self {
            core: Core::new(config.slots(), config.queue),
            max_wait: config.max_wait,
            size: AtomicU64::new(config.size.into()),
            generation: AtomicU64::new(0),
            config: Mutex::new(config),
            admitted: Counter::default(),
            full: storm(What::Rejected(Reason::BulkheadFull)),
            timed_out: storm(What::Rejected(Reason::BulkheadTimeout)),
            overflow: storm(What::Overflow),
            reporter,
        }
    }

    pub(super) fn config(&self) -> BulkheadConfig {
        let config = self.config.lock().unwrap_or_else(PoisonError::into_inner);
        config.clone()
    }

    pub(super) fn resize(&self, size: u32, overflow: u32) -> Result<(), ConfigError> {
        {
            let mut config = self.config.lock().unwrap_or_else(PoisonError::into_inner);
            let resized = config.clone().size(size).overflow(overflow);
            resized.validate()?;
            self.core.resize(resized.slots());
            self.size.store(size.into(), Ordering::Relaxed);
            self.generation.fetch_add(1, Ordering::Relaxed);
            *config = resized;
        }
        loop {
            match self.core.serve() {
                Served::Nobody => return Ok(()),
                Served::Awake => {}
                Served::Asleep(waker) => wake(waker),
            }
        }
    }

    #[cold]
    fn count(&self, storm: &Storm) {
        storm.count(self.generation.load(Ordering::Relaxed));
    }

    /// A call has its slot; so many have one.
    #[inline]
    fn admit(&self, running: u64) {
        self.admitted.add(1);
        if running > self.size.load(Ordering::Relaxed) {
            self.count(&self.overflow);
        }
    }

    #[cold]
    fn reject(&self, reason: Reason) -> Rejection {
        let storm = match reason {
            Reason::BulkheadTimeout => &self.timed_out,
            _ => &self.full,
        };
        self.count(storm);
        // When somebody gives a slot back nobody knows.
        Rejection::new(self.reporter.name, reason, None)
    }
}

impl Local {
    pub(super) fn new(shared: &Arc<Shared>) -> Arc<Self> {
        let shared = Arc::clone(shared);
        Arc::new(Self { shared })
    }

    /// A slot, if one is free; without one nothing is refused.
    #[inline]
    pub(super) fn enter_now(self: &Arc<Self>) -> Option<Held> {
        let running = self.shared.core.try_take()?;
        let held = Held(Arc::clone(self));
        self.shared.admit(running);
        Some(held)
    }

    /// A slot, a place in the queue, or a rejection.
    #[cold]
    #[inline(never)]
    pub(super) fn enter(self: &Arc<Self>) -> Entry {
        match self.shared.core.take() {
            Taken::Slot(running) => {
                let held = Held(Arc::clone(self));
                self.shared.admit(running);
                Entry::Held(held)
            }
            Taken::Place(place) => Entry::Queued(Queued {
                local: Arc::clone(self),
                place: Some(place),
                until: Instant::now() + self.shared.max_wait,
            }),
            Taken::Full => Entry::Rejected(self.shared.reject(Reason::BulkheadFull)),
        }
    }

    /// A slot, if one is free.
    pub(super) fn try_enter(self: &Arc<Self>) -> Result<Held, Rejection> {
        self.enter_now()
            .ok_or_else(|| self.shared.reject(Reason::BulkheadFull))
    }
}

impl Drop for Held {
    #[inline]
    fn drop(&mut self) {
        if let Served::Asleep(waker) = self.0.shared.core.give_back() {
            wake(waker);
        }
    }
}

impl Queued {
    /// A slot, if it is its turn; else it is woken when it is.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Held> {
        let place = self.place.as_ref().expect("polled after it was ready");
        if !self.local.shared.core.follow(place, cx.waker()) {
            return Poll::Pending;
        }
        self.place = None;
        Poll::Ready(self.served())
    }

    /// Leaves the queue because it is time, unless it was served at the last moment.
    pub(super) fn give_up(&mut self) -> Result<Held, Rejection> {
        if self.leave() {
            return Ok(self.served());
        }
        Err(self.local.shared.reject(Reason::BulkheadTimeout))
    }

    /// Whether it was served, and has a slot.
    fn leave(&mut self) -> bool {
        let core = &self.local.shared.core;
        self.place.take().is_some_and(|place| core.leave(place))
    }

    fn served(&self) -> Held {
        let held = Held(Arc::clone(&self.local));
        let shared = &self.local.shared;
        shared.admit(shared.core.snapshot().running);
        held
    }
}

impl Drop for Queued {
    fn drop(&mut self) {
        if self.leave() {
            drop(Held(Arc::clone(&self.local)));
        }
    }
}
