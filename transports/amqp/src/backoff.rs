//! How long to wait before the next attempt to connect?

use std::time::Duration;

/// 100 ms for the first two seconds, so that a restarted broker is found at once; then exponential
/// to 30 s with full jitter, so that many clients do not come back in one moment. After an error
/// that waiting does not mend, 5 s growing to 30 s.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    transient: u32,
    permanent: u32,
}

const FAST: Duration = Duration::from_millis(100);
const FAST_PHASE: Duration = Duration::from_secs(2);
const SLOW: Duration = Duration::from_secs(5);
const MOST: Duration = Duration::from_secs(30);

impl Backoff {
    /// The pause before the next attempt, `since_loss` after the link was lost; `jitter` is random
    /// in 0..1.
    pub(crate) fn next(&mut self, permanent: bool, since_loss: Duration, jitter: f64) -> Duration {
        if permanent {
            self.transient = 0;
            let pause = grown(SLOW, self.permanent);
            self.permanent = self.permanent.saturating_add(1);
            return pause.mul_f64(1.0 + 0.2 * jitter).min(MOST);
        }
        self.permanent = 0;
        if since_loss < FAST_PHASE {
            return FAST;
        }
        self.transient = self.transient.saturating_add(1);
        grown(2 * FAST, self.transient).mul_f64(jitter).max(FAST)
    }
}

fn grown(base: Duration, steps: u32) -> Duration {
    base.saturating_mul(1_u32.checked_shl(steps).unwrap_or(u32::MAX))
        .min(MOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pauses(permanent: bool, since_loss: u64, jitter: f64) -> Vec<Duration> {
        let mut backoff = Backoff::default();
        (0..40)
            .map(|_| backoff.next(permanent, Duration::from_secs(since_loss), jitter))
            .collect()
    }

    #[test]
    fn fast_at_first_then_slower_up_to_half_a_minute() {
        assert!(pauses(false, 1, 0.5).iter().all(|pause| *pause == FAST));
        let later = pauses(false, 3, 1.0);
        assert!(
            later.is_sorted() && later[0] == 4 * FAST && later[39] == MOST,
            "{later:?}"
        );
    }

    #[test]
    fn jitter_reaches_down_to_the_least_pause_and_no_further() {
        assert!(pauses(false, 3, 0.0).iter().all(|pause| *pause == FAST));
    }

    #[test]
    fn a_permanent_error_is_retried_slowly_from_the_start() {
        let pauses = pauses(true, 0, 0.0);
        assert_eq!(pauses[..4], [SLOW, 2 * SLOW, 4 * SLOW, MOST]);
        assert_eq!(pauses[39], MOST);
    }
}
