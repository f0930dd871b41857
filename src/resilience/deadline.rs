use std::{cell::Cell, time::Duration};

use tokio::time::Instant;

thread_local! {
    static UNTIL: Cell<Option<Instant>> = const { Cell::new(None) };
    /// From now on, in nanoseconds, or [`NEVER`]: of a timeout whose time begins when what is inside of it first has
    /// to wait.
    static WITHIN: Cell<u64> = const { Cell::new(NEVER) };
}

const NEVER: u64 = u64::MAX;

/// When what runs here is given up: the earliest end of the [timeouts](super::timeout) around it; none outside of all.
///
/// A [retry](super::retry) does not begin to wait for what would come too late. It serves also to tell a server until
/// when an answer is of use.
///
/// It is known while a future inside of the timeout is polled; not in a task of its own, such as that of a
/// `tower::buffer::Buffer`. It reads the clock only inside of a timeout that has not begun.
pub fn deadline() -> Option<Instant> {
    let within = Some(WITHIN.get()).filter(|&within| within != NEVER);
    let begins_now =
        within.and_then(|within| Instant::now().checked_add(Duration::from_nanos(within)));
    match (UNTIL.get(), begins_now) {
        (Some(at), Some(other)) => Some(at.min(other)),
        (at, other) => at.or(other),
    }
}

/// Inside of a timeout that ends at a time, until it is dropped. What was there before is put back.
pub(crate) struct Inside(Option<Instant>);

impl Inside {
    #[inline]
    pub(crate) fn until(at: Instant) -> Self {
        let around = UNTIL.get();
        UNTIL.set(Some(around.map_or(at, |earlier| earlier.min(at))));
        Self(around)
    }
}

impl Drop for Inside {
    #[inline]
    fn drop(&mut self) {
        UNTIL.set(self.0);
    }
}

/// The same of one that has not begun: one word, which is all that a call writes that is answered at once.
pub(super) struct NotBegun(u64);

impl NotBegun {
    #[inline]
    pub(super) fn within(limit: u64) -> Self {
        let around = WITHIN.get();
        WITHIN.set(around.min(limit));
        Self(around)
    }
}

impl Drop for NotBegun {
    #[inline]
    fn drop(&mut self) {
        WITHIN.set(self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resilience::clock::nanos;

    #[tokio::test(start_paused = true)]
    async fn the_earliest_counts_and_all_are_left_again() {
        let now = Instant::now();
        let second = Duration::from_secs(1);
        assert_eq!(deadline(), None);
        {
            let _outer = Inside::until(now + 3 * second);
            assert_eq!(deadline(), Some(now + 3 * second));
            {
                let _inner = NotBegun::within(nanos(2 * second));
                assert_eq!(deadline(), Some(now + 2 * second));
                let _longer = (
                    NotBegun::within(nanos(9 * second)),
                    Inside::until(now + 9 * second),
                );
                assert_eq!(deadline(), Some(now + 2 * second));
                let _innermost = Inside::until(now + second);
                assert_eq!(deadline(), Some(now + second));
            }
            assert_eq!(deadline(), Some(now + 3 * second));
            let panicked = std::panic::catch_unwind(|| {
                let _inner = Inside::until(now);
                panic!("planted")
            });
            panicked.expect_err("planted");
            assert_eq!(deadline(), Some(now + 3 * second));
        }
        assert_eq!(deadline(), None);
        let _never = NotBegun::within(nanos(Duration::MAX));
        assert_eq!(deadline(), None);
    }
}
