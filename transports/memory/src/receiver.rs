use std::collections::VecDeque;

use algedonic_transport::Lane;
use tokio::time::Instant;

use crate::{
    dead::{DeadLetter, DeathCause},
    limits::{Limits, Losses},
    queue::Queue,
    state::ConnectionId,
    stored::Stored,
};

/// What the broker keeps for one name, whoever is connected under it.
#[derive(Default)]
pub(crate) struct Receiver {
    events: Queue,
    signals: Queue,
    commands: Queue,
    /// Those of all lanes, in the order of their coming.
    pub(crate) dead_letters: VecDeque<DeadLetter>,
}

impl Receiver {
    pub(crate) fn queue(&self, lane: Lane) -> &Queue {
        match lane {
            Lane::Event => &self.events,
            Lane::Signal => &self.signals,
            Lane::Command => &self.commands,
        }
    }

    pub(crate) fn queue_mut(&mut self, lane: Lane) -> &mut Queue {
        match lane {
            Lane::Event => &mut self.events,
            Lane::Signal => &mut self.signals,
            Lane::Command => &mut self.commands,
        }
    }

    pub(crate) fn queues(&self) -> [&Queue; 3] {
        [&self.events, &self.signals, &self.commands]
    }

    pub(crate) fn queues_mut(&mut self) -> [&mut Queue; 3] {
        [&mut self.events, &mut self.signals, &mut self.commands]
    }

    /// Puts back all that a connection holds.
    pub(crate) fn requeue_of(&mut self, by: ConnectionId, limits: &Limits, losses: &mut Losses) {
        for lane in Lane::ALL {
            let dead = self.queue_mut(lane).requeue_of(by, limits.delivery_limit);
            for stored in dead {
                self.bury(stored, DeathCause::DeliveryLimit, limits, losses);
            }
        }
    }

    /// Takes out what is over at the heads of the queues.
    pub(crate) fn expire(&mut self, now: Instant, limits: &Limits, losses: &mut Losses) {
        for lane in Lane::ALL {
            while let Some(stored) = self.queue_mut(lane).pop_expired(now) {
                // What nobody can use any more is no case for an operator.
                if stored.has_expired(now) {
                    losses.expired += 1;
                } else {
                    self.bury(stored, DeathCause::Expired, limits, losses);
                }
            }
        }
    }

    pub(crate) fn bury(
        &mut self,
        stored: Stored,
        cause: DeathCause,
        limits: &Limits,
        losses: &mut Losses,
    ) {
        if limits.dead_letters == 0 {
            losses.dead_letters += 1;
            return;
        }
        if self.dead_letters.len() >= limits.dead_letters {
            self.dead_letters.pop_front();
            losses.dead_letters += 1;
        }
        self.dead_letters.push_back(DeadLetter {
            message: stored.message,
            cause,
            deliveries: stored.deliveries,
        });
    }
}
