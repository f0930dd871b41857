//! By what is a message known again, whoever sent it and whether it has an id? Pure.

use std::fmt;

use lapin::{BasicProperties, message::Delivery, protocol::basic::gen_properties};
use uuid::Uuid;

use crate::guard::Mark;

/// What a queue says of the deliveries before this one: of failed ones, and from 4.3 on of all.
pub(crate) const COUNTS: [&str; 2] = ["x-delivery-count", "x-acquired-count"];

/// The same for every delivery of one message, in every process, and another for any other message: a
/// UUID (version 5) of all that the message holds. Messages that are equal have the same.
///
/// Not the message id: a message may have none, and ids that are counted up begin again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Identity(Uuid);

impl Identity {
    /// None if its properties could not be read: what is known of them differs between deliveries.
    pub(crate) fn of(delivery: &Delivery, body: &[u8]) -> Option<Self> {
        if Mark::of(&delivery.properties).is_some() {
            return None;
        }
        let properties = gen_properties(&without_counts(&delivery.properties))(Vec::new().into());
        let properties = properties.ok()?.into_inner().0;
        let parts: [&[u8]; 4] = [
            delivery.exchange.as_str().as_bytes(),
            delivery.routing_key.as_str().as_bytes(),
            &properties,
            body,
        ];
        let mut all = Vec::with_capacity(parts.iter().map(|part| part.len() + 8).sum());
        for part in parts {
            // With their lengths, so that none can pass for the beginning of the next.
            all.extend((part.len() as u64).to_be_bytes());
            all.extend_from_slice(part);
        }
        Some(Self(Uuid::new_v5(&Uuid::NAMESPACE_OID, &all)))
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0.hyphenated(), f)
    }
}

fn without_counts(properties: &BasicProperties) -> BasicProperties {
    let mut properties = properties.clone();
    if let Some(headers) = properties.headers() {
        let mut headers = headers.inner().clone();
        for name in COUNTS {
            headers.remove(name);
        }
        // No headers, and none but a count, are the same.
        properties = properties.with_headers(headers.into());
    } else {
        properties = properties.with_headers(lapin::types::FieldTable::default());
    }
    properties
}

#[cfg(test)]
mod tests {
    use lapin::types::{AMQPValue, FieldTable};

    use super::*;

    fn delivery(key: &str, redelivered: bool, headers: &[(&str, i64)]) -> Delivery {
        let mut delivery = Delivery::mock(1, "ex".into(), key.into(), redelivered, Vec::new());
        let mut table = FieldTable::default();
        for (name, value) in headers {
            table.insert((*name).into(), AMQPValue::LongLongInt(*value));
        }
        if !headers.is_empty() {
            delivery.properties = BasicProperties::default().with_headers(table);
        }
        delivery
    }

    #[test]
    fn deliveries_of_one_message_have_one_identity() {
        let first = Identity::of(&delivery("a", false, &[]), b"body").expect("readable");
        for counts in [
            &[("x-delivery-count", 1)][..],
            &[("x-delivery-count", 2), ("x-acquired-count", 3)],
        ] {
            let again = Identity::of(&delivery("a", true, counts), b"body");
            assert_eq!(again, Some(first));
        }
    }

    /// It stands in dead letters: it must be the same in the next version.
    #[test]
    fn the_identity_does_not_change() {
        let identity = Identity::of(&delivery("a", false, &[]), b"body").expect("readable");
        assert_eq!(identity.to_string(), "7a36f4fe-85a9-5835-aee1-415fccbf09e6");
    }

    #[test]
    fn other_messages_have_others() {
        let all = [
            Identity::of(&delivery("a", false, &[]), b"body"),
            Identity::of(&delivery("b", false, &[]), b"body"),
            Identity::of(&delivery("ab", false, &[]), b"ody"),
            Identity::of(&delivery("a", false, &[]), b"bod"),
            Identity::of(&delivery("a", false, &[("own", 1)]), b"body"),
            Identity::of(&delivery("a", false, &[("own", 2)]), b"body"),
        ];
        for (at, one) in all.iter().enumerate() {
            assert!(one.is_some() && !all[..at].contains(one), "{at}");
        }
    }
}
