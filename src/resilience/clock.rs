use std::time::Duration;

use tokio::time::Instant;

/// Nanoseconds since a component was made: the time that a core knows. Never negative; whoever goes
/// back in time finds it standing still.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    epoch: Instant,
}

impl Clock {
    pub(crate) fn new() -> Self {
        Self {
            epoch: Instant::now(),
        }
    }

    /// Not in line: a call costs little beside what it does, and what is around it is in line only if it is small.
    #[inline(never)]
    pub(crate) fn now(&self) -> u64 {
        nanos(Instant::now().saturating_duration_since(self.epoch))
    }

    /// The instant that was `now`.
    pub(crate) fn instant(&self, now: u64) -> Instant {
        self.epoch + Duration::from_nanos(now)
    }
}

/// A duration as a core knows it: 584 years are for ever.
#[inline]
pub(crate) fn nanos(duration: Duration) -> u64 {
    let nanos = duration.subsec_nanos();
    duration
        .as_secs()
        .saturating_mul(1_000_000_000)
        .saturating_add(u64::from(nanos))
}
