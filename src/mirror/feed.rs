use std::{collections::VecDeque, time::Duration};

use algedonic_transport::{Error, Lane};
use bytes::Bytes;
use tokio::time::Instant;

use super::{
    Reply,
    intake::{self, Outgoing},
};
use crate::{
    event::{Envelope, Event, Origin, Sealed},
    local::{Feed, Rest, Stamp, Tap},
    observe::{LocalOnly, Remote},
};

/// What leaves from the lane of some type.
pub(super) trait AnyFeed: Feed<Item = Outgoing> + Send {}

impl<F: Feed<Item = Outgoing> + Send> AnyFeed for F {}

impl Feed for Box<dyn AnyFeed> {
    type Item = Outgoing;

    fn look(&mut self, now: Instant) -> u64 {
        (**self).look(now)
    }

    fn next(&mut self, below: u64) -> Option<(u64, Stamp)> {
        (**self).next(below)
    }

    fn take(&mut self) -> Option<Outgoing> {
        (**self).take()
    }

    fn gather(&mut self) {
        (**self).gather();
    }

    fn rest(&mut self) {
        (**self).rest();
    }

    fn lie_down(&mut self) -> Rest {
        (**self).lie_down()
    }
}

/// What leaves from the lane of one type, as messages.
pub(super) struct LaneFeed<E: Event> {
    tap: Tap<E>,
    encode: fn(&E) -> Result<Bytes, Error>,
    dues: Dues,
    /// Entries below this number were seen.
    seen: u64,
    /// Taken out of the lane, where they would have been in the way of others.
    held: VecDeque<Held<E>>,
    capacity: usize,
}

struct Held<E> {
    number: u64,
    stamp: Stamp,
    envelope: Envelope<E>,
    reply: Reply,
    due: Instant,
}

impl<E: Event> LaneFeed<E> {
    pub(super) fn new(
        tap: Tap<E>,
        encode: fn(&E) -> Result<Bytes, Error>,
        capacity: usize,
        timeout: Duration,
    ) -> Self {
        Self {
            tap,
            encode,
            dues: Dues::new(timeout),
            seen: 0,
            held: VecDeque::new(),
            capacity,
        }
    }
}

impl<E: Event> Feed for LaneFeed<E> {
    type Item = Outgoing;

    fn look(&mut self, now: Instant) -> u64 {
        self.seen = self.tap.look();
        self.dues.note(self.seen, now);
        self.seen
    }

    fn next(&mut self, below: u64) -> Option<(u64, Stamp)> {
        match self.held.front() {
            Some(held) => Some((held.number, held.stamp)),
            None => self.tap.next(below),
        }
    }

    fn take(&mut self) -> Option<Outgoing> {
        let message = |sealed: &Sealed<E>, origin: &Origin| {
            let encode = || (self.encode)(sealed.event());
            intake::message(sealed.metadata(origin), Lane::Event, encode)
        };
        if let Some(held) = self.held.pop_front() {
            return Some(Outgoing {
                message: message(held.envelope.sealed(), held.envelope.origin()),
                reply: held.reply,
                due: held.due,
            });
        }
        let due = self.dues.of(self.tap.at());
        let outgoing = self.tap.take().map(|(cell, sealed)| {
            let reply = Reply::to(cell);
            Outgoing {
                message: message(sealed, self.tap.origin()),
                reply,
                due,
            }
        });
        self.tap.advance();
        outgoing
    }

    fn gather(&mut self) {
        while let Some((number, stamp)) = self.tap.next(self.seen) {
            let due = self.dues.of(number);
            let taken = self.tap.take_out();
            self.tap.advance();
            let Some((cell, envelope)) = taken else {
                continue;
            };
            self.held.push_back(Held {
                number,
                stamp,
                envelope,
                reply: Reply::to(cell),
                due,
            });
            if self.held.len() > self.capacity
                && let Some(oldest) = self.held.pop_front()
            {
                let full = Remote::LocalOnly(LocalOnly::QueueFull);
                oldest.reply.send(full);
            }
        }
    }

    fn rest(&mut self) {
        self.dues.rest();
    }

    fn lie_down(&mut self) -> Rest {
        let rest = self.tap.lie_down();
        if rest == Rest::Lying {
            self.dues.rest();
        }
        rest
    }
}

/// When the outcomes of the events of one lane are due. Publishers do not read the clock: an event was published between
/// two looks at its lane, and counts as published at the first of them. While the feed lies, the next event wakes it, and
/// while it looks every millisecond, that sees it soon enough: then it was published just now.
struct Dues {
    timeout: Duration,
    /// The last look; none while it rests.
    looked: Option<Instant>,
    /// Entries below the number, and not below that of the one before, were published at this time or later.
    since: VecDeque<(u64, Instant)>,
}

impl Dues {
    fn new(timeout: Duration) -> Self {
        Self {
            timeout,
            looked: None,
            since: VecDeque::new(),
        }
    }

    /// A look that has seen the entries below this number.
    fn note(&mut self, seen: u64, now: Instant) {
        let since = self.looked.replace(now).unwrap_or(now);
        match self.since.back_mut() {
            Some((known, _)) if *known >= seen => {}
            // So there are few, however often it looks.
            Some((known, time)) if since.duration_since(*time) < self.timeout / 64 => *known = seen,
            _ => self.since.push_back((seen, since)),
        }
    }

    fn rest(&mut self) {
        self.looked = None;
    }

    /// For the entry of this number, after which none is asked for that comes before it.
    fn of(&mut self, at: u64) -> Instant {
        while let Some((below, _)) = self.since.front()
            && *below <= at
        {
            self.since.pop_front();
        }
        let since = self.since.front().map(|(_, since)| *since);
        later(since.unwrap_or_else(Instant::now), self.timeout)
    }
}

/// So much later; a long time is as good as one that the clock cannot say.
pub(super) fn later(from: Instant, timeout: Duration) -> Instant {
    const LONG: Duration = Duration::from_secs(30 * 365 * 24 * 3600);
    from + timeout.min(LONG)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_counts_as_published_at_the_look_before_the_one_that_saw_it() {
        let start = Instant::now();
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        let mut dues = Dues::new(Duration::from_secs(10));
        // It lay.
        dues.note(2, at(5));
        dues.note(4, at(6));
        dues.note(4, at(7));
        dues.note(5, at(8));
        assert_eq!(
            [0, 1, 2, 3, 4].map(|entry| dues.of(entry)),
            [15, 15, 15, 15, 17].map(at)
        );
        dues.rest();
        dues.note(6, at(20));
        assert_eq!(dues.of(5), at(30));
    }

    #[test]
    fn it_keeps_few_times_however_often_it_looks() {
        let start = Instant::now();
        let mut dues = Dues::new(Duration::from_secs(10));
        for look in 0..100_000 {
            let now = start + Duration::from_millis(look / 10);
            dues.note(look + 1, now);
        }
        assert!(dues.since.len() <= 66, "{}", dues.since.len());
        assert_eq!(dues.of(0), start + Duration::from_secs(10));
    }
}
