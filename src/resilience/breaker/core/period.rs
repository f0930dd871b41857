use super::settings::Reset;
use crate::resilience::random::Random;

/// How long the breaker stays open: longer each time it opens again without having closed.
#[derive(Debug)]
pub(super) struct Period {
    reset: Reset,
    /// The next one, without its jitter.
    next: u64,
    random: Random,
}

impl Period {
    pub(super) fn new(reset: Reset, seed: Option<u64>) -> Self {
        Self {
            reset,
            next: reset.timeout,
            random: Random::new(seed),
        }
    }

    /// After a success.
    pub(super) const fn restart(&mut self) {
        self.next = self.reset.timeout;
    }

    pub(super) fn next(&mut self) -> u64 {
        let Reset {
            multiplier,
            longest,
            jitter,
            ..
        } = self.reset;
        let period = self.next;
        if multiplier > 1.0 {
            self.next = share(period, multiplier).min(longest);
        }
        let jitter = share(period, jitter);
        period.saturating_add(self.random.up_to(jitter))
    }
}

/// A part or a multiple of a time. As a cast of a float it saturates, and is never negative.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "both factors are positive, and what is too large saturates"
)]
fn share(time: u64, factor: f64) -> u64 {
    (time as f64 * factor) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_saturates() {
        assert_eq!(share(u64::MAX, 2.0), u64::MAX);
        assert_eq!(share(10, 1.5), 15);
        assert_eq!(share(10, 0.0), 0);
    }
}
