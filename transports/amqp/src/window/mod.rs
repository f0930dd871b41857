//! What became of each message in flight on a confirm channel? Knows no lapin type.
//!
//! # Why returns need care
//!
//! RabbitMQ sends the return of an unroutable message before its ack. lapin keeps returns in a
//! queue, and whichever publish completes next takes the *oldest*, be it its own or not; an ack of
//! many completes publishes in no particular order. So a return counts for the message whose id it
//! carries, and an ack alone is not enough to say "routed". What is certain:
//!
//! - A message whose ack came with nothing found lapin's queue empty: its own return, if there was
//!   one, had been taken by a publish that completed earlier. Of those none is missed by a look at the
//!   slots (`slots`), so after that its return has been seen.
//! - A message whose ack came with somebody else's return may have its own still in the queue. It
//!   is decided when its return is seen, or when all that were in flight by then have completed:
//!   lapin never holds more returns than there are publishes in flight, and each takes one.

mod calls;
mod slots;

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    vec,
};

use algedonic_transport::EventId;
use tokio::time::Instant;

pub(crate) use self::calls::{Calls, Wait};
use self::slots::Slots;

/// The broker's answer to one publish, with the id of a returned message that came along.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Ack(Option<EventId>),
    Nack(Option<EventId>),
    /// The channel failed first.
    Failed(Arc<str>),
}

/// What became of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Confirmed,
    NotRouted,
    Rejected,
    /// It may have arrived, or not.
    Unknown(Arc<str>),
}

/// The publishes in flight on one channel, each with its `T`. As many as the caller lets in. `C` knows the
/// answer of one that is written.
pub(crate) struct Window<T, C> {
    slots: Slots<C, Held<T>>,
    /// The number of the next publish.
    next: u64,
    /// Publishes by number, the oldest first, with their slots; those done are removed from the front.
    order: VecDeque<(u64, usize)>,
    /// Returned messages that have not been matched with their ack yet.
    returned: HashMap<EventId, usize>,
    /// Acked together with another message's return.
    undecided: VecDeque<Undecided<T>>,
    decided: Vec<(T, Fate)>,
    /// A publish failed: from here on returns may be lost with the channel.
    failed: bool,
}

struct Held<T> {
    id: EventId,
    /// None once it has passed.
    deadline: Option<Instant>,
    value: T,
}

struct Undecided<T> {
    /// Decided when all publishes below this number are done.
    below: u64,
    held: Held<T>,
}

impl<T, C: Future<Output = Answer> + Unpin + 'static> Window<T, C> {
    pub(crate) fn new() -> Self {
        Self {
            slots: Slots::new(),
            next: 0,
            order: VecDeque::new(),
            returned: HashMap::new(),
            undecided: VecDeque::new(),
            decided: Vec::new(),
            failed: false,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.order.is_empty() && self.undecided.is_empty()
    }

    /// How many have no answer yet, or none that decides.
    pub(crate) fn in_flight(&self) -> usize {
        self.slots.in_flight() + self.undecided.len()
    }

    /// The oldest that has no answer.
    pub(crate) fn oldest(&self) -> Option<&T> {
        let held = self.order.iter().find_map(|at| self.slots.held(*at));
        held.map(|held| &held.value)
    }

    /// Polls `write` once, which takes its place in the order of the channel, and keeps it; gives its number
    /// and slot. What is pushed earlier must be written earlier.
    pub(crate) fn push(
        &mut self,
        id: EventId,
        deadline: Instant,
        write: impl Future<Output = Result<C, Answer>> + Send + 'static,
        value: T,
    ) -> (u64, usize) {
        let number = self.next;
        self.next += 1;
        let held = Held {
            id,
            deadline: Some(deadline),
            value,
        };
        let index = self.slots.push(number, write, held);
        self.order.push_back((number, index));
        (number, index)
    }

    /// Who is called when there may be something to [`drain`](Self::drain).
    pub(crate) fn calls(&self) -> &Arc<Calls> {
        self.slots.calls()
    }

    /// Everything decided by now.
    pub(crate) fn drain(&mut self) -> vec::Drain<'_, (T, Fate)> {
        self.decide();
        self.decided.drain(..)
    }

    /// When [`expire`](Self::expire) will next have something to do.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let in_flight = self.order.iter().filter_map(|at| {
            let held = self.slots.held(*at)?;
            held.deadline
        });
        let undecided = self
            .undecided
            .iter()
            .filter_map(|waiting| waiting.held.deadline);
        // The order of deadlines is, but for microseconds, the order of publishing.
        in_flight.take(1).chain(undecided).min()
    }

    /// Shows `late` what has passed its deadline, once. Its publish stays: only an answer frees it.
    pub(crate) fn expire(&mut self, now: Instant, mut late: impl FnMut(&mut T)) {
        let mut is_late = |held: &mut Held<T>| match held.deadline {
            Some(deadline) if deadline > now => false,
            deadline => {
                if deadline.is_some() {
                    held.deadline = None;
                    late(&mut held.value);
                }
                true
            }
        };
        for at in &self.order {
            if let Some(held) = self.slots.held_mut(*at)
                && !is_late(held)
            {
                break;
            }
        }
        for waiting in &mut self.undecided {
            is_late(&mut waiting.held);
        }
    }

    /// Ends it: whatever has no answer by now is unknown, for this reason.
    pub(crate) fn finish(&mut self, reason: &Arc<str>) -> Vec<(T, Fate)> {
        self.slots.look_at_all();
        self.decide();
        let mut ended = std::mem::take(&mut self.decided);
        let unknown = |held: Held<T>| (held.value, Fate::Unknown(reason.clone()));
        ended.extend(
            self.undecided
                .drain(..)
                .map(|waiting| unknown(waiting.held)),
        );
        for at in self.order.drain(..) {
            ended.extend(self.slots.take(at).map(unknown));
        }
        ended
    }

    fn decide(&mut self) {
        let answered = self.slots.look();
        for (_, answer) in answered.iter() {
            match answer {
                Answer::Ack(Some(id)) | Answer::Nack(Some(id)) => {
                    *self.returned.entry(*id).or_default() += 1;
                }
                Answer::Failed(_) => self.failed = true,
                Answer::Ack(None) | Answer::Nack(None) => {}
            }
        }
        for (held, answer) in answered.drain(..) {
            let fate = match answer {
                Answer::Failed(reason) => Fate::Unknown(reason),
                Answer::Nack(_) => Fate::Rejected,
                Answer::Ack(_) if take_return(&mut self.returned, held.id) => Fate::NotRouted,
                Answer::Ack(None) => Fate::Confirmed,
                Answer::Ack(Some(_)) => {
                    self.undecided.push_back(Undecided {
                        below: self.next,
                        held,
                    });
                    continue;
                }
            };
            self.decided.push((held.value, fate));
        }
        while let Some(at) = self.order.front()
            && self.slots.held(*at).is_none()
        {
            self.order.pop_front();
        }
        let oldest = self.order.front().map_or(self.next, |(number, _)| *number);
        for Undecided { below, held } in std::mem::take(&mut self.undecided) {
            if take_return(&mut self.returned, held.id) {
                self.decided.push((held.value, Fate::NotRouted));
            } else if below <= oldest && !self.failed {
                self.decided.push((held.value, Fate::Confirmed));
            } else {
                self.undecided.push_back(Undecided { below, held });
            }
        }
        if self.is_empty() {
            self.returned.clear();
        }
    }
}

fn take_return(returned: &mut HashMap<EventId, usize>, id: EventId) -> bool {
    let Some(count) = returned.get_mut(&id) else {
        return false;
    };
    *count -= 1;
    if *count == 0 {
        returned.remove(&id);
    }
    true
}

#[cfg(test)]
mod tests;
