//! How many publish, to how many subscribers, and what each of them has to have read.

use std::ops::Range;

use crate::load::{Reading, Round, Work};

/// How many publish, to how many subscribers, each of which gets all.
#[derive(Clone, Copy)]
pub(crate) struct Case {
    pub(crate) publishers: u64,
    pub(crate) subscribers: u64,
    /// Events in one round, of all publishers together; a multiple of the capacity.
    pub(crate) events: u64,
}

/// The four cases of the ladder; on two runtimes they are eight.
pub(crate) const LADDER: [Case; 4] = [
    Case::new(1, 1),
    Case::new(1, 4),
    Case::new(4, 4),
    Case::new(1, 64),
];

/// Growing numbers of subscribers.
pub(crate) const GROWTH: [Case; 6] = [
    Case::new(1, 1),
    Case::new(1, 4),
    Case::new(1, 16),
    Case::new(1, 64),
    Case::new(1, 256),
    Case::new(1, 1000),
];

impl Case {
    pub(crate) const fn new(publishers: u64, subscribers: u64) -> Self {
        let events = match subscribers {
            ..=4 => 65_536,
            5..=64 => 16_384,
            65..=256 => 4_096,
            _ => 2_048,
        };
        Self {
            publishers,
            subscribers,
            events,
        }
    }

    /// As it is written: `1-to-4`.
    pub(crate) fn name(self) -> String {
        format!("{}-to-{}", self.publishers, self.subscribers)
    }

    /// A round: `publisher` is given the numbers of its events, `subscriber` the tally to fill.
    pub(crate) fn round<P, S>(
        self,
        publisher: impl Fn(Range<u64>) -> P,
        mut subscriber: impl FnMut(Tally) -> S,
    ) -> Round
    where
        P: Future<Output = ()> + Send + 'static,
        S: Future<Output = ()> + Send + 'static,
    {
        let share = self.events / self.publishers;
        // First who receives: what is published before is not theirs.
        let subscribers = (0..self.subscribers)
            .map(|_| Box::pin(subscriber(Tally::of(self.events))) as Work)
            .collect();
        let publishers = (0..self.publishers)
            .map(|number| Box::pin(publisher(number * share..(number + 1) * share)) as Work)
            .collect();
        Round {
            publishers,
            subscribers,
        }
    }
}

/// What one subscriber has read, and what it must have read when it ends.
pub(crate) struct Tally {
    left: u64,
    sum: u64,
    expected: u64,
}

impl Tally {
    fn of(events: u64) -> Self {
        Self {
            left: events,
            sum: 0,
            // Each event has its number at both ends.
            expected: events * (events - 1),
        }
    }

    /// Whether an event is missing still.
    pub(crate) fn open(&self) -> bool {
        self.left > 0
    }

    /// Reads an event.
    pub(crate) fn read(&mut self, event: &Reading) {
        self.sum = self.sum.wrapping_add(event.read());
        self.left -= 1;
    }

    /// Ends the work of a subscriber, which has read every event once.
    pub(crate) fn check(&self) {
        assert_eq!((self.left, self.sum), (0, self.expected), "read all, once");
    }
}
