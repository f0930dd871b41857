use crate::resilience::{
    clock::nanos,
    random::up_to,
    retry::{Jitter, RetryConfig},
};

/// Each delay is at most so many times the one before, decorrelated. From "Exponential Backoff And Jitter", AWS
/// Architecture Blog, 2015.
const SPREAD: u64 = 3;

/// How long to wait before each attempt but the first.
#[derive(Clone, Copy, Debug)]
pub(in crate::resilience) struct Backoff {
    first: u64,
    most: u64,
    multiplier: f64,
    jitter: Jitter,
}

/// How far one request has come.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::resilience) struct Progress {
    /// What the next delay grows from: the longest that the last one might be; decorrelated, the last one. None
    /// before the first.
    last: Option<u64>,
}

impl From<&RetryConfig> for Backoff {
    fn from(config: &RetryConfig) -> Self {
        Self {
            first: nanos(config.first_delay),
            most: nanos(config.max_delay),
            multiplier: config.multiplier,
            jitter: config.jitter,
        }
    }
}

impl Backoff {
    /// The next delay, in nanoseconds: never longer than the longest, whatever the random number. The bound is one of
    /// the range from which it is drawn, so that delays do not heap up at it.
    pub(in crate::resilience) fn next(&self, progress: &mut Progress, random: u64) -> u64 {
        if self.jitter == Jitter::Decorrelated {
            let last = progress.last.unwrap_or(self.first);
            let most = last.saturating_mul(SPREAD).min(self.most);
            let delay = self.first + up_to(most - self.first, random);
            progress.last = Some(delay);
            return delay;
        }
        let most = progress.last.map_or(self.first, |last| self.grown(last));
        progress.last = Some(most);
        match self.jitter {
            Jitter::None => most,
            Jitter::Half => most - up_to(most / 2, random),
            Jitter::Full | Jitter::Decorrelated => up_to(most, random),
        }
    }

    /// From one delay to the next: never shorter, and not longer than the longest.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is not negative, and what is too large is bounded"
    )]
    fn grown(&self, last: u64) -> u64 {
        let grown = (last as f64 * self.multiplier) as u64;
        grown.clamp(last.min(self.most), self.most)
    }
}
