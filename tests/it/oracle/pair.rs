use algedonic::{Buffer, Bus, Gap, Lag, PatternSubscription, Subscription};
use async_broadcast::TryRecvError;
use futures_util::{FutureExt, StreamExt};

use super::steps::Way;
use crate::events::Tick;

/// Either way to receive the same events.
enum Ours {
    Type(Subscription<Tick>),
    Pattern(PatternSubscription),
}

/// What ours gave: nothing yet, the end, a gap, or events.
#[derive(Debug)]
enum Got {
    Nothing,
    End,
    Gap(Gap),
    Events(Vec<u64>),
}

/// One subscriber here, and the oracle's receiver that must see the same.
pub(super) struct Pair {
    ours: Ours,
    oracle: async_broadcast::Receiver<u64>,
    lag: Lag,
    /// Lent here: they take room until the next call. The oracle is given them back then.
    lent: Vec<u64>,
    /// How many events and gaps it has passed: the number of the next one.
    passed: u64,
    /// Ours was told of a gap when so many had been published, and has read nothing since.
    told: Option<u64>,
    /// Ours has read the event that was kept for it after a gap; the oracle has lost that.
    ahead: bool,
}

impl Pair {
    pub(super) fn new(
        bus: &Bus,
        sender: &async_broadcast::Sender<u64>,
        buffer: Buffer,
        lag: Lag,
        pattern: bool,
    ) -> Self {
        let ours = if pattern {
            let subscription = bus.subscribe_pattern_with("test.*", buffer);
            Ours::Pattern(subscription.expect("a pattern"))
        } else {
            Ours::Type(bus.subscribe_with(buffer))
        };
        Self {
            ours,
            oracle: sender.new_receiver(),
            lag,
            lent: Vec::new(),
            passed: 0,
            told: None,
            ahead: false,
        }
    }

    /// Receives from both, once `published` events have been published, and compares. False if
    /// there was nothing.
    pub(super) fn receive(&mut self, way: Way, published: u64) -> bool {
        self.settle();
        match self.ours.receive(way) {
            Got::Nothing => {
                assert_eq!(self.oracle.try_recv(), Err(TryRecvError::Empty));
                return false;
            }
            Got::End => {
                assert_eq!(self.oracle.try_recv(), Err(TryRecvError::Closed));
                return false;
            }
            Got::Gap(gap) => self.gap(gap, published),
            Got::Events(events) => {
                assert!(
                    !events.is_empty() && events.len() <= way.limit(),
                    "{events:?}"
                );
                self.events(&events, way, published);
            }
        }
        true
    }

    /// The oracle reads what was lent.
    fn settle(&mut self) {
        for event in self.lent.drain(..) {
            assert_eq!(self.oracle.try_recv(), Ok(event));
        }
    }

    fn gap(&mut self, gap: Gap, published: u64) {
        assert_eq!(self.told, None, "a gap, and an event is kept behind it");
        assert_eq!(gap.from, self.passed);
        assert_eq!(gap.to + 1, gap.from + gap.missed);
        let lost = gap.missed + u64::from(self.ahead);
        assert_eq!(self.oracle.try_recv(), Err(TryRecvError::Overflowed(lost)));
        self.ahead = false;
        self.passed += gap.missed;
        if matches!(self.ours, Ours::Type(_)) {
            self.told = Some(published);
        }
    }

    fn events(&mut self, events: &[u64], way: Way, published: u64) {
        self.passed += events.len() as u64;
        if self.told.take().is_some_and(|then| then < published) {
            assert_eq!(events.len(), 1, "what is behind may be beyond the buffer");
            self.ahead = true;
            return;
        }
        if std::mem::take(&mut self.ahead) {
            let lost = self.oracle.try_recv();
            assert_eq!(lost, Err(TryRecvError::Overflowed(1)), "the kept one");
        }
        if self.lag == Lag::Block && matches!(self.ours, Ours::Type(_)) && way.lends() {
            self.lent.extend(events);
            return;
        }
        for event in events {
            assert_eq!(self.oracle.try_recv(), Ok(*event));
        }
    }
}

impl Ours {
    fn receive(&mut self, way: Way) -> Got {
        let item = match self {
            Self::Type(subscription) => match way {
                Way::Owned => subscription
                    .recv()
                    .now_or_never()
                    .map(|item| item.map(|tick| tick.map(|tick| vec![tick.number]))),
                Way::Next => subscription
                    .next()
                    .now_or_never()
                    .map(|item| item.map(|tick| tick.map(|tick| vec![tick.number]))),
                Way::Lent => subscription
                    .recv_ref()
                    .now_or_never()
                    .map(|item| item.map(|tick| tick.map(|tick| vec![tick.number]))),
                Way::Many(limit) => subscription.recv_many(limit).now_or_never().map(|item| {
                    let numbers = |batch: algedonic::Batch<'_, Tick>| {
                        batch.iter().map(|tick| tick.number).collect()
                    };
                    item.map(|batch| batch.map(numbers))
                }),
            },
            Self::Pattern(subscription) => {
                let item = if matches!(way, Way::Next) {
                    subscription.next().now_or_never()
                } else {
                    subscription.recv().now_or_never()
                };
                item.map(|item| {
                    item.map(|event| {
                        event.map(|event| vec![event.downcast::<Tick>().expect("a tick").number])
                    })
                })
            }
        };
        match item {
            None => Got::Nothing,
            Some(None) => Got::End,
            Some(Some(Err(gap))) => Got::Gap(gap),
            Some(Some(Ok(events))) => Got::Events(events),
        }
    }
}
