use crate::resilience::{breaker::Trip, clock::nanos};

/// When the last failures were: as many as open the breaker.
#[derive(Debug)]
pub(super) struct Failures {
    times: Box<[u64]>,
    /// Where the oldest is, once there are as many; else where the next goes.
    at: usize,
    len: usize,
    window: u64,
}

impl Failures {
    pub(super) fn of(trip: &Trip) -> Self {
        let (threshold, window) = match trip {
            Trip::Failures {
                failure_threshold,
                window,
            } => (*failure_threshold, nanos(*window)),
            _ => (0, 0),
        };
        Self {
            times: (0..threshold).map(|_| 0).collect(),
            at: 0,
            len: 0,
            window,
        }
    }

    /// Adds one; whether there are now as many as it takes, all younger than the window.
    pub(super) fn push(&mut self, now: u64) -> bool {
        let capacity = self.times.len();
        // Threads may come in another order than they read the clock.
        let now = now.max(self.newest());
        self.times[self.at] = now;
        self.at = (self.at + 1) % capacity;
        self.len = (self.len + 1).min(capacity);
        self.len == capacity && self.is_young(self.times[self.at], now)
    }

    /// How many are younger than the window.
    pub(super) fn count(&self, now: u64) -> u64 {
        let held = self.times.iter().take(self.len);
        held.filter(|&&time| self.is_young(time, now)).count() as u64
    }

    pub(super) const fn clear(&mut self) {
        self.at = 0;
        self.len = 0;
    }

    fn newest(&self) -> u64 {
        match self.len {
            0 => 0,
            _ => self.times[(self.at + self.times.len() - 1) % self.times.len()],
        }
    }

    const fn is_young(&self, time: u64, now: u64) -> bool {
        now.saturating_sub(time) < self.window
    }
}
