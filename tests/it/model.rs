use std::collections::VecDeque;

use algedonic::{Buffer, Bus, ErrorKind, Gap, Lag, PatternSubscription, Subscription};
use futures_util::FutureExt;
use proptest::prelude::*;

use crate::events::Tick;

#[derive(Clone, Debug)]
enum Step {
    Publish,
    Subscribe {
        pattern: bool,
        lag: Lag,
        capacity: usize,
    },
    Receive(prop::sample::Index, Way),
    Leave(prop::sample::Index),
}

/// How a subscriber of a type reads.
#[derive(Clone, Copy, Debug)]
enum Way {
    Owned,
    Lent,
    Many(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let lag = prop_oneof![
        Just(Lag::Block),
        Just(Lag::DropOldest),
        Just(Lag::DropNewest),
        Just(Lag::Error)
    ];
    let capacity = prop_oneof![3 => 1_usize..5, 1 => 30_usize..70];
    let way = prop_oneof![
        Just(Way::Owned),
        Just(Way::Lent),
        (0_usize..5).prop_map(Way::Many)
    ];
    prop_oneof![
        8 => Just(Step::Publish),
        1 => (any::<bool>(), lag, capacity)
            .prop_map(|(pattern, lag, capacity)| Step::Subscribe { pattern, lag, capacity }),
        4 => (any::<prop::sample::Index>(), way).prop_map(|(index, way)| Step::Receive(index, way)),
        1 => any::<prop::sample::Index>().prop_map(Step::Leave),
    ]
}

/// What one subscriber must see, without a care for cost: for each number it was to get, whether it
/// is still to be had.
struct Model {
    lag: Lag,
    capacity: usize,
    /// The events in their places; `None` is missing.
    line: VecDeque<Option<u64>>,
    /// How many places it has passed.
    passed: u64,
    /// What is lent to it takes room until its next call, where it follows the log.
    lent: usize,
    /// It has just been told of a gap: the next event is kept for it beside the buffer.
    told: bool,
    dropped: u64,
}

impl Model {
    fn unread(&self) -> usize {
        self.line.iter().flatten().count()
    }

    fn is_full(&self) -> bool {
        self.unread() + self.lent >= self.capacity + usize::from(self.told)
    }

    fn publish(&mut self, number: u64) {
        if !self.is_full() {
            self.line.push_back(Some(number));
            return;
        }
        self.dropped += 1;
        if self.lag == Lag::DropNewest {
            self.line.push_back(None);
        } else {
            let mut places = self.line.iter_mut().filter(|place| place.is_some());
            let oldest = places.nth(usize::from(self.told));
            *oldest.expect("it is full") = None;
            self.line.push_back(Some(number));
        }
    }

    /// The next events, `limit` at most, or the gap before them.
    fn receive(&mut self, limit: usize) -> Option<Result<Vec<u64>, (u64, u64)>> {
        let missing = self.line.iter().take_while(|place| place.is_none()).count();
        if missing > 0 {
            self.line.drain(..missing);
            let from = self.passed;
            self.passed += missing as u64;
            return Some(Err((from, self.passed - 1)));
        }
        let mut events = Vec::new();
        while events.len() < limit.max(1)
            && let Some(Some(number)) = self.line.front()
        {
            events.push(*number);
            self.line.pop_front();
        }
        self.passed += events.len() as u64;
        (!events.is_empty()).then_some(Ok(events))
    }
}

/// Either way to receive the same events.
enum Subscriber {
    Type(Subscription<Tick>),
    Pattern(PatternSubscription),
}

impl Subscriber {
    fn new(bus: &Bus, pattern: bool, buffer: Buffer) -> Self {
        if pattern {
            let subscription = bus.subscribe_pattern_with("test.*", buffer);
            Self::Pattern(subscription.expect("a pattern"))
        } else {
            Self::Type(bus.subscribe_with(buffer))
        }
    }

    fn receive(&mut self, way: Way) -> Option<Result<Vec<u64>, (u64, u64)>> {
        let received = match (self, way) {
            (Self::Type(subscription), Way::Owned) => {
                let item = subscription.recv().now_or_never()?.expect("open");
                item.map(|tick| vec![tick.number])
            }
            (Self::Type(subscription), Way::Lent) => {
                let item = subscription.recv_ref().now_or_never()?.expect("open");
                item.map(|tick| vec![tick.number])
            }
            (Self::Type(subscription), Way::Many(limit)) => {
                let item = subscription.recv_many(limit).now_or_never()?;
                item.expect("open")
                    .map(|batch| batch.iter().map(|tick| tick.number).collect())
            }
            (Self::Pattern(subscription), _) => {
                let item = subscription.recv().now_or_never()?.expect("open");
                item.map(|event| vec![event.downcast::<Tick>().expect("a tick").number])
            }
        };
        Some(received.map_err(|Gap { from, to, .. }| (from, to)))
    }

    fn unread(&self) -> u64 {
        match self {
            Self::Type(subscription) => subscription.unread(),
            Self::Pattern(subscription) => subscription.unread(),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Any steps: every subscriber sees exactly what the model sees, and the books agree. A publish
    /// that would wait is cancelled on the spot, and has not happened.
    #[test]
    fn every_subscriber_sees_what_the_model_sees(steps in prop::collection::vec(step(), 1..200)) {
        let bus = Bus::local();
        let mut subscribers: Vec<(Subscriber, Model)> = Vec::new();
        let (mut number, mut dropped) = (0, 0);
        for step in steps {
            match step {
                Step::Publish => {
                    let outcome = bus.publish(Tick::new(number)).now_or_never();
                    let full = |lag| subscribers.iter().any(|(_, model)| model.lag == lag && model.is_full());
                    let (waits, fails) = (full(Lag::Block), full(Lag::Error));
                    match outcome {
                        None => prop_assert!(waits),
                        Some(Err(error)) => {
                            prop_assert!(fails);
                            prop_assert_eq!(error.kind(), ErrorKind::Busy);
                        }
                        Some(Ok(receipt)) => {
                            prop_assert!(!waits && !fails);
                            let took = subscribers.iter()
                                .filter(|(_, model)| model.lag != Lag::DropNewest || !model.is_full());
                            prop_assert_eq!(receipt.local().subscribers, took.count() as u64);
                            for (_, model) in &mut subscribers {
                                model.publish(number);
                            }
                            number += 1;
                        }
                    }
                }
                Step::Subscribe { pattern, lag, capacity } => {
                    let subscription = Subscriber::new(&bus, pattern, Buffer::new(lag, capacity));
                    let model = Model { lag, capacity, line: VecDeque::new(), passed: 0, lent: 0, told: false, dropped: 0 };
                    subscribers.push((subscription, model));
                }
                Step::Receive(index, way) if !subscribers.is_empty() => {
                    let (subscription, model) = index.get_mut(&mut subscribers);
                    let received = subscription.receive(way);
                    let limit = match (&received, way) {
                        // How many come together is not said, only how many at most.
                        (Some(Ok(events)), Way::Many(limit)) => {
                            prop_assert!(events.len() <= limit.max(1));
                            events.len()
                        }
                        _ => 1,
                    };
                    let lends = model.lag == Lag::Block
                        && matches!(subscription, Subscriber::Type(_))
                        && !matches!(way, Way::Owned)
                        && matches!(received, Some(Ok(_)));
                    if model.lag == Lag::DropOldest && matches!(subscription, Subscriber::Type(_)) {
                        model.told = match received {
                            Some(Err(_)) => true,
                            Some(Ok(_)) => false,
                            None => model.told,
                        };
                    }
                    model.lent = if lends { limit } else { 0 };
                    prop_assert_eq!(received, model.receive(limit));
                }
                Step::Leave(index) if !subscribers.is_empty() => {
                    let index = index.index(subscribers.len());
                    dropped += subscribers.swap_remove(index).1.dropped;
                }
                Step::Receive(..) | Step::Leave(_) => {}
            }
        }
        for (subscription, model) in &mut subscribers {
            prop_assert_eq!(subscription.unread(), model.unread() as u64);
            dropped += model.dropped;
        }
        bus.books().assert_balanced();
        prop_assert_eq!((bus.counts().published, bus.counts().dropped), (number, dropped));
    }
}
