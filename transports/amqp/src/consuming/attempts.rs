//! How often was this message delivered, by the broker's count or by ours? Pure.

use std::collections::{HashMap, VecDeque};

use lapin::{BasicProperties, types::AMQPValue};

use crate::identity::{COUNTS, Identity};

/// How many deliveries are remembered at once.
const MOST: usize = 10_000;

/// The number of one delivery, from 1; and by what it is known again, if nobody counts but we.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Attempt {
    pub(crate) number: u32,
    pub(crate) counted: Option<Identity>,
}

impl Attempt {
    /// One that is not to be known again.
    pub(crate) fn uncounted(number: u32) -> Self {
        Self {
            number,
            counted: None,
        }
    }
}

/// The deliveries of messages that no broker counts: those of classic queues.
///
/// Only what is redelivered is counted: the first delivery costs nothing here. What is here was given
/// back, or lost with its connection, and is expected to come again. Messages that are equal cannot be
/// told apart: each that comes takes over one of their counts, so that many of them at once are not
/// taken for one that came many times.
#[derive(Debug, Default)]
pub(crate) struct Attempts {
    /// The numbers of equal messages, each with its serial number.
    given_back: HashMap<Identity, Vec<(u32, u64)>>,
    /// From the one that was given back first; some have come again since.
    order: VecDeque<(Identity, u64)>,
    count: usize,
    serial: u64,
}

/// What the queue itself says about the attempt, if it counts.
pub(crate) fn of_broker(properties: &BasicProperties) -> Option<u32> {
    // A queue counts in the one way or the other, and says nothing the first time.
    let [failed, all] = COUNTS.map(|header| count(properties, header));
    let before = failed.max(all).filter(|before| *before > 0)?;
    Some(before.saturating_add(1))
}

impl Attempts {
    /// A message has come again. The lowest count is taken: who was delivered less is not put aside
    /// for who was delivered more.
    pub(crate) fn again(&mut self, identity: Identity) -> Attempt {
        let before = self.take_lowest(identity).unwrap_or(1);
        Attempt {
            number: before.saturating_add(1),
            counted: Some(identity),
        }
    }

    fn take_lowest(&mut self, identity: Identity) -> Option<u32> {
        let numbers = self.given_back.get_mut(&identity)?;
        let lowest = (0..numbers.len()).min_by_key(|at| numbers[*at].0)?;
        let (number, _) = numbers.swap_remove(lowest);
        if numbers.is_empty() {
            self.given_back.remove(&identity);
        }
        self.count -= 1;
        Some(number)
    }

    /// A message will come again.
    pub(crate) fn give_back(&mut self, attempt: Attempt) {
        let Some(identity) = attempt.counted else {
            return;
        };
        self.make_room();
        self.serial += 1;
        let numbers = self.given_back.entry(identity).or_default();
        numbers.push((attempt.number, self.serial));
        self.order.push_back((identity, self.serial));
        self.count += 1;
    }

    fn make_room(&mut self) {
        while self.count >= MOST
            && let Some((identity, serial)) = self.order.pop_front()
        {
            let Some(numbers) = self.given_back.get_mut(&identity) else {
                continue;
            };
            let before = numbers.len();
            numbers.retain(|(_, one)| *one != serial);
            self.count -= before - numbers.len();
            if numbers.is_empty() {
                self.given_back.remove(&identity);
            }
        }
        // What has come again is in the order until it is its turn: at most as many again.
        if self.order.len() >= 2 * MOST {
            let given_back = &self.given_back;
            self.order.retain(|(identity, serial)| {
                let numbers = given_back.get(identity);
                numbers.is_some_and(|numbers| numbers.iter().any(|(_, one)| one == serial))
            });
        }
    }
}

fn count(properties: &BasicProperties, header: &str) -> Option<u32> {
    let headers = properties.headers().as_ref()?;
    let count = match headers.inner().get(header)? {
        AMQPValue::LongLongInt(count) => *count,
        AMQPValue::LongInt(count) => (*count).into(),
        AMQPValue::LongUInt(count) => (*count).into(),
        AMQPValue::ShortInt(count) => (*count).into(),
        AMQPValue::ShortUInt(count) => (*count).into(),
        AMQPValue::ShortShortInt(count) => (*count).into(),
        AMQPValue::ShortShortUInt(count) => (*count).into(),
        _ => return None,
    };
    u32::try_from(count).ok()
}

#[cfg(test)]
mod tests {
    use lapin::{message::Delivery, types::FieldTable};
    use proptest::prelude::*;

    use super::*;

    fn identity(body: &str) -> Identity {
        let delivery = Delivery::mock(1, "ex".into(), "a".into(), true, Vec::new());
        Identity::of(&delivery, body.as_bytes()).expect("readable")
    }

    fn counted(header: &str, before: AMQPValue) -> BasicProperties {
        let mut headers = FieldTable::default();
        headers.insert(header.into(), before);
        BasicProperties::default().with_headers(headers)
    }

    #[test]
    fn the_broker_says_it_in_two_ways() {
        let [delivered, acquired] = COUNTS;
        for (properties, attempt) in [
            (counted(delivered, AMQPValue::LongLongInt(4)), Some(5)),
            (counted(acquired, AMQPValue::LongUInt(7)), Some(8)),
            (counted(delivered, AMQPValue::LongInt(0)), None),
            (counted(delivered, AMQPValue::LongInt(-3)), None),
            (BasicProperties::default(), None),
        ] {
            assert_eq!(of_broker(&properties), attempt);
        }
    }

    #[test]
    fn a_message_is_counted_for_as_long_as_it_comes_again() {
        let mut attempts = Attempts::default();
        for number in 2..50 {
            let attempt = attempts.again(identity("a"));
            assert_eq!(attempt.number, number);
            attempts.give_back(attempt);
        }
        // Settled: it does not come again, and the next that is equal is another.
        attempts.again(identity("a"));
        assert_eq!(attempts.again(identity("a")).number, 2);
        assert!(attempts.given_back.is_empty());
    }

    #[test]
    fn many_that_are_equal_are_not_one_that_came_often() {
        let mut attempts = Attempts::default();
        for round in 2..6 {
            let out: Vec<_> = (0..100).map(|_| attempts.again(identity("a"))).collect();
            assert!(out.iter().all(|attempt| attempt.number == round));
            for attempt in out {
                attempts.give_back(attempt);
            }
        }
    }

    #[test]
    fn the_count_is_bounded_and_gives_up_the_oldest() {
        let mut attempts = Attempts::default();
        for number in 0..3 * MOST {
            let attempt = attempts.again(identity(&number.to_string()));
            assert_eq!(attempt.number, 2);
            attempts.give_back(attempt);
            if number % 3 == 0 {
                attempts.again(identity(&number.to_string()));
            }
        }
        assert!(attempts.count <= MOST && attempts.order.len() <= 2 * MOST);
        let last = (3 * MOST - 1).to_string();
        assert_eq!(attempts.again(identity(&last)).number, 3);
        assert_eq!(attempts.again(identity("1")).number, 2);
    }

    proptest! {
        /// The model: each message has a count of its own, and no two are equal.
        #[test]
        fn every_message_has_its_own_count(steps in prop::collection::vec((0_usize..6, any::<bool>()), 0..100)) {
            let mut attempts = Attempts::default();
            let mut counts = [1_u32; 6];
            for (message, settled) in steps {
                let attempt = attempts.again(identity(&message.to_string()));
                counts[message] += 1;
                prop_assert_eq!(attempt.number, counts[message]);
                if settled {
                    counts[message] = 1;
                } else {
                    attempts.give_back(attempt);
                }
                let numbers = attempts.given_back.values().map(Vec::len).sum::<usize>();
                prop_assert_eq!(numbers, attempts.count);
            }
        }
    }
}
