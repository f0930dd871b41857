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
//!   one, had been taken by a publish that completed earlier. Those that completed earlier have
//!   woken us earlier, so after all that are woken have been looked at, its return has been seen.
//! - A message whose ack came with somebody else's return may have its own still in the queue. It
//!   is decided when its return is seen, or when all that were in flight by then have completed:
//!   lapin never holds more returns than there are publishes in flight, and each takes one.

use std::{
    collections::{HashMap, VecDeque},
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, Wake, Waker},
};

use algedonic_transport::EventId;
use tokio::{sync::Notify, time::Instant};

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

pub(crate) type Publish = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// The publishes in flight on one channel, each with its `T`. As many as the caller lets in.
pub(crate) struct Window<T> {
    slots: Vec<Option<Slot<T>>>,
    wakers: Vec<Arc<SlotWaker>>,
    free: Vec<usize>,
    woken: Arc<Woken>,
    /// The number of the next publish.
    next: u64,
    /// Publishes by number, the oldest first, with their slots; those done are removed from the front.
    order: VecDeque<(u64, usize)>,
    /// Returned messages that have not been matched with their ack yet.
    returned: HashMap<EventId, usize>,
    /// Acked together with another message's return.
    undecided: VecDeque<Undecided<T>>,
    /// Publishes that are done, until all that were done before them have been looked at.
    answered: Vec<Answered<T>>,
    /// A publish failed: from here on returns may be lost with the channel.
    failed: bool,
}

struct Slot<T> {
    number: u64,
    publish: Publish,
    held: Held<T>,
}

struct Held<T> {
    id: EventId,
    /// None once it has passed.
    deadline: Option<Instant>,
    value: T,
}

struct Answered<T> {
    held: Held<T>,
    answer: Answer,
}

struct Undecided<T> {
    /// Decided when all publishes below this number are done.
    below: u64,
    held: Held<T>,
}

impl<T> Window<T> {
    pub(crate) fn new() -> Self {
        Self {
            slots: Vec::new(),
            wakers: Vec::new(),
            free: Vec::new(),
            woken: Arc::default(),
            next: 0,
            order: VecDeque::new(),
            returned: HashMap::new(),
            undecided: VecDeque::new(),
            answered: Vec::new(),
            failed: false,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.order.is_empty() && self.undecided.is_empty()
    }

    /// How many have no answer yet, or none that decides.
    pub(crate) fn in_flight(&self) -> usize {
        self.slots.len() - self.free.len() + self.undecided.len()
    }

    /// Polls `publish` once, which takes its place in the order of the channel, and keeps it.
    /// To be followed by [`drain`](Self::drain).
    pub(crate) fn push(&mut self, id: EventId, deadline: Instant, publish: Publish, value: T) {
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.wakers.push(Arc::new(SlotWaker {
                index: self.wakers.len(),
                woken: self.woken.clone(),
            }));
            self.slots.len() - 1
        });
        let number = self.next;
        self.next += 1;
        let held = Held {
            id,
            deadline: Some(deadline),
            value,
        };
        self.slots[index] = Some(Slot {
            number,
            publish,
            held,
        });
        self.order.push_back((number, index));
        self.poll(index);
    }

    /// Completes when there may be something to [`drain`](Self::drain).
    pub(crate) fn woken(&self) -> impl Future<Output = ()> + Send + use<T> {
        let woken = self.woken.clone();
        async move { woken.notify.notified().await }
    }

    /// Everything decided by now.
    pub(crate) fn drain(&mut self) -> Vec<(T, Fate)> {
        loop {
            let woken = self.woken.take();
            if woken.is_empty() {
                break;
            }
            for index in woken {
                self.poll(index);
            }
        }
        self.settle()
    }

    /// When [`expire`](Self::expire) will next have something to do.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let in_flight = self.order.iter().filter_map(|(number, index)| {
            let slot = self.slots[*index].as_ref()?;
            slot.held.deadline.filter(|_| slot.number == *number)
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
        for (number, index) in &self.order {
            if let Some(slot) = &mut self.slots[*index]
                && slot.number == *number
                && !is_late(&mut slot.held)
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
        for index in 0..self.slots.len() {
            self.poll(index);
        }
        let mut ended = self.drain();
        let unknown = |held: Held<T>| (held.value, Fate::Unknown(reason.clone()));
        ended.extend(
            self.undecided
                .drain(..)
                .map(|waiting| unknown(waiting.held)),
        );
        for (number, index) in self.order.drain(..) {
            if let Some(slot) = self.slots[index].take_if(|slot| slot.number == number) {
                ended.push(unknown(slot.held));
            }
        }
        ended
    }

    fn poll(&mut self, index: usize) {
        let waker = Waker::from(self.wakers[index].clone());
        let Some(slot) = &mut self.slots[index] else {
            return;
        };
        if let Poll::Ready(answer) = slot.publish.as_mut().poll(&mut Context::from_waker(&waker))
            && let Some(slot) = self.slots[index].take()
        {
            self.free.push(index);
            self.answered.push(Answered {
                held: slot.held,
                answer,
            });
        }
    }

    fn settle(&mut self) -> Vec<(T, Fate)> {
        let mut decided = Vec::with_capacity(self.answered.len());
        for Answered { answer, .. } in &self.answered {
            match answer {
                Answer::Ack(Some(id)) | Answer::Nack(Some(id)) => {
                    *self.returned.entry(*id).or_default() += 1;
                }
                Answer::Failed(_) => self.failed = true,
                Answer::Ack(None) | Answer::Nack(None) => {}
            }
        }
        for Answered { held, answer } in std::mem::take(&mut self.answered) {
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
            decided.push((held.value, fate));
        }
        while let Some((number, index)) = self.order.front() {
            if self.slots[*index]
                .as_ref()
                .is_some_and(|slot| slot.number == *number)
            {
                break;
            }
            self.order.pop_front();
        }
        let oldest = self.order.front().map_or(self.next, |(number, _)| *number);
        for Undecided { below, held } in std::mem::take(&mut self.undecided) {
            if take_return(&mut self.returned, held.id) {
                decided.push((held.value, Fate::NotRouted));
            } else if below <= oldest && !self.failed {
                decided.push((held.value, Fate::Confirmed));
            } else {
                self.undecided.push_back(Undecided { below, held });
            }
        }
        if self.is_empty() {
            self.returned.clear();
        }
        decided
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

/// The slots whose publish asks to be polled, in the order of asking.
#[derive(Default)]
struct Woken {
    slots: Mutex<Vec<usize>>,
    notify: Notify,
}

impl Woken {
    fn take(&self) -> Vec<usize> {
        std::mem::take(&mut *self.slots.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

struct SlotWaker {
    index: usize,
    woken: Arc<Woken>,
}

impl Wake for SlotWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // A publish wakes at most twice, when it is written and when it is answered: the list
        // needs no guard against repetitions.
        self.woken
            .slots
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(self.index);
        self.woken.notify.notify_one();
    }
}

#[cfg(test)]
mod tests;
