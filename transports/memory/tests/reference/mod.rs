//! A broker with one sender and one receiver, as plain as can be: what the documentation says, and lists.

use std::{collections::BTreeMap, time::Duration};

use algedonic_memory::{DeathCause, DeliveryFault, SendFault};
use algedonic_transport::Settlement;
use tokio::time::Instant;

pub(crate) const PREFETCH: usize = 3;
pub(crate) const CAPACITY: usize = 5;
pub(crate) const RETURNS: u32 = 2;
pub(crate) const TTL: Duration = Duration::from_millis(1500);
pub(crate) const CONFIRM: Duration = Duration::from_secs(5);

/// What became of a message, without the words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Confirmed,
    NotRouted,
    Rejected,
    Unknown,
    /// Not told yet.
    Open,
    /// It did not leave.
    Away,
}

#[derive(Clone, Copy, Debug)]
struct Waiting {
    number: u64,
    deliveries: u32,
    arrived: Instant,
    ready: Instant,
    judged: bool,
}

#[derive(Clone, Copy, Debug)]
struct Held {
    place: u64,
    waiting: Waiting,
    cut: bool,
}

/// An outcome that is told later.
#[derive(Clone, Copy, Debug)]
struct Later {
    sent: u64,
    at: Instant,
    fate: Fate,
}

#[derive(Debug)]
pub(crate) struct Reference {
    pub(crate) drop_head: bool,
    pub(crate) downtime: Duration,
    next_place: u64,
    waiting: BTreeMap<u64, Waiting>,
    held: BTreeMap<u64, Held>,
    pub(crate) dead: Vec<(u64, DeathCause, u32)>,
    later: Vec<Later>,
    sender_up: Instant,
    receiver_up: Instant,
    silent_until: Instant,
    away_until: Instant,
    taken: u64,
}

impl Reference {
    pub(crate) fn new(drop_head: bool, downtime: Duration) -> Self {
        let now = Instant::now();
        Self {
            drop_head,
            downtime,
            next_place: 0,
            waiting: BTreeMap::new(),
            held: BTreeMap::new(),
            dead: Vec::new(),
            later: Vec::new(),
            sender_up: now,
            receiver_up: now,
            silent_until: now,
            away_until: now,
            taken: 0,
        }
    }

    pub(crate) fn send(&mut self, sent: u64, wanted: bool, fault: Option<SendFault>) -> Fate {
        let now = Instant::now();
        let up = self.sender_up.max(self.silent_until).max(self.away_until);
        if now < up {
            return Fate::Away;
        }
        match fault {
            Some(SendFault::CutBeforeArrival) => {
                self.cut_sender();
                return Fate::Unknown;
            }
            Some(SendFault::Reject) => return Fate::Rejected,
            Some(SendFault::Return) => return Fate::NotRouted,
            _ => {}
        }
        let copies = if fault == Some(SendFault::Duplicate) {
            2
        } else {
            1
        };
        let ready = match fault {
            Some(SendFault::DelayArrival(time)) => now + time,
            _ => now,
        };
        let mut fate = if wanted {
            Fate::Confirmed
        } else {
            Fate::NotRouted
        };
        for _ in 0..if wanted { copies } else { 0 } {
            if !self.store(sent, ready) {
                fate = Fate::Rejected;
            }
        }
        match fault {
            Some(SendFault::CutBeforeConfirm) => {
                self.cut_sender();
                return Fate::Unknown;
            }
            Some(SendFault::CutAfterConfirm) => self.cut_sender(),
            Some(SendFault::LoseConfirm) => return self.later(sent, CONFIRM, Fate::Unknown),
            Some(SendFault::DelayConfirm(time)) => return self.later(sent, time, fate),
            Some(SendFault::Block(time)) => self.silent_until = now + time,
            Some(SendFault::Stop(time)) => {
                self.cut_sender();
                self.cut_receiver();
                // Everybody comes back with the broker.
                self.away_until = now + time;
                self.sender_up = now;
                self.receiver_up = now;
                return Fate::Unknown;
            }
            _ => {}
        }
        fate
    }

    fn store(&mut self, number: u64, ready: Instant) -> bool {
        self.expire();
        if !self.drop_head && self.waiting.len() >= CAPACITY {
            return false;
        }
        self.next_place += 1;
        let arrived = Instant::now();
        let waiting = Waiting {
            number,
            deliveries: 0,
            arrived,
            ready,
            judged: false,
        };
        self.waiting.insert(self.next_place, waiting);
        if self.waiting.len() > CAPACITY {
            let (_, oldest) = self.waiting.pop_first().expect("not empty");
            self.dead
                .push((oldest.number, DeathCause::MaxLength, oldest.deliveries));
        }
        true
    }

    fn later(&mut self, sent: u64, time: Duration, fate: Fate) -> Fate {
        let at = Instant::now() + time;
        self.later.push(Later { sent, at, fate });
        Fate::Open
    }

    /// What is known now of an outcome that was to be told later.
    pub(crate) fn outcome(&self, sent: u64) -> Fate {
        let later = self.later.iter().find(|later| later.sent == sent);
        let later = later.expect("asked for what was left open");
        if later.at <= Instant::now() {
            later.fate
        } else {
            Fate::Open
        }
    }

    /// The next delivery: its handle here, its number, and whether it came before.
    pub(crate) fn take(&mut self, fault: Option<DeliveryFault>) -> Option<(u64, u64, bool)> {
        let now = Instant::now();
        if now < self.receiver_up.max(self.away_until) {
            return None;
        }
        self.expire();
        if self.held.len() >= PREFETCH {
            return None;
        }
        let mut first = self.waiting.first_entry()?;
        if now < first.get().ready {
            return None;
        }
        let fault = if first.get().judged { None } else { fault };
        first.get_mut().judged = true;
        if let Some(DeliveryFault::Delay(time)) = fault {
            first.get_mut().ready = now + time;
            return None;
        }
        let (place, mut waiting) = first.remove_entry();
        let (number, before) = (waiting.number, waiting.deliveries > 0);
        waiting.deliveries += 1;
        waiting.judged = false;
        self.taken += 1;
        let cut = fault == Some(DeliveryFault::CutBeforeAck);
        self.held.insert(
            self.taken,
            Held {
                place,
                waiting,
                cut,
            },
        );
        if fault == Some(DeliveryFault::CutAfterDelivery) {
            self.cut_receiver();
        }
        Some((self.taken, number, before))
    }

    pub(crate) fn settle(&mut self, handle: u64, how: Settlement) {
        let Some(held) = self.held.get(&handle) else {
            return;
        };
        if held.cut {
            self.cut_receiver();
            return;
        }
        match how {
            Settlement::Requeue => self.give_back(handle),
            Settlement::Ack => drop(self.held.remove(&handle)),
            Settlement::DeadLetter => {
                let it = self.held.remove(&handle).expect("held").waiting;
                self.dead
                    .push((it.number, DeathCause::Rejected, it.deliveries));
            }
        }
    }

    fn give_back(&mut self, handle: u64) {
        let Held { place, waiting, .. } = self.held.remove(&handle).expect("held");
        if waiting.deliveries > RETURNS {
            let limit = DeathCause::DeliveryLimit;
            self.dead.push((waiting.number, limit, waiting.deliveries));
        } else {
            self.waiting.insert(place, waiting);
        }
    }

    fn cut_receiver(&mut self) {
        let handles: Vec<u64> = self.held.keys().copied().collect();
        for handle in handles {
            self.give_back(handle);
        }
        self.receiver_up = Instant::now() + self.downtime;
    }

    fn cut_sender(&mut self) {
        let now = Instant::now();
        for later in &mut self.later {
            if later.at > now {
                (later.at, later.fate) = (now, Fate::Unknown);
            }
        }
        self.sender_up = now + self.downtime;
    }

    /// Only at the head.
    pub(crate) fn expire(&mut self) {
        while let Some(first) = self.waiting.first_entry() {
            if first.get().arrived + TTL > Instant::now() {
                return;
            }
            let it = first.remove();
            self.dead
                .push((it.number, DeathCause::Expired, it.deliveries));
        }
    }

    pub(crate) fn counts(&self) -> (usize, usize) {
        (self.waiting.len(), self.held.len())
    }
}
