//! Which signals are due, by what was noticed of which component? Pure.

use std::{collections::BTreeMap, time::Duration};

use tokio::time::Instant;

use super::Alarms;
use crate::{
    Feeling, Level, Signal,
    resilience::{Name, Notice, Reason, TELL_EVERY, What, breaker::State, registry::Health},
};

/// What can be wrong with a component.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Wrong {
    Open,
    Refusing,
    GivingUp,
    Overflow,
    Degraded,
    Unhealthy,
}

/// What was noticed of all components: a few fields for each, however much happens to it.
#[derive(Debug)]
pub(super) struct Levels {
    alarms: Alarms,
    all: BTreeMap<(Name, Wrong), Noticed>,
}

#[derive(Debug, Default)]
struct Noticed {
    /// Of what has a state: the latest change that was noticed.
    generation: u64,
    /// Of a breaker: whether it is open, or not closed yet. Of health: whether it is below the threshold.
    is_open: bool,
    /// The last change, or the last refusal.
    at: Option<Instant>,
    /// It went wrong since something was last said.
    is_unsaid: bool,
    /// Pain was raised, and no pleasure since.
    hurts: bool,
    /// How often it went wrong, since the last pleasure.
    count: u64,
}

impl Levels {
    pub(super) const fn new(alarms: Alarms) -> Self {
        Self {
            alarms,
            all: BTreeMap::new(),
        }
    }

    pub(super) fn note(&mut self, notice: Notice) {
        match notice.what {
            What::Breaker { to, .. } => self.breaker(notice, to),
            // Each threshold that it falls below hurts, and is over, by itself.
            What::Health { to, .. } => {
                self.health(Wrong::Degraded, notice, to >= Health::Degraded);
                self.health(Wrong::Unhealthy, notice, to >= Health::Unhealthy);
            }
            what => {
                if let Some(wrong) = Wrong::in_storms(what) {
                    self.happened(wrong, notice);
                }
            }
        }
    }

    /// Whether what comes in storms counts here.
    pub(super) const fn counts(what: What) -> bool {
        Wrong::in_storms(what).is_some()
    }

    /// Something that has no state.
    fn happened(&mut self, wrong: Wrong, notice: Notice) {
        let noticed = self.of(wrong, notice);
        noticed.count += notice.count;
        noticed.is_unsaid = true;
        noticed.at = noticed.at.max(Some(notice.at));
    }

    fn breaker(&mut self, notice: Notice, to: State) {
        let noticed = self.of(Wrong::Open, notice);
        if !noticed.is_news(notice) {
            return;
        }
        let is_open = matches!(to, State::Open | State::ForcedOpen | State::HalfOpen);
        // Half-open from closed: the notice of its opening comes late, or not at all.
        let has_opened = noticed.is_open_now(is_open);
        if has_opened || matches!(to, State::Open | State::ForcedOpen) {
            noticed.count += 1;
        }
        noticed.at = noticed.at.max(Some(notice.at));
    }

    fn health(&mut self, wrong: Wrong, notice: Notice, is_below: bool) {
        let noticed = self.of(wrong, notice);
        if !noticed.is_news(notice) || is_below == noticed.is_open {
            return;
        }
        if noticed.is_open_now(is_below) {
            noticed.count += 1;
        }
        noticed.at = noticed.at.max(Some(notice.at));
    }

    fn of(&mut self, wrong: Wrong, notice: Notice) -> &mut Noticed {
        self.all.entry((notice.name, wrong)).or_default()
    }

    /// The next signal to raise now, the most severe first; to be asked until there is none.
    pub(super) fn due(&mut self, now: Instant) -> Option<Signal> {
        let Self { alarms, all } = self;
        let (key, feeling) = all
            .iter()
            .filter_map(|(key, noticed)| Some((key, noticed.due(now, key.1.hold(alarms))?)))
            .max_by_key(|((name, wrong), _)| wrong.level(*name, alarms))
            .map(|(key, feeling)| (*key, feeling))?;
        let ((name, wrong), noticed) = (key, all.get_mut(&key)?);
        noticed.is_unsaid = false;
        noticed.hurts = feeling == Feeling::Pain;
        Some(match feeling {
            Feeling::Pain => wrong.pain(name, noticed.count, alarms),
            Feeling::Pleasure => wrong.pleasure(name, std::mem::take(&mut noticed.count), alarms),
        })
    }

    /// When something is due if nothing happens until then.
    pub(super) fn next(&self) -> Option<Instant> {
        let hurting = self.all.iter().filter(|(_, noticed)| noticed.hurts);
        hurting
            .filter_map(|((_, wrong), noticed)| noticed.ends(wrong.hold(&self.alarms)))
            .min()
    }
}

impl Noticed {
    /// Whether a change is later than all that were noticed: threads may tell of theirs in another order than that of
    /// the changes.
    const fn is_news(&mut self, notice: Notice) -> bool {
        let is_news = notice.generation > self.generation;
        if is_news {
            self.generation = notice.generation;
        }
        is_news
    }

    /// Whether that is a change for the worse.
    const fn is_open_now(&mut self, is_open: bool) -> bool {
        let has_opened = is_open && !self.is_open;
        self.is_open = is_open;
        self.is_unsaid |= has_opened;
        has_opened
    }

    fn due(&self, now: Instant, hold: Duration) -> Option<Feeling> {
        if !self.hurts {
            return self.is_unsaid.then_some(Feeling::Pain);
        }
        let ends = self.ends(hold)?;
        (ends <= now).then_some(Feeling::Pleasure)
    }

    /// When it has been well for long enough, if nothing more happens.
    fn ends(&self, hold: Duration) -> Option<Instant> {
        let well_since = self.at.filter(|_| !self.is_open)?;
        well_since.checked_add(hold)
    }
}

impl Wrong {
    /// Of what has no state, if it hurts.
    const fn in_storms(what: What) -> Option<Self> {
        match what {
            // The breaker has said so itself, or will if it is too much; somebody was served all the same; a breaker
            // counts it.
            What::Rejected(Reason::BreakerOpen)
            | What::Failed
            | What::FellBack
            | What::TimedOut
            | What::Breaker { .. }
            | What::Health { .. } => None,
            What::Rejected(_) => Some(Self::Refusing),
            What::Overflow => Some(Self::Overflow),
            What::GaveUp(_) => Some(Self::GivingUp),
        }
    }

    fn pain(self, name: Name, count: u64, alarms: &Alarms) -> Signal {
        let message = match self {
            Self::Open => format!("the breaker {name} has opened"),
            Self::Refusing => format!("{name} refuses calls"),
            Self::GivingUp => format!("{name} gives up on calls that fail"),
            Self::Overflow => format!("{name} is in its overflow"),
            Self::Degraded => format!("{name} is degraded"),
            Self::Unhealthy => format!("{name} is unhealthy"),
        };
        let signal = Signal::pain(self.level(name, alarms), self.metric(name)).message(message);
        counted(signal, count)
    }

    fn pleasure(self, name: Name, count: u64, alarms: &Alarms) -> Signal {
        let message = match self {
            Self::Open => format!("the breaker {name} is closed; it had opened {count} times"),
            Self::Refusing => format!("{name} refuses no calls any more; it had refused {count}"),
            Self::GivingUp => format!("{name} gives up no more; it had {count} times"),
            Self::Overflow => format!("{name} is out of its overflow; {count} calls were in it"),
            Self::Degraded => format!("{name} is healthy; it was degraded {count} times"),
            Self::Unhealthy => format!("{name} is not unhealthy any more; it was {count} times"),
        };
        let signal = Signal::pleasure(self.level(name, alarms), self.metric(name)).message(message);
        counted(signal, count)
    }

    /// For how long it has to be well. What comes in storms is told once a second: sooner nobody knows that it is over.
    fn hold(self, alarms: &Alarms) -> Duration {
        match self {
            Self::Refusing | Self::GivingUp | Self::Overflow => alarms.hold.max(TELL_EVERY),
            Self::Open | Self::Degraded | Self::Unhealthy => alarms.hold,
        }
    }

    fn level(self, name: Name, alarms: &Alarms) -> Level {
        match self {
            Self::Open => alarms.level_of_open(name),
            Self::Unhealthy => Level::Critical,
            Self::Refusing | Self::GivingUp | Self::Degraded => Level::Medium,
            Self::Overflow => Level::Low,
        }
    }

    fn metric(self, name: Name) -> String {
        match self {
            Self::Open => format!("breaker.{name}"),
            Self::Refusing => format!("refused.{name}"),
            Self::GivingUp => format!("gave_up.{name}"),
            Self::Overflow => format!("overflow.{name}"),
            Self::Degraded => format!("degraded.{name}"),
            Self::Unhealthy => format!("unhealthy.{name}"),
        }
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "beyond 2^53 the last digits do not matter"
)]
fn counted(mut signal: Signal, count: u64) -> Signal {
    signal.value = Some(count as f64);
    signal
}
