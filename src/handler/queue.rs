use std::collections::{BTreeMap, HashMap, VecDeque};

use tokio::time::Instant;

use super::order::OrderKey;
use crate::event::Envelope;

/// An event that a handler has taken from its subscription, and not settled.
pub(super) struct Job<E> {
    pub(super) envelope: Envelope<E>,
    pub(super) key: Option<OrderKey>,
    /// How many were made.
    pub(super) attempts: u32,
    /// It was a dead letter: then it is tried however old it is.
    pub(super) redriven: bool,
    /// The panic of the function that was to give the key; such an event is not attempted.
    pub(super) keyless: Option<String>,
}

/// The events between the subscription and the hands of the members, in order by key. Knows no
/// waiting: that is the inbox's.
pub(super) struct Queue<E> {
    /// Those that take events out. Without any it holds nothing.
    pub(super) members: usize,
    /// Takes no new events: the bus was shut down, or the last member drains.
    pub(super) ended: bool,
    /// May begin now.
    ready: VecDeque<Job<E>>,
    /// Failed, and due again later; the number tells equal times apart.
    waiting: BTreeMap<(Instant, u64), Job<E>>,
    /// Each key of an event in hand, ready or waiting, with those parked behind it.
    busy: HashMap<OrderKey, VecDeque<Job<E>>>,
    /// Ready, waiting and parked, together.
    held: usize,
    sequence: u64,
}

impl<E> Queue<E> {
    /// A queue with its first member.
    pub(super) fn new() -> Self {
        Self {
            members: 1,
            ended: false,
            ready: VecDeque::new(),
            waiting: BTreeMap::new(),
            busy: HashMap::new(),
            held: 0,
            sequence: 0,
        }
    }

    /// How many events it holds, those in hand not counted.
    pub(super) fn held(&self) -> usize {
        self.held
    }

    /// Gives the event back if it may begin now; else it is parked behind its key.
    pub(super) fn admit(&mut self, job: Job<E>) -> Option<Job<E>> {
        if let Some(key) = &job.key {
            if let Some(parked) = self.busy.get_mut(key) {
                parked.push_back(job);
                self.held += 1;
                return None;
            }
            self.busy.insert(key.clone(), VecDeque::new());
        }
        Some(job)
    }

    /// Keeps an event that nobody has a hand for yet.
    pub(super) fn keep(&mut self, job: Job<E>) {
        if let Some(job) = self.admit(job) {
            self.ready.push_back(job);
            self.held += 1;
        }
    }

    /// Keeps a failed event until it is due; it holds up its key.
    pub(super) fn wait(&mut self, job: Job<E>, due: Instant) {
        self.sequence += 1;
        self.waiting.insert((due, self.sequence), job);
        self.held += 1;
    }

    /// Lets the next event of a key begin, after one was settled. True if there is one.
    pub(super) fn release(&mut self, key: &OrderKey) -> bool {
        let Some(parked) = self.busy.get_mut(key) else {
            return false;
        };
        if let Some(job) = parked.pop_front() {
            self.ready.push_back(job);
            true
        } else {
            self.busy.remove(key);
            false
        }
    }

    /// An event that may begin now; one that is due again comes first, because it is the oldest.
    pub(super) fn take(&mut self) -> Option<Job<E>> {
        if self.held == 0 {
            return None;
        }
        let job = match self.waiting.first_entry() {
            Some(first) if first.key().0 <= Instant::now() => first.remove(),
            _ => self.ready.pop_front()?,
        };
        self.held -= 1;
        Some(job)
    }

    /// When the next failed event is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.waiting.first_key_value().map(|((due, _), _)| *due)
    }

    /// Gives up everything it holds.
    pub(super) fn clear(&mut self) -> Vec<Job<E>> {
        self.held = 0;
        let ready = self.ready.drain(..);
        let parked = self.busy.drain().flat_map(|(_, parked)| parked);
        let mut left: Vec<_> = ready.chain(parked).collect();
        left.extend(std::mem::take(&mut self.waiting).into_values());
        left
    }
}
