use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

use super::{
    RateLimitConfig,
    core::{Core, Token},
};
use crate::resilience::{
    Reason, Rejection, What,
    clock::{Clock, nanos},
    counter::Counter,
    observer::Reporter,
    storm::Storm,
};

/// One rate limit: shared by all services of a layer, calls that wait, and handles.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) config: RateLimitConfig,
    pub(super) reporter: Reporter,
    core: Core,
    clock: Clock,
    max_wait: u64,
    pub(super) admitted: Counter,
    pub(super) limited: Storm,
    pub(super) waiting: AtomicU64,
}

/// What a call gets.
#[derive(Debug)]
pub(super) enum Entry {
    Now,
    Later(Booking),
    Rejected(Rejection),
}

/// A token whose time has not come. Dropped before it is used, it is given back.
#[derive(Debug)]
pub(super) struct Booking {
    shared: Arc<Shared>,
    /// None once it is used.
    token: Option<Token>,
    /// Its time.
    pub(super) at: Instant,
}

impl Shared {
    /// Of a valid configuration.
    pub(super) fn new(config: RateLimitConfig, reporter: Reporter) -> Self {
        let clock = Clock::new();
        Self {
            core: Core::new(config.interval(), config.burst),
            clock,
            max_wait: nanos(config.max_wait),
            config,
            admitted: Counter::default(),
            limited: Storm::new(What::Rejected(Reason::RateLimited), &reporter, clock),
            reporter,
            waiting: AtomicU64::new(0),
        }
    }

    /// Whether a call would not be admitted now. `seen` is a time that the caller has seen: where
    /// there was room then, there is now, and the clock is not read.
    #[inline]
    pub(super) fn is_exhausted(&self, seen: &mut u64) -> bool {
        if self.core.has_room(*seen) {
            return false;
        }
        *seen = self.clock.now();
        !self.core.has_room(*seen)
    }

    /// How many calls would be admitted now.
    pub(super) fn available(&self) -> u64 {
        self.core.available(self.clock.now())
    }

    /// What time it is.
    #[inline]
    pub(super) fn now(&self) -> u64 {
        self.clock.now()
    }

    /// A token that counts now, if there is one.
    #[inline]
    pub(super) fn enter_now(&self, now: u64) -> bool {
        let admits = self.core.take_now(now);
        if admits {
            self.admitted.add(1);
        }
        admits
    }

    /// A token that counts now, or at most so much later, or a rejection.
    #[cold]
    #[inline(never)]
    pub(super) fn enter(self: &Arc<Self>, now: u64) -> Entry {
        match self.core.take(now, self.max_wait) {
            Ok(token) if token.at <= now => {
                self.admitted.add(1);
                Entry::Now
            }
            Ok(token) => Entry::Later(self.book(token)),
            Err(wait) => Entry::Rejected(self.reject(wait)),
        }
    }

    /// A token that counts now.
    pub(super) fn try_enter(&self) -> Result<(), Rejection> {
        let now = self.now();
        if self.enter_now(now) {
            return Ok(());
        }
        let taken = self.core.take(now, 0);
        taken.map_err(|wait| self.reject(wait))?;
        self.admitted.add(1);
        Ok(())
    }

    fn book(self: &Arc<Self>, token: Token) -> Booking {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        Booking {
            shared: Arc::clone(self),
            token: Some(token),
            at: self.clock.instant(token.at),
        }
    }

    #[cold]
    fn reject(&self, wait: u64) -> Rejection {
        self.limited.count(0);
        let wait = Duration::from_nanos(wait);
        Rejection::new(self.reporter.name, Reason::RateLimited, Some(wait))
    }
}

impl Booking {
    /// Its time has come.
    pub(super) fn use_up(mut self) {
        self.token = None;
        self.shared.admitted.add(1);
    }
}

impl Drop for Booking {
    fn drop(&mut self) {
        self.shared.waiting.fetch_sub(1, Ordering::Relaxed);
        if let Some(token) = self.token.take() {
            self.shared.core.give_back(token);
        }
    }
}
