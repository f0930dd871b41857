use std::time::SystemTime;

/// The system's time, read again only when the processor's cycle counter has moved on: to read the
/// counter takes a fraction of the time that the system's clock takes.
///
/// What it says is at most 10,000 cycles old: 10 µs where the counter runs at 1 GHz, which is slow, 3 µs at 3 GHz. On
/// other processors than x86-64 it is never old.
pub(crate) struct Clock {
    ticks: Ticks,
    nanos: u64,
}

/// When the clock was looked at.
#[derive(Clone, Copy)]
pub(crate) struct Ticks(Count);

#[cfg(all(target_arch = "x86_64", not(miri)))]
type Count = u64;
#[cfg(not(all(target_arch = "x86_64", not(miri))))]
type Count = SystemTime;

#[cfg(all(target_arch = "x86_64", not(miri)))]
impl Ticks {
    /// Wants no lock.
    #[inline]
    pub(crate) fn now() -> Self {
        // SAFETY: every x86-64 processor has the instruction; it reads a register, and nothing else.
        Self(unsafe { std::arch::x86_64::_rdtsc() })
    }

    /// How long after an earlier look: in cycles of the counter, on other processors in nanoseconds.
    pub(crate) fn since(self, earlier: Self) -> u64 {
        self.0.wrapping_sub(earlier.0)
    }

    /// The time now, if what was read at `last` is too old.
    #[inline]
    fn after(self, last: Self) -> Option<SystemTime> {
        const OLD: u64 = 10_000;
        // Another processor's counter may be behind: then the difference is huge.
        let old = self.0.wrapping_sub(last.0) >= OLD;
        old.then(SystemTime::now)
    }
}

#[cfg(not(all(target_arch = "x86_64", not(miri))))]
impl Ticks {
    /// Wants no lock.
    #[inline]
    pub(crate) fn now() -> Self {
        Self(SystemTime::now())
    }

    /// How long after an earlier look, in nanoseconds.
    pub(crate) fn since(self, earlier: Self) -> u64 {
        let since = self.0.duration_since(earlier.0).unwrap_or_default();
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
    }

    #[inline]
    fn after(self, _last: Self) -> Option<SystemTime> {
        Some(self.0)
    }
}

impl Clock {
    pub(crate) fn new() -> Self {
        Self {
            ticks: Ticks::now(),
            nanos: since_epoch(SystemTime::now()),
        }
    }

    /// The time at a look that was taken a moment ago, in nanoseconds since the Unix epoch.
    #[inline]
    pub(crate) fn at(&mut self, ticks: Ticks) -> u64 {
        if let Some(time) = ticks.after(self.ticks) {
            self.ticks = ticks;
            self.nanos = since_epoch(time);
        }
        self.nanos
    }
}

/// What is before the epoch counts as the epoch, what is after the year 2554 as that year.
fn since_epoch(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    u64::try_from(since.unwrap_or_default().as_nanos()).unwrap_or(u64::MAX)
}
