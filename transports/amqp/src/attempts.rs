//! How often was this message delivered, by the broker's count or by ours? Pure.

use std::collections::{HashMap, VecDeque};

use algedonic_transport::EventId;
use lapin::{BasicProperties, types::AMQPValue};

/// How many messages are counted at once.
const MOST: usize = 10_000;

/// What a quorum queue says: how often it delivered the message before, in vain.
const DELIVERY_COUNT: &str = "x-delivery-count";
/// What it says from 4.3 on: how often it delivered the message before, whatever came of it.
const ACQUIRED_COUNT: &str = "x-acquired-count";

/// The deliveries of messages, as far as this process has seen them. A classic queue counts none, and lets pass
/// what a publisher has written in the place of a count: it is the larger of both counts that holds.
///
/// Only what is redelivered is counted: the first delivery costs nothing here.
#[derive(Debug, Default)]
pub(crate) struct Attempts {
    counts: HashMap<EventId, u32>,
    /// From the one that was counted first; some are not counted any more.
    order: VecDeque<EventId>,
}

impl Attempts {
    /// The number of this attempt at a message, from 1.
    pub(crate) fn of(&mut self, redelivered: bool, properties: &BasicProperties) -> u32 {
        if !redelivered {
            return 1;
        }
        // A queue counts in the one way or the other.
        let before = count(properties, ACQUIRED_COUNT).max(count(properties, DELIVERY_COUNT));
        let told = before.unwrap_or(0).saturating_add(1);
        // Without an id it cannot be known again.
        let Some(id) = id(properties) else {
            return told.max(2);
        };
        if !self.counts.contains_key(&id) {
            self.make_room();
            self.order.push_back(id);
        }
        let attempt = self.counts.entry(id).or_insert(1);
        *attempt = attempt.saturating_add(1);
        told.max(*attempt)
    }

    /// The message will not come again.
    pub(crate) fn forget(&mut self, properties: &BasicProperties) {
        if !self.counts.is_empty()
            && let Some(id) = id(properties)
        {
            self.counts.remove(&id);
        }
    }

    fn make_room(&mut self) {
        while self.counts.len() >= MOST
            && let Some(oldest) = self.order.pop_front()
        {
            self.counts.remove(&oldest);
        }
        // What was forgotten is in the order until it is its turn: at most as many again.
        if self.order.len() >= 2 * MOST {
            let counts = &self.counts;
            self.order.retain(|id| counts.contains_key(id));
        }
    }
}

fn id(properties: &BasicProperties) -> Option<EventId> {
    let id = properties.message_id().as_ref()?;
    Some(EventId::from_foreign(id.as_str()))
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
    use lapin::types::FieldTable;

    use super::*;

    fn with_id(id: &str) -> BasicProperties {
        BasicProperties::default().with_message_id(id.into())
    }

    fn counted(header: &str, before: AMQPValue) -> BasicProperties {
        let mut headers = FieldTable::default();
        headers.insert(header.into(), before);
        with_id("a").with_headers(headers)
    }

    #[test]
    fn the_broker_s_count_holds_if_it_is_larger_than_ours() {
        let mut attempts = Attempts::default();
        let delivered = counted(DELIVERY_COUNT, AMQPValue::LongLongInt(4));
        assert_eq!(attempts.of(true, &delivered), 5);
        assert_eq!(attempts.of(true, &delivered), 5);
        let acquired = counted(ACQUIRED_COUNT, AMQPValue::LongUInt(7));
        assert_eq!(attempts.of(true, &acquired), 8);
    }

    /// A classic queue has no count, and keeps what was published as one.
    #[test]
    fn a_count_that_a_publisher_made_up_neither_ends_a_message_at_once_nor_keeps_it_for_ever() {
        for made_up in [-3, 0, 1, 1 << 40] {
            let forged = counted(DELIVERY_COUNT, AMQPValue::LongLongInt(made_up));
            let mut attempts = Attempts::default();
            assert_eq!(attempts.of(false, &forged), 1);
            for attempt in 2..20 {
                assert!(attempts.of(true, &forged) >= attempt, "{made_up}");
            }
        }
    }

    #[test]
    fn a_classic_queue_is_counted_here() {
        let mut attempts = Attempts::default();
        let (a, b) = (with_id("a"), with_id("b"));
        assert_eq!(attempts.of(false, &a), 1);
        assert_eq!([attempts.of(true, &a), attempts.of(true, &b)], [2, 2]);
        assert_eq!([attempts.of(true, &a), attempts.of(true, &a)], [3, 4]);
        attempts.forget(&a);
        assert_eq!([attempts.of(true, &a), attempts.of(true, &b)], [2, 3]);
        let nameless = BasicProperties::default();
        assert_eq!(
            [attempts.of(true, &nameless), attempts.of(true, &nameless)],
            [2, 2]
        );
    }

    #[test]
    fn the_count_is_bounded_and_gives_up_the_oldest() {
        let mut attempts = Attempts::default();
        for number in 0..3 * MOST {
            let properties = with_id(&number.to_string());
            assert_eq!(attempts.of(true, &properties), 2);
            if number % 3 == 0 {
                attempts.forget(&properties);
            }
        }
        assert!(attempts.counts.len() <= MOST && attempts.order.len() <= 2 * MOST);
        assert_eq!(attempts.of(true, &with_id(&(3 * MOST - 1).to_string())), 3);
        assert_eq!(attempts.of(true, &with_id("1")), 2);
    }
}
