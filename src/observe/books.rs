use std::ops::AddAssign;

use algedonic_transport::{Key, Pattern};

use crate::local::{Buffer, Lag};

/// What became of the events that one subscriber was to get.
///
/// At rest, that is while nobody publishes, receives or handles, the numbers
/// [balance](Self::is_balanced):
/// `offered + redriven = delivered + dropped + expired + dead_lettered + abandoned + in_flight`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Account {
    /// Published for it since it subscribed.
    pub offered: u64,
    /// Received by it; by a handler: handled without error.
    pub delivered: u64,
    /// Dropped because it lagged, as its [`Lag`](crate::Lag) says, and told to it by a
    /// [`Gap`](crate::Gap).
    pub dropped: u64,
    /// Left out because their time had passed.
    pub expired: u64,
    /// Given up by its handler, and kept as dead letters.
    pub dead_lettered: u64,
    /// Dead letters that were given back to its handler; one may come to be a dead letter again.
    pub redriven: u64,
    /// Unread when it unsubscribed, or in the hands of a handler that was cut off.
    pub abandoned: u64,
    /// In its buffer, lent (see [`Subscription::recv_ref`](crate::Subscription::recv_ref)), or in the hands of
    /// its handler.
    pub in_flight: u64,
}

impl Account {
    /// Whether each event offered is found in exactly one of the other numbers.
    pub fn is_balanced(&self) -> bool {
        self.offered + self.redriven
            == self.delivered
                + self.dropped
                + self.expired
                + self.dead_lettered
                + self.abandoned
                + self.in_flight
    }

    /// The account of a subscriber that leaves: nothing of it is in flight any more.
    pub(crate) fn closed(self) -> Self {
        Self {
            abandoned: self.abandoned + self.in_flight,
            in_flight: 0,
            ..self
        }
    }
}

impl AddAssign for Account {
    fn add_assign(&mut self, other: Self) {
        self.offered += other.offered;
        self.delivered += other.delivered;
        self.dropped += other.dropped;
        self.expired += other.expired;
        self.dead_lettered += other.dead_lettered;
        self.redriven += other.redriven;
        self.abandoned += other.abandoned;
        self.in_flight += other.in_flight;
    }
}

/// The books of one subscriber that is there now.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SubscriberBooks {
    /// What happens when its buffer is full.
    pub lag: Lag,
    /// How many events its buffer can hold.
    pub capacity: usize,
    /// Whether handlers drive it, which settle what they take.
    pub handled: bool,
    /// How many events wait in its buffer; what its handlers have in hand does not.
    pub unread: u64,
    /// What became of its events.
    pub account: Account,
}

impl SubscriberBooks {
    pub(crate) fn new(buffer: Buffer, handled: bool, unread: u64, account: Account) -> Self {
        Self {
            lag: buffer.lag,
            capacity: buffer.capacity.get(),
            handled,
            unread,
            account,
        }
    }
}

/// The books of one type of event.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TypeBooks {
    /// The type's name.
    pub name: Key,
    /// How many events of the type were published here, whoever got them.
    pub published: u64,
    /// How many came from other processes.
    pub received: u64,
    /// Its subscribers.
    pub subscribers: Vec<SubscriberBooks>,
    /// The sum of those that have left.
    pub departed: Account,
}

/// The books of one subscriber of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PatternBooks {
    /// What it selects by.
    pub pattern: Pattern,
    /// The subscriber.
    pub subscriber: SubscriberBooks,
}

/// The books of a bus, per type and subscriber; from [`Bus::books`](crate::Bus::books).
///
/// Signals are not in them: nothing of those is ever dropped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Books {
    /// Each type of event that was published or subscribed to.
    pub types: Vec<TypeBooks>,
    /// Each subscriber of a pattern.
    pub patterns: Vec<PatternBooks>,
    /// The sum of the subscribers of patterns that have left.
    pub departed_patterns: Account,
}

impl Books {
    /// The books of the type of this name.
    pub fn of(&self, name: &str) -> Option<&TypeBooks> {
        self.types.iter().find(|books| *books.name == *name)
    }

    /// The sum over all subscribers, also those that have left.
    pub fn total(&self) -> Account {
        let mut sum = self.departed_patterns;
        for account in self.accounts() {
            sum += account;
        }
        for books in &self.types {
            sum += books.departed;
        }
        sum
    }

    fn accounts(&self) -> impl Iterator<Item = Account> {
        let typed = self.types.iter().flat_map(|books| &books.subscribers);
        let patterns = self.patterns.iter().map(|books| &books.subscriber);
        typed.chain(patterns).map(|subscriber| subscriber.account)
    }

    /// Checks that at rest every event is accounted for, for every subscriber.
    ///
    /// # Panics
    ///
    /// When some account does not [balance](Account::is_balanced): for tests.
    pub fn assert_balanced(&self) {
        let balanced = |account: &Account| account.is_balanced();
        let gone = self.types.iter().map(|books| books.departed);
        let mut all = self.accounts().chain(gone).chain([self.departed_patterns]);
        assert!(
            all.all(|account| balanced(&account)),
            "unbalanced: {self:#?}"
        );
    }
}
