use crate::resilience::sync::{Apart, AtomicU64, Ordering};

/// The generic cell rate algorithm (ITU-T I.371): one word, the theoretical time of the next arrival.
///
/// An arrival is admitted from `tolerance` before that time on, and sets it an interval later. That is, of any arrivals
/// in a row the n-th comes at least `(n - burst) * interval` after the first.
#[derive(Debug)]
pub(in crate::resilience) struct Core {
    arrival: Apart<AtomicU64>,
    interval: u64,
    /// As many intervals as a burst has more than one call.
    tolerance: u64,
}

/// A place in the schedule. All times are in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::resilience) struct Token {
    /// When it counts: now, or later.
    pub(in crate::resilience) at: u64,
    before: u64,
    after: u64,
}

impl Core {
    pub(in crate::resilience) fn new(interval: u64, burst: u32) -> Self {
        Self {
            arrival: Apart(AtomicU64::new(0)),
            interval,
            tolerance: interval.saturating_mul(u64::from(burst) - 1),
        }
    }

    /// Takes a token that counts now, if there is one.
    #[inline]
    pub(in crate::resilience) fn take_now(&self, now: u64) -> bool {
        let most = now.saturating_add(self.tolerance);
        let mut before = self.arrival.load(Ordering::Relaxed);
        while before <= most {
            match self.book(before, now) {
                Ok(_) => return true,
                Err(other) => before = other,
            }
        }
        false
    }

    /// The next one after `before`: gives what comes after it, or what others have made of it meanwhile.
    #[inline]
    fn book(&self, before: u64, now: u64) -> Result<u64, u64> {
        let after = before.max(now).saturating_add(self.interval);
        let relaxed = Ordering::Relaxed;
        let booked = self
            .arrival
            .compare_exchange_weak(before, after, relaxed, relaxed);
        booked.map(|_| after)
    }

    /// Takes a token that counts in at most so long; else says how long it takes until there is one.
    pub(in crate::resilience) fn take(&self, now: u64, most: u64) -> Result<Token, u64> {
        let mut before = self.arrival.load(Ordering::Relaxed);
        loop {
            let at = before.saturating_sub(self.tolerance).max(now);
            let wait = at - now;
            if wait > most {
                return Err(wait - most);
            }
            match self.book(before, now) {
                Ok(after) => return Ok(Token { at, before, after }),
                Err(other) => before = other,
            }
        }
    }

    /// Gives back a token that is not needed; true if it is the newest. Another is wasted: later ones
    /// have their times, and nobody gets one twice.
    pub(in crate::resilience) fn give_back(&self, token: Token) -> bool {
        // Whoever took a later one has set a later time, so that this one is found only while it is the newest.
        self.arrival
            .compare_exchange(
                token.after,
                token.before,
                Ordering::Relaxed,
                Ordering::Relaxed,
            )
            .is_ok()
    }

    /// Whether a call at this time would have a token.
    #[inline]
    pub(in crate::resilience) fn has_room(&self, now: u64) -> bool {
        self.arrival.load(Ordering::Relaxed) <= now.saturating_add(self.tolerance)
    }

    /// How many calls at this time would have one.
    pub(in crate::resilience) fn available(&self, now: u64) -> u64 {
        let arrival = self.arrival.load(Ordering::Relaxed).max(now);
        let left = now.saturating_add(self.tolerance).checked_sub(arrival);
        left.map_or(0, |left| left / self.interval + 1)
    }
}
