use std::{
    sync::Arc,
    task::{Context, Poll},
};

use tokio::time::Instant;

use super::{Bells, Stamp, linger::Linger};

/// What one lane gives to a [`Merge`].
pub(crate) trait Feed {
    type Item;

    /// Looks how far its lane has come: the number of the entry that comes next.
    fn look(&mut self, now: Instant) -> u64;
    /// The number and the stamp of its next entry below that one, if there is one.
    fn next(&mut self, below: u64) -> Option<(u64, Stamp)>;
    /// Takes that entry, unless it has been refused meanwhile; then it goes past it.
    fn take(&mut self) -> Option<Self::Item>;
    /// Takes all that it has seen out of its lane, since that comes to be full.
    fn gather(&mut self);
    /// Has taken all that it has seen, and is asked again when there may be more, soon after that has come.
    fn rest(&mut self) {}
    /// Has its bell rung by the next entry.
    fn lie_down(&mut self) -> Rest;
}

/// What became of a feed that was to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rest {
    /// Its bell will ring.
    Lying,
    /// There is something to read.
    Awake,
    /// Nothing comes any more.
    Ended,
}

/// Reads several lanes in the order of their stamps: what was published before something else comes before it,
/// whatever lanes the two are of.
///
/// To have the smallest stamp of all that are seen is not enough for that: what was published before it in another lane
/// may not be seen yet. But it is seen by whoever looks *after* he has seen the later one. So an entry has its turn once
/// all lanes have been looked at since it was seen, and it is still the first. A lane whose feed lies has nothing unless its
/// bell has rung. A bell that rings though its feed does not lie says that the lane comes to be full.
pub(crate) struct Merge<F> {
    feeds: Vec<Place<F>>,
    bells: Arc<Bells>,
    /// Those that are not at rest.
    awake: Vec<usize>,
    /// Those whose lanes come to be full; empty between two calls.
    full: Vec<usize>,
    ended: usize,
    linger: Linger,
}

struct Place<F> {
    feed: F,
    /// Entries below were seen by the last look but one, so that a look at all lanes has followed.
    settled: u64,
    /// Entries below were seen by the last look.
    seen: u64,
    /// The next entry, if it is known.
    next: Option<(u64, Stamp)>,
}

impl<F: Feed> Merge<F> {
    /// Of feeds in the order of their bells.
    pub(crate) fn new(feeds: Vec<F>, bells: Arc<Bells>) -> Self {
        let place = |feed| Place {
            feed,
            settled: 0,
            seen: 0,
            next: None,
        };
        Self {
            awake: (0..feeds.len()).collect(),
            full: Vec::new(),
            feeds: feeds.into_iter().map(place).collect(),
            bells,
            ended: 0,
            linger: Linger::default(),
        }
    }

    /// Whether it looks by itself for a while before its feeds lie down. Then no publisher wakes it, which costs that one
    /// more than all else that it does; and what is published takes up to two milliseconds to be seen, unless it is awaited.
    pub(crate) fn set_lingering(&mut self, lingers: bool) {
        self.linger.set(lingers);
    }

    /// The next entry of all. None once all feeds have ended.
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<F::Item>> {
        loop {
            match self.first() {
                Some((at, true)) => {
                    let place = &mut self.feeds[at];
                    place.next = None;
                    if let Some(item) = place.feed.take() {
                        self.linger.found();
                        return Poll::Ready(Some(item));
                    }
                }
                Some((_, false)) => self.look(Instant::now()),
                None => {
                    self.linger.prepare(&self.bells, cx);
                    self.look(Instant::now());
                    if self.first().is_some() {
                        continue;
                    }
                    if !self.awake.is_empty() && self.linger.poll(&self.bells, cx).is_pending() {
                        for &at in &self.awake {
                            self.feeds[at].feed.rest();
                        }
                        return Poll::Pending;
                    }
                    self.lie_down();
                    if !self.awake.is_empty() {
                        continue;
                    }
                    if self.ended == self.feeds.len() {
                        return Poll::Ready(None);
                    }
                    if self.bells.listen(cx) {
                        return Poll::Pending;
                    }
                }
            }
        }
    }

    /// Waits, while nothing is to be taken, until there is something to be looked at.
    pub(crate) fn poll_rung(&self, cx: &Context<'_>) -> Poll<()> {
        if self.bells.listen(cx) {
            Poll::Pending
        } else {
            Poll::Ready(())
        }
    }

    /// The feed whose next entry is the first of all that are seen, and whether it has its turn.
    fn first(&mut self) -> Option<(usize, bool)> {
        let mut first: Option<(usize, bool, Stamp)> = None;
        for &at in &self.awake {
            let place = &mut self.feeds[at];
            if place.next.is_none() {
                place.next = place.feed.next(place.seen);
            }
            let Some((number, stamp)) = place.next else {
                continue;
            };
            if first.is_none_or(|(_, _, other)| stamp.is_before(other)) {
                first = Some((at, number < place.settled, stamp));
            }
        }
        first.map(|(at, turn, _)| (at, turn))
    }

    /// Looks at all lanes.
    pub(crate) fn look(&mut self, now: Instant) {
        let (awake, full) = (&mut self.awake, &mut self.full);
        self.bells.take(|at| {
            let known = awake.contains(&at);
            if known { &mut *full } else { &mut *awake }.push(at);
        });
        for &at in &*awake {
            let place = &mut self.feeds[at];
            place.settled = place.seen;
            place.seen = place.feed.look(now);
        }
        for at in full.drain(..) {
            let place = &mut self.feeds[at];
            place.feed.gather();
            // It may not be there any more.
            place.next = None;
        }
    }

    /// Lets those lie down that have nothing.
    fn lie_down(&mut self) {
        let (feeds, ended) = (&mut self.feeds, &mut self.ended);
        self.awake.retain(|at| match feeds[*at].feed.lie_down() {
            Rest::Lying => false,
            Rest::Awake => true,
            Rest::Ended => {
                *ended += 1;
                false
            }
        });
    }
}
