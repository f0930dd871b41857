//! How is a moment a number?

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How many units after the epoch, or before it; what 64 bits do not hold is the most that they do.
pub(super) fn since_epoch(time: SystemTime, unit: fn(&Duration) -> u128) -> i64 {
    let count = |duration: &Duration| i64::try_from(unit(duration)).unwrap_or(i64::MAX);
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => count(&after),
        Err(before) => -count(&before.duration()),
    }
}

/// The moment so many units after the epoch, or before it.
pub(super) fn at(count: i64, unit: fn(u64) -> Duration) -> Option<SystemTime> {
    let distance = unit(count.unsigned_abs());
    if count < 0 {
        UNIX_EPOCH.checked_sub(distance)
    } else {
        UNIX_EPOCH.checked_add(distance)
    }
}
