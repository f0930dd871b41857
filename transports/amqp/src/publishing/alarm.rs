//! How does a task wait for a moment that moves on with each message?

use std::{future::pending, pin::Pin};

use tokio::time::{Instant, Sleep, sleep_until};

/// A timer that stays where it was set while the moment asked for only moves on: setting one takes more than
/// all else that a message needs of it.
#[derive(Debug, Default)]
pub(super) struct Alarm(Option<Pin<Box<Sleep>>>);

impl Alarm {
    /// Completes at `moment`, if there is one; or at an earlier one that it was asked for before.
    pub(super) async fn at(&mut self, moment: Option<Instant>) {
        let Some(moment) = moment else {
            return pending().await;
        };
        let sleep = self.0.get_or_insert_with(|| Box::pin(sleep_until(moment)));
        if moment < sleep.deadline() || sleep.is_elapsed() {
            sleep.as_mut().reset(moment);
        }
        sleep.await;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::FutureExt;
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_goes_off_no_later_than_it_is_asked_to() {
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        let mut alarm = Alarm::default();
        assert!(alarm.at(Some(start + 2 * second)).now_or_never().is_none());
        assert!(alarm.at(None).now_or_never().is_none());
        // To a later moment, and then to an earlier one.
        assert!(alarm.at(Some(start + 5 * second)).now_or_never().is_none());
        assert!(alarm.at(Some(start + second)).now_or_never().is_none());
        advance(second).await;
        assert!(alarm.at(Some(start + second)).now_or_never().is_some());
        assert!(alarm.at(Some(start + 5 * second)).now_or_never().is_none());
        alarm.at(Some(start + 5 * second)).await;
        assert_eq!(Instant::now(), start + 5 * second);
    }
}
