//! When is a signal due, and how late was it?
//!
//! A thread of its own raises signals at moments that are fixed before: one that is held up makes the next ones late, and
//! their times say so. tokio's timer counts milliseconds, so this one sleeps, and spins for the rest.

use std::{
    thread,
    time::{Duration, Instant},
};

/// What a thread may oversleep.
const SPIN: Duration = Duration::from_micros(150);

/// Calls `raise` every `pace` for `length`, with the nanoseconds from `start` at which it was due.
pub(crate) fn raise(start: Instant, pace: Duration, length: Duration, mut raise: impl FnMut(u64)) {
    let mut due = start.elapsed() + pace;
    let end = due + length;
    while due < end {
        let left = (start + due).saturating_duration_since(Instant::now());
        if left > SPIN {
            thread::sleep(left.saturating_sub(SPIN));
        }
        while start.elapsed() < due {
            std::hint::spin_loop();
        }
        raise(nanoseconds(due));
        due += pace;
    }
}

/// How many are raised.
pub(crate) fn count(pace: Duration, length: Duration) -> usize {
    usize::try_from(length.as_nanos().div_ceil(pace.as_nanos())).expect("few")
}

/// How late it is for what was due then.
pub(crate) fn late(start: Instant, due: u64) -> u64 {
    nanoseconds(start.elapsed()).saturating_sub(due)
}

/// When it was due, as a signal has it for a value.
pub(crate) fn due_of(value: f64) -> u64 {
    nanoseconds(Duration::from_secs_f64(value / 1e9))
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).expect("not for ages")
}
