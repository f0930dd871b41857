use crate::resilience::{
    retry::BudgetConfig,
    sync::{Apart, AtomicU64, Ordering},
};

/// A retry, in the parts in which deposits are counted.
const RETRY: u64 = 1_000_000;

/// How many retries all requests together may have: so many for each request, saved up to a bound, and so many in
/// each second whatever comes. Two counts that do not know of each other, so each keeps its bound by itself, and
/// both together the sum.
#[derive(Debug)]
pub(in crate::resilience) struct Budget {
    /// What requests have saved, in parts of a retry.
    saved: Apart<AtomicU64>,
    /// What a request saves.
    deposit: u64,
    most: u64,
    reserve: Option<Reserve>,
}

/// So many in a second: the generic cell rate algorithm.
#[derive(Debug)]
struct Reserve {
    /// When all that was taken will have come back, in nanoseconds.
    whole_at: AtomicU64,
    /// From one retry to the next.
    interval: u64,
    /// How far ahead that may be.
    ahead: u64,
}

impl Budget {
    /// Of a valid configuration.
    pub(in crate::resilience) fn new(config: &BudgetConfig) -> Self {
        Self {
            saved: Apart::default(),
            deposit: config.parts(RETRY),
            most: u64::from(config.saved) * RETRY,
            reserve: (config.per_second > 0).then(|| Reserve::new(config.per_second)),
        }
    }

    /// For a request. Once enough is saved it writes nothing.
    #[inline]
    pub(in crate::resilience) fn deposit(&self) {
        let mut saved = self.saved.load(Ordering::Relaxed);
        while saved < self.most {
            let more = (saved + self.deposit).min(self.most);
            match self.exchange(saved, more) {
                Ok(_) => return,
                Err(other) => saved = other,
            }
        }
    }

    /// For a retry: whether there is one. The clock is read only if nothing is saved.
    pub(in crate::resilience) fn withdraw(&self, now: impl FnOnce() -> u64) -> bool {
        let mut saved = self.saved.load(Ordering::Relaxed);
        while let Some(less) = saved.checked_sub(RETRY) {
            match self.exchange(saved, less) {
                Ok(_) => return true,
                Err(other) => saved = other,
            }
        }
        self.reserve
            .as_ref()
            .is_some_and(|reserve| reserve.take(now()))
    }

    fn exchange(&self, old: u64, new: u64) -> Result<u64, u64> {
        let order = Ordering::Relaxed;
        self.saved.compare_exchange_weak(old, new, order, order)
    }

    /// Whole retries that are saved.
    pub(in crate::resilience) fn saved(&self) -> u64 {
        self.saved.load(Ordering::Relaxed) / RETRY
    }
}

impl Reserve {
    /// A second's worth at once, at the most.
    fn new(per_second: u32) -> Self {
        // Rounded up: never more than so many.
        let interval = 1_000_000_000_u64.div_ceil(per_second.into());
        Self {
            whole_at: AtomicU64::new(0),
            interval,
            ahead: interval * (u64::from(per_second) - 1),
        }
    }

    fn take(&self, now: u64) -> bool {
        let mut whole_at = self.whole_at.load(Ordering::Relaxed);
        loop {
            let from = whole_at.max(now);
            if from - now > self.ahead {
                return false;
            }
            let order = Ordering::Relaxed;
            let after = from.saturating_add(self.interval);
            match self
                .whole_at
                .compare_exchange_weak(whole_at, after, order, order)
            {
                Ok(_) => return true,
                Err(other) => whole_at = other,
            }
        }
    }
}
