use crate::resilience::{
    Kind,
    probe::{Answer, Failed},
    retry::GaveUp,
};

/// One attempt: how long it takes, in milliseconds, and what it says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attempt {
    pub(super) takes: u64,
    pub(super) answer: Answer,
}

/// A retry without jitter and budget as plain as can be, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Model {
    pub(super) max_retries: u32,
    pub(super) first: u64,
    pub(super) longest: u64,
    pub(super) multiplier: u64,
    pub(super) max_retry_after: u64,
    pub(super) max_elapsed: Option<u64>,
    /// A timeout around it.
    pub(super) timeout: Option<u64>,
    pub(super) rejections_too: bool,
}

/// What became of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    /// When each attempt began.
    pub(super) began: Vec<u64>,
    pub(super) ended: u64,
    /// None if the timeout around it ended it.
    pub(super) answer: Option<Answer>,
    pub(super) gave_up: Option<GaveUp>,
}

impl Model {
    /// What becomes of a call whose attempts are these, from the first on; there are enough of them.
    pub(super) fn call(&self, attempts: &[Attempt]) -> Outcome {
        let mut outcome = Outcome {
            began: Vec::new(),
            ended: 0,
            answer: None,
            gave_up: None,
        };
        let mut now = 0;
        let mut delay = self.first;
        for (retries, attempt) in (0..).zip(attempts) {
            outcome.began.push(now);
            now += attempt.takes;
            // What comes with the end is taken, if it was under way.
            if let Some(end) = self.timeout
                && now > end
            {
                outcome.ended = end;
                outcome.answer = None;
                return outcome;
            }
            outcome.ended = now;
            outcome.answer = Some(attempt.answer);
            let Some(least) = self.again(attempt.answer) else {
                return outcome;
            };
            let at = now + least + delay;
            outcome.gave_up = if retries == self.max_retries {
                Some(GaveUp::Attempts)
            } else if least > self.max_retry_after {
                Some(GaveUp::RetryAfter)
            } else if self.max_elapsed.is_some_and(|most| at > most)
                || self.timeout.is_some_and(|end| at >= end)
            {
                Some(GaveUp::Time)
            } else {
                None
            };
            if outcome.gave_up.is_some() {
                return outcome;
            }
            now = at;
            delay = (delay * self.multiplier).min(self.longest);
        }
        unreachable!("there are as many attempts as it may make")
    }

    /// Whether it is tried again, and after how long at least.
    fn again(&self, answer: Answer) -> Option<u64> {
        let Answer::Fails(Failed(class)) = answer else {
            return None;
        };
        let refused = class.kind() == Kind::LocalRejection && !self.rejections_too;
        if refused || class.verdict() == crate::Verdict::Permanent {
            return None;
        }
        let least = class.retry_after().unwrap_or_default();
        Some(u64::try_from(least.as_millis()).expect("short"))
    }
}
