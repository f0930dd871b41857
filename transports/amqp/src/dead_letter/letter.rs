//! How does a dead letter look: the message as it came, and why it is one? Pure.

use std::time::{SystemTime, UNIX_EPOCH};

use algedonic_transport::{Error, ErrorKind, EventId};
use bytes::Bytes;
use lapin::{
    BasicProperties,
    message::{BasicReturnMessage, Delivery},
    protocol::basic::gen_properties,
    types::{AMQPValue, FieldTable, LongString, ShortString},
};

use crate::{
    guard::Mark,
    identity::{COUNTS, Identity},
};

/// The headers of a dead letter.
const REASON: &str = "algedonic-reason";
const DETAIL: &str = "algedonic-detail";
const DEAD_AT: &str = "algedonic-dead-at";
const EXCHANGE: &str = "algedonic-exchange";
const KEY: &str = "algedonic-key";
const ATTEMPTS: &str = "algedonic-attempts";
/// By which a second letter for one message is known.
const LETTER: &str = "algedonic-letter";
/// By which a letter that comes back is known: no other publishing has the same.
const PUBLICATION: &str = "algedonic-publication";
/// Properties under which it could not be published again.
const USER_ID: &str = "algedonic-user-id";
const EXPIRATION: &str = "algedonic-expiration";

/// Headers that would send it elsewhere, or tell the next reader of another queue's deliveries.
const LEFT_OUT: [&str; 4] = ["CC", "BCC", COUNTS[0], COUNTS[1]];

/// The longest detail, in bytes.
const MAX_DETAIL: usize = 1000;

/// Why a message is a dead letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reason {
    kind: &'static str,
    detail: String,
}

impl Reason {
    /// The application puts it aside, and may say why.
    pub(crate) fn unwanted(detail: &str) -> Self {
        Self::new("unwanted", detail)
    }

    /// It could not be read.
    pub(crate) fn unreadable(error: &Error) -> Self {
        let kind = match error.kind() {
            ErrorKind::TooLarge => "too-large",
            _ => "malformed",
        };
        Self::new(kind, &error.to_string())
    }

    /// It came more often than it may.
    pub(crate) fn exhausted(error: &Error) -> Self {
        Self::new("attempts", &error.to_string())
    }

    fn new(kind: &'static str, detail: &str) -> Self {
        let mut escaped = detail.escape_debug().to_string();
        let mut end = escaped.len().min(MAX_DETAIL);
        while !escaped.is_char_boundary(end) {
            end -= 1;
        }
        escaped.truncate(end);
        Self {
            kind,
            detail: escaped,
        }
    }
}

/// A dead letter, ready to be published.
#[derive(Debug)]
pub(crate) struct Letter {
    pub(crate) id: EventId,
    pub(crate) properties: BasicProperties,
    pub(crate) body: Bytes,
}

/// The dead letter with this `id` for `original`, whose body is `body`; none if it could not hold all that
/// the message held. `frame_max` is the largest frame that can be sent, in bytes.
pub(crate) fn compose(
    id: EventId,
    original: &Delivery,
    body: Bytes,
    attempt: u32,
    reason: &Reason,
    now: SystemTime,
    frame_max: usize,
) -> Option<Letter> {
    // Properties that were too long to be kept are with the broker only.
    if Mark::of(&original.properties).is_some_and(|mark| mark.properties.is_none()) {
        return None;
    }
    let identity = Identity::of(original, &body);
    let properties = properties(id, original, identity, attempt, reason, now);
    let written = gen_properties(&properties)(Vec::new().into()).ok()?;
    // Around them: type, channel, size and end of the frame; class, weight and body size.
    let frame = written.into_inner().0.len() + 8 + 12;
    (frame <= frame_max).then_some(Letter {
        id,
        properties,
        body,
    })
}

/// Which letter a returned message is.
pub(super) fn id_of(returned: &BasicReturnMessage) -> EventId {
    let headers = returned.properties.headers().as_ref();
    match headers.and_then(|headers| headers.inner().get(PUBLICATION)) {
        Some(AMQPValue::LongString(id)) => EventId::from_foreign(&id.to_string()),
        // None that we have sent.
        _ => EventId::from_u128(0),
    }
}

type Set = fn(BasicProperties, ShortString) -> BasicProperties;

fn properties(
    id: EventId,
    original: &Delivery,
    identity: Option<Identity>,
    attempt: u32,
    reason: &Reason,
    now: SystemTime,
) -> BasicProperties {
    let text = |text: &str| AMQPValue::LongString(LongString::from(text));
    let properties = &original.properties;
    let mut headers = properties
        .headers()
        .as_ref()
        .map(|headers| headers.inner().clone())
        .unwrap_or_default();
    for name in LEFT_OUT {
        headers.remove(name);
    }
    let at = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let at = i64::try_from(at.as_millis()).unwrap_or(i64::MAX);
    for (name, value) in [
        (REASON, text(reason.kind)),
        (DETAIL, text(&reason.detail)),
        (DEAD_AT, AMQPValue::LongLongInt(at)),
        (EXCHANGE, text(original.exchange.as_str())),
        (KEY, text(original.routing_key.as_str())),
        (ATTEMPTS, AMQPValue::LongLongInt(attempt.into())),
        (PUBLICATION, text(&id.to_string())),
    ] {
        headers.insert(name.into(), value);
    }
    if let Some(identity) = identity {
        headers.insert(LETTER.into(), text(&identity.to_string()));
    }
    // A broker lets nobody publish as somebody else, and drops what has expired.
    for (name, property) in [
        (USER_ID, properties.user_id()),
        (EXPIRATION, properties.expiration()),
    ] {
        if let Some(property) = property {
            headers.insert(name.into(), text(property.as_str()));
        }
    }
    let mut copy = BasicProperties::default()
        .with_headers(FieldTable::from(headers))
        .with_delivery_mode(2);
    for (property, set) in [
        (
            properties.content_type(),
            BasicProperties::with_content_type as Set,
        ),
        (
            properties.content_encoding(),
            BasicProperties::with_content_encoding,
        ),
        (
            properties.correlation_id(),
            BasicProperties::with_correlation_id,
        ),
        (properties.reply_to(), BasicProperties::with_reply_to),
        (properties.message_id(), BasicProperties::with_message_id),
        (properties.kind(), BasicProperties::with_type),
        (properties.app_id(), BasicProperties::with_app_id),
        (properties.cluster_id(), BasicProperties::with_cluster_id),
    ] {
        if let Some(property) = property {
            copy = set(copy, property.clone());
        }
    }
    if let Some(priority) = properties.priority() {
        copy = copy.with_priority(*priority);
    }
    if let Some(timestamp) = properties.timestamp() {
        copy = copy.with_timestamp(*timestamp);
    }
    copy
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn original(properties: BasicProperties) -> Delivery {
        let mut delivery = Delivery::mock(1, "ex".into(), "a.b".into(), false, Vec::new());
        delivery.properties = properties;
        delivery
    }

    fn headers(entries: &[(&str, &str)]) -> FieldTable {
        let mut headers = FieldTable::default();
        for (name, value) in entries {
            headers.insert((*name).into(), AMQPValue::LongString((*value).into()));
        }
        headers
    }

    fn letter(properties: BasicProperties, frame_max: usize) -> Option<Letter> {
        let now = UNIX_EPOCH + Duration::from_millis(1234);
        let reason = Reason::unwanted("no such\ncustomer");
        compose(
            EventId::from_u128(7),
            &original(properties),
            Bytes::from_static(b"body"),
            3,
            &reason,
            now,
            frame_max,
        )
    }

    #[test]
    fn a_letter_says_why_when_and_from_where() {
        let properties = BasicProperties::default()
            .with_type("order".into())
            .with_message_id("7".into())
            .with_app_id("shop".into())
            .with_priority(4)
            .with_timestamp(9)
            .with_delivery_mode(1)
            .with_headers(headers(&[("own", "kept")]));
        let letter = letter(properties.clone(), 4096).expect("fits");
        assert_eq!(letter.body, "body");
        let identity = Identity::of(&original(properties.clone()), b"body").expect("readable");
        let mut expected = headers(&[
            ("own", "kept"),
            (REASON, "unwanted"),
            (DETAIL, "no such\\ncustomer"),
            (EXCHANGE, "ex"),
            (KEY, "a.b"),
            (PUBLICATION, "00000000-0000-0000-0000-000000000007"),
        ]);
        expected.insert(DEAD_AT.into(), AMQPValue::LongLongInt(1234));
        expected.insert(ATTEMPTS.into(), AMQPValue::LongLongInt(3));
        let identity = AMQPValue::LongString(identity.to_string().into());
        expected.insert(LETTER.into(), identity);
        let expected = properties.with_headers(expected).with_delivery_mode(2);
        assert_eq!(letter.properties, expected);
    }

    /// A connection lost before the original was acked brings it again.
    #[test]
    fn a_second_letter_for_one_message_is_known_by_its_header() {
        let mark = |own: &str, count: Option<i64>| {
            let mut table = headers(&[("own", own)]);
            if let Some(count) = count {
                table.insert(COUNTS[0].into(), AMQPValue::LongLongInt(count));
            }
            // Without a message id.
            let properties = BasicProperties::default().with_headers(table);
            let letter = letter(properties, 4096).expect("fits").properties;
            let headers = letter.headers().as_ref().expect("some");
            headers.inner().get(LETTER).cloned().expect("there")
        };
        assert_eq!(mark("a", None), mark("a", Some(1)));
        assert_ne!(mark("a", None), mark("b", None));
    }

    #[test]
    fn what_would_send_it_elsewhere_or_have_it_refused_is_no_property_any_more() {
        let properties = BasicProperties::default()
            .with_user_id("somebody".into())
            .with_expiration("0".into())
            .with_headers(headers(&[
                ("CC", "x"),
                ("BCC", "x"),
                ("x-delivery-count", "9"),
                ("x-death", "kept"),
            ]));
        let letter = letter(properties, 4096).expect("fits").properties;
        assert_eq!((letter.user_id(), letter.expiration()), (&None, &None));
        let headers = letter.headers().as_ref().expect("some").inner();
        assert!(LEFT_OUT.iter().all(|name| !headers.contains_key(*name)));
        for (name, value) in [
            (USER_ID, "somebody"),
            (EXPIRATION, "0"),
            ("x-death", "kept"),
        ] {
            assert_eq!(
                headers.get(name),
                Some(&AMQPValue::LongString(value.into()))
            );
        }
    }

    #[test]
    fn what_does_not_fit_a_frame_or_was_not_kept_is_left_to_the_broker() {
        let large = "x".repeat(4000);
        let properties = BasicProperties::default().with_headers(headers(&[("own", &large)]));
        assert!(letter(properties.clone(), 4096).is_none());
        assert!(letter(properties, 8192).is_some());
        for (properties, fits) in [(Some(vec![1]), true), (None, false)] {
            let mut headers = FieldTable::default();
            let mark = Mark {
                reason: "why".to_owned(),
                properties,
                key: None,
                too_large: false,
            };
            mark.write(&mut headers);
            let marked = BasicProperties::default().with_headers(headers);
            assert_eq!(letter(marked, 4096).is_some(), fits);
        }
    }

    #[test]
    fn a_long_reason_is_cut_at_a_character() {
        let reason = Reason::unwanted(&"é".repeat(1000));
        assert_eq!(reason.detail, "é".repeat(500));
        let reason = Reason::unwanted(&format!("a{}", "é".repeat(1000)));
        assert_eq!(reason.detail.len(), 999);
    }
}
