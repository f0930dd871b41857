//! Which signals are due, by what was noticed of which component? Pure.

use std::collections::BTreeMap;

use tokio::time::Instant;

use super::Alarms;
use crate::{
    Feeling, Level, Signal,
    resilience::{Name, Notice, Reason, What, breaker::State},
};

/// What can be wrong with a component.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Wrong {
    Open,
    Refusing,
    GivingUp,
    Overflow,
}

/// What was noticed of all components: a few fields for each, however much happens to it.
#[derive(Debug)]
pub(super) struct Levels {
    alarms: Alarms,
    all: BTreeMap<(Name, Wrong), Noticed>,
}

#[derive(Debug, Default)]
struct Noticed {
    /// Of a breaker: the latest change that was noticed.
    generation: u64,
    /// Of a breaker: whether it is open, or not closed yet.
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
        let wrong = match notice.what {
            // The breaker has said so itself; somebody was served all the same; a breaker counts it.
            What::Rejected(Reason::BreakerOpen) | What::FellBack | What::TimedOut => return,
            What::Breaker { .. } => Wrong::Open,
            What::Rejected(_) => Wrong::Refusing,
            What::Overflow => Wrong::Overflow,
            What::GaveUp(_) => Wrong::GivingUp,
        };
        let noticed = self.all.entry((notice.name, wrong)).or_default();
        if let What::Breaker { to, .. } = notice.what {
            // Threads may tell of their changes in another order than that of the changes.
            if notice.generation <= noticed.generation {
                return;
            }
            noticed.generation = notice.generation;
            let was_open = noticed.is_open;
            noticed.is_open = matches!(to, State::Open | State::ForcedOpen | State::HalfOpen);
            // Half-open from closed: the notice of its opening comes late, or not at all.
            let has_opened = noticed.is_open && !was_open;
            noticed.is_unsaid |= has_opened;
            if has_opened || matches!(to, State::Open | State::ForcedOpen) {
                noticed.count += 1;
            }
        } else {
            noticed.count += notice.count;
            noticed.is_unsaid = true;
        }
        noticed.at = noticed.at.max(Some(notice.at));
    }

    /// The next signal to raise now, the most severe first; to be asked until there is none.
    pub(super) fn due(&mut self, now: Instant) -> Option<Signal> {
        let Self { alarms, all } = self;
        let (key, feeling) = all
            .iter()
            .filter_map(|(key, noticed)| Some((key, noticed.due(now, alarms)?)))
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
        let hurting = self.all.values().filter(|noticed| noticed.hurts);
        hurting
            .filter_map(|noticed| noticed.ends(&self.alarms))
            .min()
    }
}

impl Noticed {
    fn due(&self, now: Instant, alarms: &Alarms) -> Option<Feeling> {
        if !self.hurts {
            return self.is_unsaid.then_some(Feeling::Pain);
        }
        let ends = self.ends(alarms)?;
        (ends <= now).then_some(Feeling::Pleasure)
    }

    /// When it has been well for long enough, if nothing more happens.
    fn ends(&self, alarms: &Alarms) -> Option<Instant> {
        let well_since = self.at.filter(|_| !self.is_open)?;
        well_since.checked_add(alarms.hold)
    }
}

impl Wrong {
    fn pain(self, name: Name, count: u64, alarms: &Alarms) -> Signal {
        let message = match self {
            Self::Open => format!("the breaker {name} has opened"),
            Self::Refusing => format!("{name} refuses calls"),
            Self::GivingUp => format!("{name} gives up on calls that fail"),
            Self::Overflow => format!("{name} is in its overflow"),
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
        };
        let signal = Signal::pleasure(self.level(name, alarms), self.metric(name)).message(message);
        counted(signal, count)
    }

    fn level(self, name: Name, alarms: &Alarms) -> Level {
        match self {
            Self::Open => alarms.level_of_open(name),
            Self::Refusing | Self::GivingUp => Level::Medium,
            Self::Overflow => Level::Low,
        }
    }

    fn metric(self, name: Name) -> String {
        match self {
            Self::Open => format!("breaker.{name}"),
            Self::Refusing => format!("refused.{name}"),
            Self::GivingUp => format!("gave_up.{name}"),
            Self::Overflow => format!("overflow.{name}"),
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
