use super::word::Phase;
use crate::resilience::sync::{AtomicU64, Ordering};

/// After the breaker has closed: admits a share of the calls that grows evenly from none to all.
///
/// Not by chance: what the shares of the calls sum up to is admitted, to within one call.
#[derive(Debug)]
pub(super) struct Ramp {
    /// Nanoseconds; 0 is no ramp.
    length: u64,
    since: AtomicU64,
    /// The sum of the shares of all calls, in parts of [`WHOLE`].
    sum: AtomicU64,
}

const BITS: u32 = 32;
const WHOLE: u64 = 1 << BITS;

impl Ramp {
    pub(super) fn new(length: u64) -> Self {
        Self {
            length,
            since: AtomicU64::new(0),
            sum: AtomicU64::new(0),
        }
    }

    /// Begins one; which phase this is.
    pub(super) fn start(&self, now: u64) -> Phase {
        if self.length == 0 {
            return Phase::Closed;
        }
        self.since.store(now, Ordering::Relaxed);
        // The first call is admitted, whenever it comes.
        self.sum.store(WHOLE - 1, Ordering::Relaxed);
        Phase::Ramp
    }

    pub(super) fn is_over(&self, now: u64) -> bool {
        self.elapsed(now) >= self.length
    }

    /// Whether to admit one call more.
    pub(super) fn admits(&self, now: u64) -> bool {
        let share = u128::from(self.elapsed(now)) * u128::from(WHOLE) / u128::from(self.length);
        // 1 at the least, so that the first one passes at the beginning too.
        let share = u64::try_from(share).unwrap_or(WHOLE).clamp(1, WHOLE);
        let before = self.sum.fetch_add(share, Ordering::Relaxed);
        before >> BITS != before.wrapping_add(share) >> BITS
    }

    fn elapsed(&self, now: u64) -> u64 {
        now.saturating_sub(self.since.load(Ordering::Relaxed))
    }
}
