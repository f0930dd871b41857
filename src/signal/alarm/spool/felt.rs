//! What hurts, and what is well again, by all that a spool has told? Pure.

use std::{collections::VecDeque, time::Duration};

use algedonic_transport::CorrelationId;
use tokio::time::Instant;

use super::trouble::{Said, Trouble};
use crate::{
    Feeling, Level, Signal,
    spool::{Lost, Notice},
};

/// So many signals about the spool are known again when they take room in it. They are raised seldom.
const OWN: usize = 64;

/// What was told, and what was said of it.
pub(super) struct Felt {
    hold: Duration,
    losses: Trouble,
    disk: Trouble,
    /// In words: the latest loss, and the latest failure.
    lost: String,
    failed: String,
    /// What joins the signals of this alarm with what is raised because of them; the latest.
    own: VecDeque<CorrelationId>,
}

impl Felt {
    pub(super) const fn new(hold: Duration) -> Self {
        Self {
            hold,
            losses: Trouble::new(),
            disk: Trouble::new(),
            lost: String::new(),
            failed: String::new(),
            own: VecDeque::new(),
        }
    }

    pub(super) fn raised(&mut self, signal: CorrelationId) {
        if self.own.len() == OWN {
            self.own.pop_front();
        }
        self.own.push_back(signal);
    }

    /// Notes what was told; a signal if it stands by itself.
    pub(super) fn note(&mut self, notice: &Notice, now: Instant) -> Option<Signal> {
        match notice {
            Notice::Lost(lost) if self.is_own(lost) => self.losses.count_only(),
            Notice::Lost(lost) => {
                self.losses.happens(now);
                self.lost = lost.to_string();
            }
            Notice::Broken(_) => {
                self.disk.begins();
                self.failed = notice.to_string();
            }
            Notice::Mended => self.disk.ends(now),
            // Each is a file of its own, for a person to look at.
            Notice::Damaged(damage) => {
                let signal = Signal::pain(Level::Critical, "spool.damaged");
                return Some(signal.message(damage.to_string()));
            }
        }
        None
    }

    /// Nothing comes any more that it would have to wait for.
    pub(super) const fn close(&mut self) {
        self.hold = Duration::ZERO;
    }

    fn is_own(&self, lost: &Lost) -> bool {
        let by = lost.made_room_for.as_ref();
        by.is_some_and(|by| self.own.contains(by))
    }

    /// The next signal to raise now; to be asked until there is none.
    pub(super) fn due(&mut self, now: Instant) -> Option<Signal> {
        let Self {
            hold, lost, failed, ..
        } = self;
        if let Some(said) = self.disk.due(now, *hold) {
            let message = match said.feeling {
                Feeling::Pain if said.count > 1 => format!("{failed}; {} times", said.count),
                Feeling::Pain => failed.clone(),
                Feeling::Pleasure => {
                    format!("the spool works again; it had failed {} times", said.count)
                }
            };
            return Some(signal(said, Level::Critical, "spool.disk", message));
        }
        let said = self.losses.due(now, *hold)?;
        let message = match said.feeling {
            Feeling::Pain => format!("{} lost; the latest: {lost}", said.count),
            Feeling::Pleasure => format!("no more is lost; {} were", said.count),
        };
        Some(signal(said, Level::High, "spool.lost", message))
    }

    /// When something is due if nothing is told until then.
    pub(super) fn next(&self) -> Option<Instant> {
        let next = [self.disk.next(self.hold), self.losses.next(self.hold)];
        next.into_iter().flatten().min()
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "beyond 2^53 the last digits do not matter"
)]
fn signal(said: Said, level: Level, metric: &str, message: String) -> Signal {
    let signal = match said.feeling {
        Feeling::Pain => Signal::pain(level, metric),
        Feeling::Pleasure => Signal::pleasure(level, metric),
    };
    let mut signal = signal.message(message);
    signal.value = Some(said.count as f64);
    signal
}
