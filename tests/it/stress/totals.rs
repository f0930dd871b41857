use std::{fmt, sync::atomic::Ordering::SeqCst};

use algedonic::{Account, Books, SubscriberBooks};

use super::{
    Seen,
    handlers::Group,
    load::Load,
    marks::is_left,
    seat::{Seat, Sub},
};

/// What the books say after a run, once they agree with everybody who was there.
pub(super) struct Totals {
    published: u64,
    account: Account,
    subscriptions: usize,
    members: u64,
    cancelled_publishes: u64,
    refused_publishes: u64,
    cancelled_recvs: u64,
    gaps: u64,
}

impl Totals {
    /// Compares the books with what the publishers, each subscriber and the handlers counted, to the
    /// last event.
    pub(super) fn of(load: &Load, group: &Group, mut faithful: Vec<Seat>, gone: &[Seen]) -> Self {
        let (books, counts, published) = (load.bus.books(), load.bus.counts(), load.done());
        assert_eq!(published, load.begun());
        books.assert_balanced();
        check_published(&books, &published);
        for seat in &mut faithful {
            check_seat(&books, seat, &published);
        }
        let there: usize = books
            .types
            .iter()
            .map(|books| books.subscribers.len())
            .sum();
        assert_eq!(there + books.patterns.len(), faithful.len());

        let mut left = books.departed_patterns;
        books.types.iter().for_each(|books| left += books.departed);
        let delivered: u64 = gone.iter().map(|seen| seen.delivered).sum();
        assert_eq!(left.delivered, delivered + counts.handled);
        let missed: u64 = gone.iter().map(|seen| seen.missed).sum();
        assert!(
            left.dropped >= missed,
            "what a subscriber was told is in the books"
        );
        // Who leaves gives up what it has not read; a handler that is cut off what it has begun, too.
        assert_eq!(counts.failed, left.dead_lettered);
        let begun = group.begun.load(SeqCst);
        assert!(begun >= counts.handled + counts.failed);
        let account = books.total();
        assert_eq!(account.in_flight, 0);
        assert_eq!(
            account.offered,
            account.delivered
                + account.dropped
                + account.expired
                + account.dead_lettered
                + account.abandoned
        );
        Self {
            published: published.iter().sum(),
            account,
            subscriptions: faithful.len() + gone.len(),
            members: group.members.load(SeqCst),
            cancelled_publishes: load.cancelled.load(SeqCst),
            refused_publishes: load.refused.load(SeqCst),
            cancelled_recvs: faithful.iter().map(|seat| seat.cancelled).sum::<u64>()
                + gone.iter().map(|seen| seen.cancelled).sum::<u64>(),
            gaps: faithful.iter().map(|seat| seat.witness.gaps).sum(),
        }
    }
}

fn check_published(books: &Books, published: &[u64]) {
    for (name, left) in [("stress.left", true), ("stress.right", false)] {
        let of_type = (0..published.len()).filter(|publisher| is_left(*publisher) == left);
        let sum: u64 = of_type.map(|publisher| published[publisher]).sum();
        assert_eq!(books.of(name).expect("published").published, sum, "{name}");
    }
}

/// Its capacity is its own.
fn check_seat(books: &Books, seat: &mut Seat, published: &[u64]) {
    seat.witness.end(published);
    let same = |books: &&SubscriberBooks| (books.lag, books.capacity) == seat.buffer;
    let subscriber = match &seat.sub {
        Sub::Left(_) => books
            .of("stress.left")
            .expect("there")
            .subscribers
            .iter()
            .find(same),
        Sub::Right(_) => books
            .of("stress.right")
            .expect("there")
            .subscribers
            .iter()
            .find(same),
        Sub::Pattern(_) => books
            .patterns
            .iter()
            .map(|books| &books.subscriber)
            .find(same),
    };
    let account = subscriber.expect("in the books").account;
    let heard = published.iter().zip(&seat.hears);
    let offered = heard
        .filter(|(_, hears)| **hears)
        .map(|(number, _)| number)
        .sum::<u64>();
    let seen = (offered, seat.witness.delivered, seat.witness.missed, 0);
    let kept = (
        account.offered,
        account.delivered,
        account.dropped,
        account.in_flight,
    );
    assert_eq!(kept, seen, "{:?}", seat.buffer);
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Account {
            offered,
            delivered,
            dropped,
            expired,
            dead_lettered,
            abandoned,
            ..
        } = self.account;
        write!(
            f,
            "{} published; {offered} offered = {delivered} delivered + {dropped} dropped + {expired} expired + {dead_lettered} \
             dead-lettered + {abandoned} abandoned; {} subscriptions, {} handlers; {} publishes and {} recvs \
             cancelled, {} publishes refused; {} gaps told to those who stayed",
            self.published,
            self.subscriptions,
            self.members,
            self.cancelled_publishes,
            self.cancelled_recvs,
            self.refused_publishes,
            self.gaps,
        )
    }
}
