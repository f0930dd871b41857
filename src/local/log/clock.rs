use std::time::SystemTime;

/// The system's time, read again only when the processor's cycle counter has moved on: reading
/// that one takes a fraction of the time.
///
/// What it says is at most 10,000 cycles old: 10 µs where the counter runs at 1 GHz, which is slow, 3 µs at 3 GHz. On
/// other processors than x86-64 it is never old.
pub(crate) struct Clock {
    ticks: Ticks,
    time: SystemTime,
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

    /// The time now, where it was `time` at `last`.
    #[inline]
    fn after(self, last: Self, time: SystemTime) -> SystemTime {
        const OLD: u64 = 10_000;
        // Another processor's counter may be behind: then the difference is huge.
        if self.0.wrapping_sub(last.0) < OLD {
            time
        } else {
            SystemTime::now()
        }
    }
}

#[cfg(not(all(target_arch = "x86_64", not(miri))))]
impl Ticks {
    /// Wants no lock.
    #[inline]
    pub(crate) fn now() -> Self {
        Self(SystemTime::now())
    }

    #[inline]
    fn after(self, _last: Self, _time: SystemTime) -> SystemTime {
        self.0
    }
}

impl Clock {
    pub(crate) fn new() -> Self {
        Self {
            ticks: Ticks::now(),
            time: SystemTime::now(),
        }
    }

    /// The time at a look that was taken a moment ago.
    #[inline]
    pub(crate) fn at(&mut self, ticks: Ticks) -> SystemTime {
        let time = ticks.after(self.ticks, self.time);
        if time != self.time {
            *self = Self { ticks, time };
        }
        time
    }

    /// The time that was read last.
    pub(crate) fn last(&self) -> SystemTime {
        self.time
    }
}
