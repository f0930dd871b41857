//! When to let calls through: the state of a breaker, without a service and without a clock.
//!
//! What callers read is one [`Word`], written only under the lock of [`Changes`]. In the closed state a call is
//! admitted by one load of it, and a success of most rules is done with another.

pub(in crate::resilience) mod buckets;
mod calls;
mod failures;
mod period;
mod ramp;
mod record;
mod settings;
mod word;

use std::time::Duration;

use self::{
    buckets::Buckets,
    period::Period,
    ramp::Ramp,
    word::{Phase, Word},
};
pub(super) use self::{buckets::PARTS as BUCKETS, settings::Settings, word::MOST};
use super::{State, Trip};
use crate::resilience::sync::{Apart, AtomicU64, Mutex, Ordering, lock};

/// The state of one breaker. Times are nanoseconds since some moment before its making.
#[derive(Debug)]
pub(in crate::resilience) struct Core {
    word: Apart<AtomicU64>,
    /// Open: when the period is over.
    open_until: AtomicU64,
    /// Half-open: when the youngest probe is given up.
    probes_until: AtomicU64,
    ramp: Ramp,
    /// For rates over time.
    buckets: Option<Buckets>,
    /// By the rule a success changes nothing while the count in the word is 0.
    forgets_successes: bool,
    settings: Settings,
    changes: Mutex<Changes>,
}

/// What is needed to change the state.
#[derive(Debug)]
struct Changes {
    failures: failures::Failures,
    calls: calls::Calls,
    period: Period,
}

/// An admitted call, to be [recorded](Core::record) once: what its admission has read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::resilience) struct Ticket(Word);

/// What was read when calls were refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::resilience) struct Seen(Word);

/// A call that is not admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::resilience) struct Refusal {
    /// When one may be, if that is known.
    pub(in crate::resilience) retry_after: Option<Duration>,
}

/// A transition; to be told when no lock is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "somebody may want to know"]
pub(in crate::resilience) struct Change {
    pub(in crate::resilience) from: State,
    pub(in crate::resilience) to: State,
    pub(in crate::resilience) generation: u64,
    pub(in crate::resilience) at: u64,
}

/// How a breaker is, at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::resilience) struct Snapshot {
    pub(in crate::resilience) state: State,
    pub(in crate::resilience) generation: u64,
    /// Failures that count towards opening.
    pub(in crate::resilience) failures: u64,
    /// Successful probes.
    pub(in crate::resilience) successes: u64,
    /// Probes under way.
    pub(in crate::resilience) probes: u64,
    /// Until a probe is admitted.
    pub(in crate::resilience) retry_after: Option<Duration>,
}

impl Core {
    pub(in crate::resilience) fn new(settings: Settings, seed: Option<u64>) -> Self {
        let trip = &settings.trip;
        Self {
            word: Apart(AtomicU64::new(beginning(trip, Phase::Closed, 0).into())),
            open_until: AtomicU64::new(0),
            probes_until: AtomicU64::new(0),
            ramp: Ramp::new(settings.ramp),
            buckets: Buckets::of(trip),
            forgets_successes: !matches!(trip, Trip::RateInWindow { .. }),
            changes: Mutex::new(Changes {
                failures: failures::Failures::of(trip),
                calls: calls::Calls::of(trip),
                period: Period::new(settings.reset, seed),
            }),
            settings,
        }
    }

    #[inline]
    fn word(&self) -> Word {
        // Acquire: the times that belong to this word were written before it.
        self.word.load(Ordering::Acquire).into()
    }

    /// Admits a call if all are: the short way, in line.
    #[inline]
    pub(in crate::resilience) fn admit_at_once(&self) -> Option<Ticket> {
        let word = self.word();
        word.admits_all().then_some(Ticket(word))
    }

    /// Admits a call, or not. The clock is read only if the answer hangs on it.
    pub(in crate::resilience) fn admit(
        &self,
        now: impl Fn() -> u64,
    ) -> (Result<Ticket, Refusal>, Option<Change>) {
        let word = self.word();
        if word.admits_all() {
            return (Ok(Ticket(word)), None);
        }
        self.admit_some(word, now())
    }

    #[cold]
    fn admit_some(&self, word: Word, now: u64) -> (Result<Ticket, Refusal>, Option<Change>) {
        if word.phase() == Phase::Ramp {
            return (self.admit_on_the_ramp(word, now), None);
        }
        match self.refusal(word, now) {
            Some(refusal) if !self.is_stuck(word, now) => (Err(refusal), None),
            _ => self.admit_probe(now),
        }
    }

    fn admit_on_the_ramp(&self, word: Word, now: u64) -> Result<Ticket, Refusal> {
        if self.ramp.is_over(now) {
            let _changes = lock(&self.changes);
            if self.word() == word {
                self.publish(word.with_phase(Phase::Closed));
            }
        } else if !self.ramp.admits(now) {
            return Err(Refusal { retry_after: None });
        }
        Ok(Ticket(word))
    }

    /// Takes the place of a probe, unless others were faster.
    fn admit_probe(&self, now: u64) -> (Result<Ticket, Refusal>, Option<Change>) {
        let mut changes = lock(&self.changes);
        let change = self.go_if_due(&mut changes, now);
        let word = self.word();
        if let Some(refusal) = self.refusal(word, now) {
            return (Err(refusal), change);
        }
        if word.phase() == Phase::HalfOpen {
            let until = now.saturating_add(self.settings.half_open_timeout);
            self.probes_until.fetch_max(until, Ordering::Relaxed);
            self.publish(word.with_probes(word.probes() + 1));
        }
        (Ok(Ticket(word)), change)
    }

    /// Whether all calls are admitted now.
    #[inline]
    pub(in crate::resilience) fn admits_all(&self) -> bool {
        self.word().admits_all()
    }

    /// Whether calls are refused now, as far as that is known before one is made; and by what.
    pub(in crate::resilience) fn refuses(
        &self,
        now: impl Fn() -> u64,
    ) -> (Option<(Refusal, Seen)>, Option<Change>) {
        let word = self.word();
        match word.phase() {
            Phase::Closed | Phase::Disabled | Phase::Ramp => (None, None),
            _ => self.refuses_some(word, now()),
        }
    }

    #[cold]
    fn refuses_some(&self, word: Word, now: u64) -> (Option<(Refusal, Seen)>, Option<Change>) {
        let refusal = |word| Some((self.refusal(word, now)?, Seen(word)));
        if !self.is_stuck(word, now) {
            return (refusal(word), None);
        }
        let mut changes = lock(&self.changes);
        let change = self.go_if_due(&mut changes, now);
        (refusal(self.word()), change)
    }

    /// Whether nothing has changed since: neither the state, nor how many probes there are.
    #[inline]
    pub(in crate::resilience) fn is_still(&self, seen: Seen) -> bool {
        self.word() == seen.0
    }

    /// What time alone does: the open period ends, and probes are given up.
    fn go_if_due(&self, changes: &mut Changes, now: u64) -> Option<Change> {
        let word = self.word();
        if self.is_stuck(word, now) {
            return Some(self.go(changes, Phase::Open, now));
        }
        let over = word.phase() == Phase::Open && self.refusal(word, now).is_none();
        over.then(|| self.go(changes, Phase::HalfOpen, now))
    }

    /// Why no call can be admitted; none if one can be.
    fn refusal(&self, word: Word, now: u64) -> Option<Refusal> {
        match word.phase() {
            Phase::Closed | Phase::Disabled | Phase::Ramp => None,
            Phase::ForcedOpen => Some(Refusal { retry_after: None }),
            Phase::HalfOpen => {
                (word.probes() >= self.settings.permits).then_some(Refusal { retry_after: None })
            }
            Phase::Open => {
                let left = self.open_until.load(Ordering::Relaxed).saturating_sub(now);
                (left > 0).then_some(Refusal {
                    retry_after: Some(Duration::from_nanos(left)),
                })
            }
        }
    }

    /// Half-open, and none of its probes is expected to end any more.
    fn is_stuck(&self, word: Word, now: u64) -> bool {
        word.phase() == Phase::HalfOpen
            && word.probes() >= self.settings.permits
            && now >= self.probes_until.load(Ordering::Relaxed)
    }

    /// Rejects every call from now on.
    pub(in crate::resilience) fn force_open(&self, now: u64) -> Option<Change> {
        self.go_unless_there(Phase::ForcedOpen, now)
    }

    /// Admits every call from now on, and counts nothing.
    pub(in crate::resilience) fn disable(&self, now: u64) -> Option<Change> {
        self.go_unless_there(Phase::Disabled, now)
    }

    fn go_unless_there(&self, phase: Phase, now: u64) -> Option<Change> {
        let mut changes = lock(&self.changes);
        (self.word().phase() != phase).then(|| self.go(&mut changes, phase, now))
    }

    /// Half-open before its time, if it is open.
    pub(in crate::resilience) fn probe(&self, now: u64) -> Option<Change> {
        let mut changes = lock(&self.changes);
        let is_open = self.word().phase() == Phase::Open;
        is_open.then(|| self.go(&mut changes, Phase::HalfOpen, now))
    }

    /// Closed, if it is open or half-open.
    pub(in crate::resilience) fn close(&self, now: u64) -> Option<Change> {
        let mut changes = lock(&self.changes);
        if !self.has_tripped() {
            return None;
        }
        let phase = self.ramp.start(now);
        Some(self.go(&mut changes, phase, now))
    }

    /// Whether the last call left it open or half-open.
    #[inline]
    pub(in crate::resilience) fn has_tripped(&self) -> bool {
        matches!(self.word().phase(), Phase::Open | Phase::HalfOpen)
    }

    /// Closed, as if it were new.
    pub(in crate::resilience) fn reset(&self, now: u64) -> Change {
        let mut changes = lock(&self.changes);
        self.go(&mut changes, Phase::Closed, now)
    }

    /// The one way from a state to another: a generation begins, and results of older ones are void.
    fn go(&self, changes: &mut Changes, phase: Phase, now: u64) -> Change {
        let word = self.word();
        match phase {
            Phase::Closed | Phase::Ramp => {
                changes.failures.clear();
                changes.calls.clear();
                changes.period.restart();
            }
            Phase::HalfOpen => self.probes_until.store(0, Ordering::Relaxed),
            Phase::Open => {
                let until = now.saturating_add(changes.period.next());
                self.open_until.store(until, Ordering::Relaxed);
            }
            Phase::Disabled | Phase::ForcedOpen => {}
        }
        let next = beginning(&self.settings.trip, phase, word.generation() + 1);
        self.publish(next);
        Change {
            from: word.phase().into(),
            to: phase.into(),
            generation: next.generation(),
            at: now,
        }
    }

    /// To be called with the lock of [`Changes`].
    fn publish(&self, word: Word) {
        self.word.store(word.into(), Ordering::Release);
    }

    /// The state in which a call would find it.
    pub(in crate::resilience) fn state(&self, now: u64) -> State {
        let word = self.word();
        match word.phase() {
            Phase::Open if self.refusal(word, now).is_none() => State::HalfOpen,
            Phase::HalfOpen if self.is_stuck(word, now) => State::Open,
            phase => phase.into(),
        }
    }

    pub(in crate::resilience) fn generation(&self) -> u64 {
        self.word().generation()
    }

    /// Whether the last call left it so.
    #[cfg(test)]
    pub(in crate::resilience) fn is_half_open(&self) -> bool {
        self.word().phase() == Phase::HalfOpen
    }

    pub(in crate::resilience) fn snapshot(&self, now: u64) -> Snapshot {
        let changes = lock(&self.changes);
        let word = self.word();
        let closed = matches!(word.phase(), Phase::Closed | Phase::Ramp);
        let failures = match &self.settings.trip {
            _ if !closed => 0,
            Trip::Consecutive { .. } => word.count(),
            Trip::Failures { .. } => changes.failures.count(now),
            Trip::RateOfCalls { .. } => changes.calls.tally().failures,
            Trip::RateInWindow { .. } => self
                .buckets
                .as_ref()
                .map_or(0, |buckets| buckets.tally(word.generation(), now).failures),
        };
        let half_open = word.phase() == Phase::HalfOpen;
        Snapshot {
            state: self.state(now),
            generation: word.generation(),
            failures,
            successes: if half_open { word.count() } else { 0 },
            probes: word.probes(),
            retry_after: self
                .refusal(word, now)
                .and_then(|refusal| refusal.retry_after),
        }
    }
}

/// The word with which a state begins. A rate over calls has none of them yet, so that each is news.
const fn beginning(trip: &Trip, phase: Phase, generation: u64) -> Word {
    let word = Word::new(phase, generation);
    match (trip, phase) {
        (Trip::RateOfCalls { .. }, Phase::Closed | Phase::Ramp) => word.with_count(1),
        _ => word,
    }
}

impl Ticket {
    #[inline]
    pub(in crate::resilience) const fn generation(self) -> u64 {
        self.0.generation()
    }
}
