//! How is the bus, at one moment?

use std::collections::BTreeMap;

use algedonic_transport::{Lane, LinkState};

use super::condition::Look;
use crate::observe::{Account, Books, Health, MirrorHealth, Status, SubscriberBooks};

/// What is looked at.
#[derive(Clone, Debug)]
pub(crate) struct Signs {
    /// None without a mirror.
    pub(super) mirror: Option<Mirror>,
    pub(super) lanes: Vec<Filled>,
    pub(super) status: Status,
    /// The whole, in words.
    pub(super) words: String,
    /// By the name of the type, or by the pattern.
    pub(super) subscribers: BTreeMap<String, Subscribers>,
}

#[derive(Clone, Debug)]
pub(super) struct Mirror {
    pub(super) is_up: bool,
    /// The link, in words.
    pub(super) words: String,
}

/// A lane of the spool that has a bound.
#[derive(Clone, Debug)]
pub(super) struct Filled {
    pub(super) lane: Lane,
    pub(super) bytes: u64,
    pub(super) bound: u64,
}

/// All subscribers of one type, or of one pattern.
#[derive(Clone, Copy, Debug)]
pub(super) struct Subscribers {
    /// How many events they have dropped, since the bus was built.
    pub(super) dropped: u64,
    /// Bad where one of them is full, well where all are at half or less.
    pub(super) room: Look,
    /// How many events wait for the one that is most behind.
    pub(super) unread: u64,
}

impl Signs {
    pub(crate) fn new(health: &Health, books: &Books) -> Self {
        let mut subscribers = BTreeMap::<String, Subscribers>::new();
        for books in &books.types {
            let of = subscribers.entry(books.name.to_string()).or_default();
            of.add_departed(&books.departed);
            books.subscribers.iter().for_each(|books| of.add(books));
        }
        for books in &books.patterns {
            let of = subscribers.entry(books.pattern.to_string()).or_default();
            of.add(&books.subscriber);
        }
        let spool = health
            .mirror
            .as_ref()
            .and_then(|mirror| mirror.spool.as_ref());
        let lanes = spool.iter().flat_map(|spool| {
            let filled = |lane| {
                let status = spool.lane(lane);
                Filled {
                    lane,
                    bytes: status.bytes,
                    bound: status.bound,
                }
            };
            Lane::ALL.into_iter().map(filled)
        });
        Self {
            mirror: health.mirror.as_ref().map(Mirror::new),
            lanes: lanes.filter(|lane| lane.bound > 0).collect(),
            status: health.status,
            words: health.to_string(),
            subscribers,
        }
    }
}

impl Mirror {
    fn new(mirror: &MirrorHealth) -> Self {
        Self {
            is_up: mirror.running && mirror.link.state == LinkState::Up,
            words: if mirror.running {
                mirror.link.to_string()
            } else {
                "its tasks have ended".to_owned()
            },
        }
    }
}

impl Subscribers {
    fn add_departed(&mut self, departed: &Account) {
        self.dropped += departed.dropped;
    }

    fn add(&mut self, books: &SubscriberBooks) {
        self.dropped += books.account.dropped;
        self.unread = self.unread.max(books.unread);
        let capacity = books.capacity as u64;
        if books.unread >= capacity {
            self.room = Look::Bad;
        } else if books.unread > capacity / 2 && self.room == Look::Well {
            self.room = Look::Between;
        }
    }
}

impl Default for Subscribers {
    fn default() -> Self {
        Self {
            dropped: 0,
            room: Look::Well,
            unread: 0,
        }
    }
}
