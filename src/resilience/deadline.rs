use std::{cell::Cell, time::Duration};

use tokio::time::Instant;

thread_local! {
    static AROUND: Cell<Bounds> = const { Cell::new(Bounds { at: None, within: None }) };
}

/// What the timeouts around allow.
#[derive(Clone, Copy)]
struct Bounds {
    at: Option<Instant>,
    /// From now on: of a timeout whose time begins when what is inside of it first has to wait.
    within: Option<Duration>,
}

/// When what runs here is given up: the earliest end of the [timeouts](super::timeout) around it; none outside of all.
///
/// A [retry](super::retry) does not begin to wait for what would come too late. It serves also to tell a server until
/// when an answer is of use.
///
/// It is known while a future inside of the timeout is polled; not in a task of its own, such as that of a
/// `tower::buffer::Buffer`. It reads the clock only inside of a timeout that has not begun.
pub fn deadline() -> Option<Instant> {
    let Bounds { at, within } = AROUND.get();
    let begins_now = within.and_then(|within| Instant::now().checked_add(within));
    match (at, begins_now) {
        (Some(at), Some(other)) => Some(at.min(other)),
        (at, other) => at.or(other),
    }
}

/// Inside of a timeout, until it is dropped.
pub(crate) struct Inside(Bounds);

impl Inside {
    /// Of one that ends then.
    #[inline]
    pub(crate) fn until(at: Instant) -> Self {
        Self::enter(|around| Bounds {
            at: Some(around.at.map_or(at, |earlier| earlier.min(at))),
            ..around
        })
    }

    /// Of one that has not begun.
    #[inline]
    pub(super) fn within(limit: Duration) -> Self {
        Self::enter(|around| Bounds {
            within: Some(around.within.map_or(limit, |shorter| shorter.min(limit))),
            ..around
        })
    }

    #[inline]
    fn enter(bounds: impl FnOnce(Bounds) -> Bounds) -> Self {
        let around = AROUND.get();
        AROUND.set(bounds(around));
        Self(around)
    }
}

impl Drop for Inside {
    #[inline]
    fn drop(&mut self) {
        AROUND.set(self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_earliest_counts_and_all_are_left_again() {
        let now = Instant::now();
        let second = Duration::from_secs(1);
        assert_eq!(deadline(), None);
        {
            let _outer = Inside::until(now + 3 * second);
            assert_eq!(deadline(), Some(now + 3 * second));
            {
                let _inner = Inside::within(2 * second);
                assert_eq!(deadline(), Some(now + 2 * second));
                let _longer = (Inside::within(9 * second), Inside::until(now + 9 * second));
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
        let _never = Inside::within(Duration::MAX);
        assert_eq!(deadline(), None);
    }
}
