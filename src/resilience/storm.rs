//! How is what comes in storms counted, and told once a second?

use std::{
    fmt,
    sync::{Arc, Weak},
    time::Duration,
};

use tokio::time::Instant;

use super::{
    What,
    clock::Clock,
    counter::Coalesced,
    observer::Reporter,
    sync::{AtomicU64, Ordering},
};

/// What comes in storms is told at most so often.
pub(crate) const TELL_EVERY: Duration = Duration::from_nanos(INTERVAL);

const INTERVAL: u64 = 1_000_000_000;

/// One kind of thing that may happen to a component in storms.
#[derive(Debug)]
pub(super) struct Storm(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    counted: Coalesced,
    what: What,
    reporter: Reporter,
    clock: Clock,
    /// As it was told last.
    generation: AtomicU64,
}

/// What a component goes on to count after a [notice](super::Notice), and has not told: the tail of a storm.
///
/// What comes within a second of a notice is told with the next one, and when none follows nobody is told. Who wants
/// to know asks when it is [due](Self::due).
#[derive(Clone)]
pub struct Untold {
    storm: Weak<Inner>,
    due: Instant,
}

impl Storm {
    pub(super) fn new(what: What, reporter: &Reporter, clock: Clock) -> Self {
        Self(Arc::new(Inner {
            counted: Coalesced::default(),
            what,
            reporter: reporter.clone(),
            clock,
            generation: AtomicU64::new(0),
        }))
    }

    /// Counts one, and tells of it if it is time.
    #[inline]
    pub(super) fn count(&self, generation: u64) {
        self.add_one();
        self.tell(generation);
    }

    #[inline]
    pub(super) fn add_one(&self) {
        self.0.counted.add_one();
    }

    /// Tells of what was counted, if it is time.
    #[inline]
    pub(super) fn tell(&self, generation: u64) {
        if self.0.reporter.is_heard() {
            self.tell_if_due(generation);
        }
    }

    #[cold]
    fn tell_if_due(&self, generation: u64) {
        let now = self.0.clock.now();
        if let Some(count) = self.0.counted.due(now, INTERVAL) {
            self.0.generation.store(generation, Ordering::Relaxed);
            self.0.tell(count, now, now);
        }
    }

    /// All that were counted.
    pub(super) fn sum(&self) -> u64 {
        self.0.counted.sum()
    }
}

impl Inner {
    /// So many came until then.
    fn tell(self: &Arc<Self>, count: u64, at: u64, now: u64) {
        let untold = Untold {
            storm: Arc::downgrade(self),
            due: self.clock.instant(now) + TELL_EVERY,
        };
        let generation = self.generation.load(Ordering::Relaxed);
        let at = self.clock.instant(at);
        self.reporter
            .tell_coalesced(self.what, generation, count, at, &untold);
    }
}

/// Nobody is left who would tell of the rest.
impl Drop for Storm {
    fn drop(&mut self) {
        if self.0.reporter.is_heard()
            && let Some(count) = self.0.counted.drain()
        {
            let now = self.0.clock.now();
            self.0.tell(count, now, now);
        }
    }
}

impl Untold {
    /// When all that is untold can be asked for: what comes later tells itself.
    pub fn due(&self) -> Instant {
        self.due
    }

    /// Lets the component tell its observers, all of them, what it has not told, if it is due and there is any: as a
    /// notice like the others, from within this call. It says when that was due, since nobody has noted when each
    /// came.
    pub fn tell(&self) {
        let Some(storm) = self.storm.upgrade() else {
            return;
        };
        let now = storm.clock.now();
        if let Some((count, by)) = storm.counted.rest(now, INTERVAL) {
            storm.tell(count, by, now);
        }
    }
}

impl Untold {
    /// Whether that is of the same storm.
    pub(crate) fn is_replaced_by(&self, other: &Self) -> bool {
        self.storm.ptr_eq(&other.storm)
    }
}

impl fmt::Debug for Untold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Untold")
            .field("due", &self.due)
            .finish_non_exhaustive()
    }
}
