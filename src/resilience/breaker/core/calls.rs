use super::settings::Tally;
use crate::resilience::breaker::Trip;

/// The outcomes of the last calls: exactly so many, each new one in the place of the oldest.
#[derive(Debug)]
pub(super) struct Calls {
    outcomes: Box<[Call]>,
    at: usize,
    tally: Tally,
}

#[derive(Clone, Copy, Debug, Default)]
struct Call {
    failed: bool,
    slow: bool,
}

impl Calls {
    pub(super) fn of(trip: &Trip) -> Self {
        let calls = match trip {
            Trip::RateOfCalls { calls, .. } => *calls,
            _ => 0,
        };
        Self {
            outcomes: (0..calls).map(|_| Call::default()).collect(),
            at: 0,
            tally: Tally::default(),
        }
    }

    pub(super) fn push(&mut self, failed: bool, slow: bool) {
        let size = self.outcomes.len();
        let tally = &mut self.tally;
        let place = &mut self.outcomes[self.at];
        if tally.calls == size as u64 {
            tally.failures -= u64::from(place.failed);
            tally.slow -= u64::from(place.slow);
        } else {
            tally.calls += 1;
        }
        tally.failures += u64::from(failed);
        tally.slow += u64::from(slow);
        *place = Call { failed, slow };
        self.at += 1;
        if self.at == size {
            self.at = 0;
        }
    }

    /// Whether there are as many as it holds, and none failed or was slow.
    pub(super) const fn are_good(&self) -> bool {
        let Tally {
            calls,
            failures,
            slow,
        } = self.tally;
        calls == self.outcomes.len() as u64 && failures == 0 && slow == 0
    }

    pub(super) const fn tally(&self) -> Tally {
        self.tally
    }

    pub(super) fn clear(&mut self) {
        self.at = 0;
        self.tally = Tally::default();
    }
}
