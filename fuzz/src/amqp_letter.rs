//! Dead letters: whatever the message was and whatever is said of it, its letter fits a frame or is none,
//! holds all that the message held, goes nowhere else, and reads as the message.

use std::time::{Duration, SystemTime};

use algedonic_transport::{Error, ErrorKind, EventId, Lane, Message};
use bytes::Bytes;
use lapin::{
    BasicProperties,
    message::Delivery,
    types::{AMQPValue, FieldTable},
};

use crate::{
    amqp_wire::{has_id, properties},
    guard::Mark,
    heap,
    input::Input,
    letter::{Letter, Reason, compose},
    wire::decode,
};

/// What is said of the letter, in its headers.
const SAID: [&str; 9] = [
    "algedonic-reason",
    "algedonic-detail",
    "algedonic-dead-at",
    "algedonic-exchange",
    "algedonic-key",
    "algedonic-attempts",
    "algedonic-letter",
    "algedonic-user-id",
    "algedonic-expiration",
];
/// What would send it elsewhere, or be taken for the count of its next queue.
const LEFT_OUT: [&str; 4] = ["CC", "BCC", "x-delivery-count", "x-acquired-count"];

/// The input is a delivery, and why it is dead.
pub fn check(data: &[u8]) {
    let mut input = Input::new(data);
    let choices = input.byte();
    let Some(message) = properties::received(&mut input, choices & 1 == 1) else {
        return;
    };
    let text = input.text();
    let text = text.repeat(if choices & 2 == 0 { 1 } else { 200 });
    let (reason, word) = match choices >> 2 & 3 {
        0 => (Reason::unwanted(&text), "unwanted"),
        1 => (
            Reason::unreadable(&Error::permanent(ErrorKind::TooLarge, "test").with_detail(text)),
            "too-large",
        ),
        2 => (
            Reason::unreadable(&Error::permanent(ErrorKind::Malformed, "test").with_detail(text)),
            "malformed",
        ),
        _ => (
            Reason::exhausted(&Error::permanent(ErrorKind::Unexpected, "test").with_detail(text)),
            "attempts",
        ),
    };
    let frame_max = match choices >> 4 & 3 {
        0 => 4096,
        1 => usize::from(input.word()),
        _ => 32 * 1024,
    };
    let attempt = u32::from(input.word());
    let (exchange, key) = (properties::short(&mut input), properties::short(&mut input));
    let body = input.bytes().to_vec();
    let mut delivery = Delivery::mock(1, exchange, key, choices & 64 != 0, body);
    delivery.properties = message;

    let id = EventId::from_u128(7);
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    let written = properties::bytes(&delivery.properties).len();
    let body = Bytes::from(delivery.data.clone());
    // Twice what lapin has made of the properties: it makes much of little.
    let made = heap::taken(|| delivery.properties.clone());
    let letter = heap::within(64 * 1024 + 2 * made + 8 * written, || {
        compose(id, &delivery, body, attempt, &reason, now, frame_max)
    });
    let kept = Mark::of(&delivery.properties).is_none_or(|mark| mark.properties.is_some());
    let Some(letter) = letter else {
        // At most 1,000 bytes of detail, 255 each of four texts, and an id; as names, 160.
        assert!(
            !kept || written + 2400 > frame_max,
            "{written} of {frame_max}"
        );
        return;
    };
    assert!(kept, "what was not kept is with the broker only");
    assert_eq!(letter.body, delivery.data);
    is_whole(&delivery, &letter, word, frame_max);
    reads_as_the_message(&delivery, &letter);
    // Put aside once more, it says so, and where it lay: nothing is added without an end.
    let mut again = Delivery::mock(
        2,
        "".into(),
        "queue.dlq".into(),
        false,
        letter.body.to_vec(),
    );
    again.properties = letter.properties;
    let second = compose(
        id,
        &again,
        letter.body,
        1,
        &Reason::unwanted(""),
        now,
        frame_max,
    );
    if let Some(second) = second {
        assert!(
            headers(&second.properties).inner().len() <= headers(&again.properties).inner().len()
        );
    }
}

fn is_whole(delivery: &Delivery, letter: &Letter, word: &str, frame_max: usize) {
    let was = &delivery.properties;
    let properties = properties::over_the_wire(&letter.properties);
    assert!(properties::bytes(&properties).len() + 8 + 12 <= frame_max);
    let has = headers(&properties);
    let has = has.inner();
    let text = |name: &str| match has.get(name) {
        Some(AMQPValue::LongString(text)) => text.to_string(),
        other => panic!("{name}: {other:?}"),
    };
    assert_eq!(text("algedonic-reason"), word);
    let detail = text("algedonic-detail");
    assert!(
        detail.len() <= 1000 && !detail.contains(char::is_control),
        "{detail:?}"
    );
    assert_eq!(text("algedonic-exchange"), delivery.exchange.as_str());
    assert_eq!(text("algedonic-key"), delivery.routing_key.as_str());
    for (name, property) in [
        ("algedonic-user-id", was.user_id()),
        ("algedonic-expiration", was.expiration()),
    ] {
        if let Some(property) = property {
            assert_eq!(text(name), property.as_str());
        }
    }
    assert!(LEFT_OUT.iter().all(|name| !has.contains_key(*name)));
    for (name, value) in headers(was).inner() {
        let name = name.as_str();
        if !SAID.contains(&name) && !LEFT_OUT.contains(&name) {
            assert!(same(has.get(name), Some(value)), "{name} was {value:?}");
        }
    }
    assert_eq!(
        (properties.user_id(), properties.expiration()),
        (&None, &None)
    );
    assert_eq!(*properties.delivery_mode(), Some(2));
    let bare = |properties: &BasicProperties| {
        (
            properties.content_type().clone(),
            properties.content_encoding().clone(),
            *properties.priority(),
            properties.correlation_id().clone(),
            properties.reply_to().clone(),
            (properties.message_id().clone(), *properties.timestamp()),
            properties.kind().clone(),
            (properties.app_id().clone(), properties.cluster_id().clone()),
        )
    };
    assert_eq!(bare(&properties), bare(was));
}

/// By what is shown of them: a number that is none differs from itself.
fn same(one: Option<&AMQPValue>, other: Option<&AMQPValue>) -> bool {
    format!("{one:?}") == format!("{other:?}")
}

fn headers(properties: &BasicProperties) -> FieldTable {
    properties.headers().clone().unwrap_or_default()
}

/// To whoever takes it out of its queue, and gives it back.
fn reads_as_the_message(delivery: &Delivery, letter: &Letter) {
    let read = |properties: &BasicProperties, body: &[u8]| -> Result<Message, Error> {
        let (key, now) = (delivery.routing_key.as_str(), SystemTime::UNIX_EPOCH);
        decode(Lane::Event, key, properties, &mut body.to_vec(), 1000, now)
    };
    // There is room for the headers that are added.
    if headers(&delivery.properties).inner().len() + SAID.len() > 128 {
        return;
    }
    // Whatever is wrong with a header that is left out or replaced, it is not there any more.
    let has = headers(&letter.properties);
    let mut kept = headers(&delivery.properties).inner().clone();
    kept.retain(|name, value| {
        let stays = || same(has.inner().get(name.as_str()), Some(value));
        !LEFT_OUT.contains(&name.as_str()) && (!SAID.contains(&name.as_str()) || stays())
    });
    let properties = delivery.properties.clone().with_headers(kept.into());
    let was = read(&properties, &delivery.data);
    let is = read(&letter.properties, &letter.body);
    match (was, is) {
        (Ok(was), Ok(is)) => {
            assert!(is.persistent);
            let same = |message: &Message| {
                let metadata = &message.metadata;
                (
                    (
                        metadata.name.clone(),
                        metadata.key.clone(),
                        metadata.version,
                    ),
                    (metadata.source.clone(), metadata.origin, metadata.time),
                    (
                        metadata.causation,
                        metadata.trace.clone(),
                        metadata.priority,
                    ),
                    (message.content_type.clone(), message.body.clone()),
                )
            };
            assert_eq!(same(&was), same(&is));
            if has_id(&delivery.properties) {
                assert_eq!(was.metadata.id, is.metadata.id);
                assert_eq!(was.metadata.correlation, is.metadata.correlation);
            }
            assert!(is.metadata.expires.is_none() || is.metadata.expires == was.metadata.expires);
        }
        (Err(was), Err(is)) => assert_eq!(was.kind(), is.kind(), "{was}; and {is}"),
        (was, is) => panic!("{was:?} became {is:?}"),
    }
}
