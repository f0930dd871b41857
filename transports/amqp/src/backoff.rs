//! How long to wait before the next attempt?

use std::{sync::Arc, time::Duration};

use algedonic_transport::Error;
use tokio::time::Instant;

/// The pauses between attempts at one thing, a connection or a lane.
///
/// 100 ms for the first two seconds, so that a restarted broker is found at once; then at random up
/// to half of the time that has passed, so that a broker is found soon after it is back, and many
/// clients do not come in one moment. After an error that waiting does not mend, from 5 s on, twice
/// as long each time. Neither grows over the cap; but 5 s after a permanent error are the least.
///
/// Or exactly as the configuration says, the last pause again and again; after a permanent error still
/// no less than 5 s.
#[derive(Debug)]
pub(crate) struct Backoff {
    pauses: Pauses,
    /// How many errors there were in a row.
    errors: usize,
    /// Since when it does not work; none before the first error.
    lost: Option<Instant>,
    /// Permanent errors in a row.
    permanent: u32,
}

const FAST: Duration = Duration::from_millis(100);
const FAST_PHASE: Duration = Duration::from_secs(2);
const SLOW: Duration = Duration::from_secs(5);
/// What has worked this long was good: its loss is met with the fast retry again.
const GOOD: Duration = Duration::from_secs(1);

/// What the configuration says of them.
#[derive(Clone, Debug)]
pub(crate) enum Pauses {
    UpTo(Duration),
    /// At least one.
    Exactly(Arc<[Duration]>),
}

impl Pauses {
    fn longest(&self) -> Duration {
        match self {
            Self::UpTo(cap) => *cap,
            Self::Exactly(pauses) => pauses.last().copied().unwrap_or(SLOW),
        }
    }
}

impl Backoff {
    pub(crate) fn new(pauses: &Pauses) -> Self {
        Self {
            pauses: pauses.clone(),
            errors: 0,
            lost: None,
            permanent: 0,
        }
    }

    /// The pause after `error`, which ended what had worked for this long.
    pub(crate) fn after(&mut self, error: &Error, worked: Duration) -> Duration {
        if worked >= GOOD {
            *self = Self::new(&self.pauses);
        }
        let lost = *self.lost.get_or_insert_with(Instant::now);
        self.next(!error.is_transient(), lost.elapsed(), fastrand::f64())
    }

    /// `jitter` is random in 0..1.
    fn next(&mut self, permanent: bool, since_loss: Duration, jitter: f64) -> Duration {
        let error = self.errors;
        self.errors += 1;
        let cap = self.pauses.longest();
        if permanent {
            let most = cap.max(SLOW);
            let doubled = 1_u32.checked_shl(self.permanent).unwrap_or(u32::MAX);
            self.permanent = self.permanent.saturating_add(1);
            let pause = SLOW.saturating_mul(doubled).min(most);
            return pause.mul_f64(1.0 + 0.2 * jitter).min(most);
        }
        self.permanent = 0;
        if let Pauses::Exactly(pauses) = &self.pauses {
            return pauses.get(error).copied().unwrap_or(cap);
        }
        if since_loss < FAST_PHASE {
            return FAST;
        }
        (since_loss / 2).min(cap).mul_f64(jitter).max(FAST)
    }
}

#[cfg(test)]
mod tests {
    use algedonic_transport::ErrorKind;
    use proptest::prelude::*;

    use super::*;

    const CAP: Duration = Duration::from_secs(30);

    /// The pauses of an outage without end, each with when it began.
    fn outage(
        cap: Duration,
        jitter: impl IntoIterator<Item = f64>,
    ) -> impl Iterator<Item = (Duration, Duration)> {
        let mut backoff = Backoff::new(&Pauses::UpTo(cap));
        let mut now = Duration::ZERO;
        jitter.into_iter().map(move |jitter| {
            let pause = backoff.next(false, now, jitter);
            let began = now;
            now += pause;
            (began, pause)
        })
    }

    #[test]
    fn fast_at_first_then_slower_up_to_the_cap() {
        let pauses: Vec<_> = outage(CAP, std::iter::repeat_n(1.0, 60)).collect();
        assert!(pauses[..20].iter().all(|(_, pause)| *pause == FAST));
        assert!(pauses.iter().map(|(_, pause)| *pause).is_sorted());
        assert_eq!(pauses[59].1, CAP);
    }

    #[test]
    fn a_minute_takes_few_attempts_and_a_broker_that_is_back_after_eight_seconds_few_more() {
        let at = |seconds| {
            let seconds = Duration::from_secs(seconds);
            outage(CAP, std::iter::repeat(0.5))
                .take_while(|(began, _)| *began < seconds)
                .count()
        };
        assert!((20..30).contains(&at(8)), "{}", at(8));
        assert!((24..50).contains(&at(60)), "{}", at(60));
        let worst = outage(CAP, std::iter::repeat(1.0)).find(|(began, pause)| {
            *began < Duration::from_secs(8) && *began + *pause >= Duration::from_secs(8)
        });
        assert!(
            worst.is_some_and(|(_, pause)| pause <= Duration::from_secs(4)),
            "{worst:?}"
        );
    }

    proptest! {
        #[test]
        fn no_pause_is_longer_than_half_the_outage_or_than_the_cap(
            jitter in prop::collection::vec(0.0..1.0_f64, 200),
            cap in 100_u64..3_600_000,
        ) {
            let cap = Duration::from_millis(cap);
            for (began, pause) in outage(cap, jitter) {
                prop_assert!((FAST..=FAST.max(began / 2).min(cap)).contains(&pause), "{began:?}: {pause:?}");
            }
        }
    }

    #[test]
    fn a_permanent_error_is_retried_slowly_from_the_start() {
        let pauses = |cap| -> Vec<_> {
            let mut backoff = Backoff::new(&Pauses::UpTo(cap));
            (0..40)
                .map(|_| backoff.next(true, Duration::ZERO, 0.0))
                .collect()
        };
        assert_eq!(pauses(CAP)[..4], [SLOW, 2 * SLOW, 4 * SLOW, CAP]);
        assert_eq!(pauses(CAP)[39], CAP);
        assert!(pauses(FAST).iter().all(|pause| *pause == SLOW));
        assert_eq!(pauses(1000 * SLOW)[39], 1000 * SLOW);
    }

    #[tokio::test(start_paused = true)]
    async fn a_schedule_is_kept_to_the_letter_and_begins_anew_after_good_times() {
        let error = Error::transient(ErrorKind::Unavailable, "test");
        let seconds = [1, 2, 4, 8, 16, 30].map(Duration::from_secs);
        let mut backoff = Backoff::new(&Pauses::Exactly(seconds.into()));
        for _ in 0..2 {
            let mut worked = GOOD;
            for pause in seconds.into_iter().chain([CAP, CAP]) {
                assert_eq!(backoff.after(&error, worked), pause);
                worked = Duration::ZERO;
                tokio::time::sleep(pause).await;
            }
        }
        let denied = Error::permanent(ErrorKind::Denied, "test");
        assert!(backoff.after(&denied, GOOD) >= SLOW);
    }

    #[tokio::test(start_paused = true)]
    async fn what_had_worked_is_tried_at_once_again() {
        let error = Error::transient(ErrorKind::Unavailable, "test");
        let mut backoff = Backoff::new(&Pauses::UpTo(CAP));
        tokio::time::sleep(20 * GOOD).await;
        // However long ago it was made: the outage begins with the first error.
        assert_eq!(backoff.after(&error, Duration::ZERO), FAST);
        tokio::time::sleep(20 * GOOD).await;
        assert!((0..100).any(|_| backoff.after(&error, Duration::ZERO) > FAST));
        assert_eq!(backoff.after(&error, GOOD), FAST);
        assert_eq!(backoff.after(&error, Duration::ZERO), FAST);
    }
}
