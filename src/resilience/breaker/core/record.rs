//! What does the outcome of a call change?

use super::{Change, Changes, Core, Ticket, lock, word::Phase};
use crate::resilience::breaker::{Outcome, Trip};

impl Core {
    /// Whether to [record](Self::record) of this call that it was a success, and not slow, changes nothing.
    #[inline]
    pub(in crate::resilience) fn forgets_success(&self, ticket: Ticket) -> bool {
        self.forgets_successes && ticket.0.is_closed() && self.word().count() == 0
    }

    /// Records the outcome of an admitted call. One that was admitted before the last transition changes nothing.
    pub(in crate::resilience) fn record(
        &self,
        ticket: Ticket,
        outcome: Outcome,
        slow: bool,
        now: impl Fn() -> u64,
    ) -> Option<Change> {
        let slow = slow && self.settings.counts_slow;
        match ticket.0.phase() {
            Phase::HalfOpen => self.record_probe(ticket, outcome, slow, now()),
            Phase::Disabled => None,
            _ if outcome == Outcome::Success && !slow => self.record_success(ticket, now),
            _ if outcome == Outcome::Ignore => None,
            _ => self.record_failure(ticket, outcome == Outcome::Failure, slow, now()),
        }
    }

    #[inline]
    fn record_success(&self, ticket: Ticket, now: impl Fn() -> u64) -> Option<Change> {
        if self.forgets_success(ticket) {
            return None;
        }
        match &self.settings.trip {
            // Nothing that a success could change.
            Trip::Failures { .. } => {}
            Trip::Consecutive { .. } => {
                if self.word().count() > 0 {
                    self.end_the_row(ticket);
                }
            }
            Trip::RateOfCalls { .. } => {
                let mut changes = lock(&self.changes);
                if self.word().generation() == ticket.generation() {
                    self.push_call(&mut changes, false, false);
                }
            }
            Trip::RateInWindow { .. } => {
                if let Some(buckets) = &self.buckets {
                    buckets.record(ticket.generation(), now(), false, false);
                }
            }
        }
        None
    }

    /// A success among failures: they are no longer consecutive.
    #[cold]
    fn end_the_row(&self, ticket: Ticket) {
        let _changes = lock(&self.changes);
        let word = self.word();
        if word.generation() == ticket.generation() {
            self.publish(word.with_count(0));
        }
    }

    /// While all of the last calls were good, one more changes nothing: that is what a count of 0 in the word says, so
    /// that who comes with one need not take the lock.
    fn push_call(&self, changes: &mut Changes, failed: bool, slow: bool) {
        changes.calls.push(failed, slow);
        let word = self.word();
        let next = word.with_count(u64::from(!changes.calls.are_good()));
        if next != word {
            self.publish(next);
        }
    }

    /// A failure, or a success that was slow. Only these open a breaker.
    #[cold]
    fn record_failure(&self, ticket: Ticket, failed: bool, slow: bool, now: u64) -> Option<Change> {
        if let Some(buckets) = &self.buckets {
            buckets.record(ticket.generation(), now, failed, slow);
        }
        let mut changes = lock(&self.changes);
        let word = self.word();
        if word.generation() != ticket.generation() {
            return None;
        }
        let trips = match &self.settings.trip {
            Trip::Consecutive { failure_threshold } => {
                let count = word.count() + 1;
                self.publish(word.with_count(count));
                count >= u64::from(*failure_threshold)
            }
            Trip::Failures { .. } => changes.failures.push(now),
            Trip::RateOfCalls { .. } => {
                self.push_call(&mut changes, failed, slow);
                self.settings.trip.is_met_by(changes.calls.tally())
            }
            Trip::RateInWindow { .. } => self.buckets.as_ref().is_some_and(|buckets| {
                self.settings
                    .trip
                    .is_met_by(buckets.tally(ticket.generation(), now))
            }),
        };
        trips.then(|| self.go(&mut changes, Phase::Open, now))
    }

    #[cold]
    fn record_probe(
        &self,
        ticket: Ticket,
        outcome: Outcome,
        slow: bool,
        now: u64,
    ) -> Option<Change> {
        let mut changes = lock(&self.changes);
        let word = self.word();
        if word.generation() != ticket.generation() {
            return None;
        }
        let word = word.with_probes(word.probes() - 1);
        match outcome {
            Outcome::Ignore => self.publish(word),
            Outcome::Success if !slow => {
                let count = word.count() + 1;
                if count >= self.settings.success_threshold {
                    let phase = self.ramp.start(now);
                    return Some(self.go(&mut changes, phase, now));
                }
                self.publish(word.with_count(count));
            }
            Outcome::Success | Outcome::Failure => {
                return Some(self.go(&mut changes, Phase::Open, now));
            }
        }
        None
    }
}
