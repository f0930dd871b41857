use std::collections::VecDeque;

use algedonic::{Buffer, Bus, Gap, Lag, PatternSubscription, Subscription};
use futures_util::FutureExt;
use proptest::prelude::*;

use crate::events::Tick;

#[derive(Clone, Debug)]
enum Step {
    Publish,
    Subscribe {
        pattern: bool,
        block: bool,
        capacity: usize,
    },
    Receive(prop::sample::Index),
    Leave(prop::sample::Index),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => Just(Step::Publish),
        1 => (any::<bool>(), any::<bool>(), 1_usize..5).prop_map(|(pattern, block, capacity)| {
            Step::Subscribe { pattern, block, capacity }
        }),
        4 => any::<prop::sample::Index>().prop_map(Step::Receive),
        1 => any::<prop::sample::Index>().prop_map(Step::Leave),
    ]
}

/// What one subscriber must see, without a care for cost.
struct Model {
    lag: Lag,
    capacity: usize,
    buffered: VecDeque<u64>,
    missed: u64,
    /// Told before what is buffered when it comes from a cancelled publish.
    cancelled: u64,
}

impl Model {
    fn publish(&mut self, number: u64) {
        if self.buffered.len() < self.capacity {
            self.buffered.push_back(number);
        } else if self.lag == Lag::DropOldest {
            self.buffered.pop_front();
            self.buffered.push_back(number);
            self.missed += 1;
        } else {
            self.cancelled += 1;
        }
    }

    fn receive(&mut self) -> Option<Result<u64, u64>> {
        for missed in [&mut self.cancelled, &mut self.missed] {
            if *missed > 0 {
                return Some(Err(std::mem::take(missed)));
            }
        }
        self.buffered.pop_front().map(Ok)
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
            Self::Pattern(
                bus.subscribe_pattern_with("test.*", buffer)
                    .expect("a pattern"),
            )
        } else {
            Self::Type(bus.subscribe_with(buffer))
        }
    }

    fn receive(&mut self) -> Option<Result<u64, u64>> {
        let item = match self {
            Self::Type(subscription) => subscription
                .recv()
                .now_or_never()?
                .expect("the bus is open")
                .map(|tick| tick.number),
            Self::Pattern(subscription) => subscription
                .recv()
                .now_or_never()?
                .expect("the bus is open")
                .map(|event| event.downcast::<Tick>().expect("a tick").number),
        };
        Some(item.map_err(|Gap { missed, .. }| missed))
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
    /// that would wait is cancelled on the spot.
    #[test]
    fn every_subscriber_sees_what_the_model_sees(steps in prop::collection::vec(step(), 1..120)) {
        let bus = Bus::local();
        let mut subscribers: Vec<(Subscriber, Model)> = Vec::new();
        let (mut number, mut dropped, mut undelivered, mut delivered) = (0, 0, 0, 0);
        for step in steps {
            match step {
                Step::Publish => {
                    let outcome = bus.publish(Tick::new(number)).now_or_never();
                    let would_wait = subscribers.iter().any(|(_, model)| {
                        model.lag == Lag::Block && model.buffered.len() == model.capacity
                    });
                    prop_assert_eq!(outcome.is_none(), would_wait);
                    for (_, model) in &mut subscribers {
                        let before = (model.missed, model.cancelled);
                        model.publish(number);
                        dropped += model.missed - before.0;
                        undelivered += model.cancelled - before.1;
                        delivered += 1 - (model.cancelled - before.1);
                    }
                    number += 1;
                }
                Step::Subscribe { pattern, block, capacity } => {
                    let lag = if block { Lag::Block } else { Lag::DropOldest };
                    let subscription = Subscriber::new(&bus, pattern, Buffer::new(lag, capacity));
                    let model = Model { lag, capacity, buffered: VecDeque::new(), missed: 0, cancelled: 0 };
                    subscribers.push((subscription, model));
                }
                Step::Receive(index) if !subscribers.is_empty() => {
                    let (subscription, model) = index.get_mut(&mut subscribers);
                    prop_assert_eq!(subscription.receive(), model.receive());
                }
                Step::Leave(index) if !subscribers.is_empty() => {
                    let index = index.index(subscribers.len());
                    subscribers.swap_remove(index);
                }
                Step::Receive(_) | Step::Leave(_) => {}
            }
        }
        for (subscription, model) in &mut subscribers {
            prop_assert_eq!(subscription.unread(), model.buffered.len() as u64);
        }
        let counts = bus.counts();
        prop_assert_eq!(counts.published, number);
        prop_assert_eq!(
            (counts.delivered, counts.dropped, counts.undelivered),
            (delivered, dropped, undelivered)
        );
    }
}
