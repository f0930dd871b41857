//! Which signals are due, by how the bus was at each look? Pure.

use std::{collections::BTreeMap, time::Duration};

use algedonic_transport::Lane;
use tokio::time::Instant;

use super::{
    Signs, Vitals,
    condition::{Change, Condition, Look},
    signs::{Filled, Subscribers},
};
use crate::{Feeling, Level, Signal, Status};

/// What may hurt: a few fields for each.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    vitals: Vitals,
    mirror: Condition,
    degraded: Condition,
    unhealthy: Condition,
    lanes: Vec<(Lane, Condition)>,
    subscribers: BTreeMap<String, Lagging>,
}

/// Of the subscribers of one type or pattern.
#[derive(Debug, Default)]
struct Lagging {
    condition: Condition,
    /// As the books said at the last look.
    dropped: u64,
    /// Since it was well.
    count: u64,
}

impl Watch {
    /// What hurts goes on hurting, by other measures.
    pub(crate) fn set(&mut self, vitals: Vitals) {
        self.vitals = vitals;
    }

    /// What to raise now, the most severe first.
    pub(crate) fn look(&mut self, signs: &Signs, now: Instant) -> Vec<Signal> {
        let mut due = self.health(signs, now);
        due.extend(self.mirror(signs, now));
        due.extend(signs.lanes.iter().filter_map(|lane| self.spool(lane, now)));
        self.lag(signs, now, &mut due);
        due.sort_by_key(|signal| std::cmp::Reverse(signal.level));
        due
    }

    #[cfg(test)]
    pub(super) fn kept(&self) -> usize {
        self.subscribers.len()
    }

    fn mirror(&mut self, signs: &Signs, now: Instant) -> Option<Signal> {
        let mirror = signs.mirror.as_ref()?;
        let look = bad_if(!mirror.is_up);
        let patience = self.vitals.mirror_down;
        let change = self.mirror.look(look, now, patience, self.vitals.hold)?;
        let message = match change.feeling {
            Feeling::Pain => format!("the mirror is away: {}", mirror.words),
            Feeling::Pleasure => "the mirror is back".to_owned(),
        };
        Some(lasted(change, Level::High, "mirror.down", patience).message(message))
    }

    /// Each threshold that it falls below hurts, and is over, by itself: who hears only of what is critical hears of it.
    fn health(&mut self, signs: &Signs, now: Instant) -> Vec<Signal> {
        let (patience, hold) = (self.vitals.health, self.vitals.hold);
        let is = |status| bad_if((status..Status::Closed).contains(&signs.status));
        let unhealthy = self
            .unhealthy
            .look(is(Status::Unhealthy), now, patience, hold);
        let degraded = self
            .degraded
            .look(is(Status::Degraded), now, patience, hold);
        let unhealthy =
            unhealthy.map(|change| lasted(change, Level::Critical, "health.unhealthy", patience));
        let degraded = degraded.map(|change| lasted(change, Level::Medium, "health", patience));
        let both = unhealthy.into_iter().chain(degraded);
        both.map(|signal| signal.message(&signs.words)).collect()
    }

    fn spool(&mut self, filled: &Filled, now: Instant) -> Option<Signal> {
        let Filled { lane, bytes, bound } = *filled;
        let place = self.lanes.iter().position(|(of, _)| *of == lane);
        let place = place.unwrap_or_else(|| {
            self.lanes.push((lane, Condition::default()));
            self.lanes.len() - 1
        });
        let share = |percent: u8| u128::from(bound) * u128::from(percent);
        let hundredfold = u128::from(bytes) * 100;
        let look = if hundredfold >= share(self.vitals.filling) {
            Look::Bad
        } else if hundredfold < share(self.vitals.drained) {
            Look::Well
        } else {
            Look::Between
        };
        let condition = &mut self.lanes[place].1;
        let change = condition.look(look, now, Duration::ZERO, self.vitals.hold)?;
        let (percent, message) = match change.feeling {
            Feeling::Pain => (self.vitals.filling, "is filling"),
            Feeling::Pleasure => (self.vitals.drained, "has room again"),
        };
        let metric = format!("spool.filling.{lane}");
        let message = format!("the lane {lane} of the spool {message}: {bytes} of {bound} bytes");
        let threshold = bound as f64 * f64::from(percent) / 100.0;
        let signal = felt(change, Level::High, metric).measured(bytes as f64, threshold);
        Some(signal.message(message))
    }

    fn lag(&mut self, signs: &Signs, now: Instant, due: &mut Vec<Signal>) {
        let vitals = &self.vitals;
        for (name, subscribers) in &signs.subscribers {
            // The name is copied once, when it is new.
            if let Some(lagging) = self.subscribers.get_mut(name) {
                due.extend(lagging.look(name, subscribers, now, vitals));
            } else {
                let mut lagging = Lagging::default();
                due.extend(lagging.look(name, subscribers, now, vitals));
                self.subscribers.insert(name.clone(), lagging);
            }
        }
        self.subscribers.retain(|name, lagging| {
            if signs.subscribers.contains_key(name) {
                return true;
            }
            // All have left, and hold nothing up.
            due.extend(lagging.look(name, &Subscribers::default(), now, vitals));
            !lagging.condition.is_over()
        });
    }
}

impl Lagging {
    fn look(
        &mut self,
        name: &str,
        subscribers: &Subscribers,
        now: Instant,
        vitals: &Vitals,
    ) -> Option<Signal> {
        // Fewer than before: a subscriber of a pattern has left, and took its number along.
        let dropped = subscribers.dropped.saturating_sub(self.dropped);
        self.dropped = subscribers.dropped;
        self.count += dropped;
        let (look, patience) = if dropped > 0 {
            (Look::Bad, Duration::ZERO)
        } else {
            (subscribers.room, vitals.subscriber_full)
        };
        let change = self.condition.look(look, now, patience, vitals.hold);
        let (count, unread) = (self.count, subscribers.unread);
        if self.condition.is_over() {
            self.count = 0;
        }
        let change = change?;
        let message = match change.feeling {
            Feeling::Pain if count > 0 => {
                format!("subscribers of {name} lag: {count} events were dropped")
            }
            Feeling::Pain => format!("a subscriber of {name} is full: {unread} events wait"),
            Feeling::Pleasure => {
                format!("the subscribers of {name} have caught up; {count} events were dropped")
            }
        };
        let is_full = change.feeling == Feeling::Pain && count == 0;
        let value = if is_full { unread } else { count };
        let metric = format!("subscriber.lagging.{name}");
        let mut signal = felt(change, Level::Medium, metric).message(message);
        signal.value = Some(value as f64);
        Some(signal)
    }
}

const fn bad_if(is_bad: bool) -> Look {
    if is_bad { Look::Bad } else { Look::Well }
}

fn felt(change: Change, level: Level, metric: impl Into<String>) -> Signal {
    match change.feeling {
        Feeling::Pain => Signal::pain(level, metric),
        Feeling::Pleasure => Signal::pleasure(level, metric),
    }
}

/// The same of what has lasted.
fn lasted(change: Change, level: Level, metric: &str, patience: Duration) -> Signal {
    let (lasted, patience) = (change.lasted.as_secs_f64(), patience.as_secs_f64());
    felt(change, level, metric).measured(lasted, patience)
}
