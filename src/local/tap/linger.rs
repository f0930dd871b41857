use std::{
    mem,
    task::{Context, Poll},
};

use super::Bells;

/// Looks at the lanes by a timer, as long as each look finds something.
#[derive(Default)]
pub(super) struct Linger {
    allowed: bool,
    /// Whether something was found since the timer was set.
    found: bool,
    timer: Timer,
    /// Whether it runs.
    runs: bool,
}

impl Linger {
    pub(super) fn set(&mut self, allowed: bool) {
        self.allowed = allowed;
    }

    /// Something was there to be taken.
    pub(super) fn found(&mut self) {
        self.found = true;
    }

    /// Before a look that may be the last one for a while.
    pub(super) fn prepare(&mut self, bells: &Bells, cx: &Context<'_>) {
        if self.allowed && (self.found || self.runs) {
            // A bell that was rung before is found by the look.
            let _ = bells.listen(cx);
            bells.linger(true);
        }
    }

    /// After a look that has found nothing: waits for the next one. Ready when the lanes are to ring from now on.
    pub(super) fn poll(&mut self, bells: &Bells, cx: &mut Context<'_>) -> Poll<()> {
        if self.allowed {
            if self.runs && self.timer.poll(cx).is_pending() {
                return Poll::Pending;
            }
            // What was found since the last time makes it likely that there is more to come.
            if mem::take(&mut self.found) {
                self.runs = true;
                self.timer.set();
                if self.timer.poll(cx).is_pending() {
                    return Poll::Pending;
                }
            }
        }
        if mem::take(&mut self.runs) {
            bells.linger(false);
        }
        Poll::Ready(())
    }
}

#[cfg(not(all(test, algedonic_loom)))]
use self::clock::Timer;

#[cfg(not(all(test, algedonic_loom)))]
mod clock {
    use std::{
        pin::Pin,
        task::{Context, Poll},
        time::Duration,
    };

    use tokio::time::{Instant, Sleep, sleep_until};

    /// The time between two looks: tokio's timers know no shorter one.
    const EVERY: Duration = Duration::from_millis(1);

    /// Made once, and set again.
    #[derive(Default)]
    pub(super) struct Timer(Option<Pin<Box<Sleep>>>);

    impl Timer {
        pub(super) fn set(&mut self) {
            let next = Instant::now() + EVERY;
            match &mut self.0 {
                Some(sleep) => sleep.as_mut().reset(next),
                sleep => *sleep = Some(Box::pin(sleep_until(next))),
            }
        }

        pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
            let sleep = self.0.as_mut();
            sleep.map_or(Poll::Ready(()), |sleep| sleep.as_mut().poll(cx))
        }
    }
}

/// In the models, whoever waits for it waits for ever.
#[cfg(all(test, algedonic_loom))]
#[derive(Default)]
struct Timer;

#[cfg(all(test, algedonic_loom))]
impl Timer {
    fn set(&mut self) {}

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }
}
