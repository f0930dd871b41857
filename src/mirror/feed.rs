use std::{collections::VecDeque, time::Duration};

use algedonic_transport::{Error, Lane};
use bytes::Bytes;
use tokio::time::Instant;

use super::{
    Reply,
    intake::{self, Outgoing},
};
use crate::{
    event::Event,
    local::{Feed, Rest, Stamp, Tap},
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

    fn lie_down(&mut self) -> Rest {
        (**self).lie_down()
    }
}

/// What leaves from the lane of one type, as messages.
pub(super) struct LaneFeed<E: Event> {
    tap: Tap<E>,
    encode: fn(&E) -> Result<Bytes, Error>,
    dues: Dues,
}

impl<E: Event> LaneFeed<E> {
    pub(super) fn new(
        tap: Tap<E>,
        encode: fn(&E) -> Result<Bytes, Error>,
        timeout: Duration,
    ) -> Self {
        Self {
            tap,
            encode,
            dues: Dues::new(timeout),
        }
    }
}

impl<E: Event> Feed for LaneFeed<E> {
    type Item = Outgoing;

    fn look(&mut self, now: Instant) -> u64 {
        let seen = self.tap.look();
        self.dues.note(seen, now);
        seen
    }

    fn next(&mut self, below: u64) -> Option<(u64, Stamp)> {
        self.tap.next(below)
    }

    fn take(&mut self) -> Option<Outgoing> {
        let due = self.dues.of(self.tap.at());
        let outgoing = self.tap.take().map(|(cell, sealed)| {
            let reply = Reply::to(cell);
            let metadata = sealed.metadata(self.tap.origin());
            let encode = || (self.encode)(sealed.event());
            let message = intake::message(metadata, Lane::Event, encode);
            Outgoing {
                message,
                reply,
                due,
            }
        });
        self.tap.advance();
        outgoing
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
/// two looks at its lane, and counts as published at the first of them. While the feed lies, the next event wakes it: then
/// it was published just now.
struct Dues {
    timeout: Duration,
    /// The last look; none while it lies.
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
