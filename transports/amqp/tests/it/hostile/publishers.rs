//! A stranger who may publish to our exchanges, and publishes anything: each message arrives as what it can
//! be taken for, or is put aside with a reason; none costs the connection, or the next message.

use std::time::{Duration, SystemTime};

use algedonic_amqp::{Amqp, AmqpConfig, QueueType};
use algedonic_test_broker::shared_url;
use algedonic_transport::{Arrival, ErrorKind, Message, Transport};
use futures_util::StreamExt;
use lapin::{BasicProperties, options::BasicPublishOptions};

use crate::{
    dead_letters::waiting,
    raw::{Raw, long, short},
    support::{
        alone, arrives, blocking, config, confirmed, eventually, is_alone, message, operator,
        prefix_of, receive, soon, up,
    },
};

use super::case::resident;

/// What comes of a message.
enum Comes {
    /// It arrives, and this is so.
    Out(fn(&Message) -> bool),
    /// It is put aside, with these words.
    Aside(&'static str),
}

use Comes::{Aside, Out};

struct Case {
    name: &'static str,
    properties: Vec<u8>,
    body: Vec<u8>,
    comes: Comes,
}

/// The properties of class *basic*, in the order of their flags.
const CONTENT_TYPE: usize = 0;
const CONTENT_ENCODING: usize = 1;
const HEADERS: usize = 2;
const DELIVERY_MODE: usize = 3;
const PRIORITY: usize = 4;
const CORRELATION: usize = 5;
const REPLY_TO: usize = 6;
const EXPIRATION: usize = 7;
const ID: usize = 8;
const TIMESTAMP: usize = 9;
const TYPE: usize = 10;
const USER: usize = 11;
const APP: usize = 12;
const CLUSTER: usize = 13;

fn properties(parts: &[(usize, Vec<u8>)]) -> Vec<u8> {
    let flags = parts
        .iter()
        .fold(0, |flags, (at, _)| flags | 0x8000_u16 >> at);
    let values = parts.iter().flat_map(|(_, value)| value.clone());
    flags.to_be_bytes().into_iter().chain(values).collect()
}

/// A header, with its type and its value.
fn header(name: &str, value: &[u8]) -> Vec<u8> {
    [&*short(name.as_bytes()), value].concat()
}

fn text(name: &str, value: &[u8]) -> Vec<u8> {
    header(name, &[b"S", &*long(value)].concat())
}

fn number(name: &str, value: i64) -> Vec<u8> {
    header(name, &[b"l", &value.to_be_bytes()[..]].concat())
}

/// A good message but for these properties; those before the type, and those after it.
fn odd(
    name: &'static str,
    before: &[(usize, Vec<u8>)],
    after: &[(usize, Vec<u8>)],
    comes: Comes,
) -> Case {
    let parts = [before, &[(TYPE, short(b"a.b"))], after].concat();
    let properties = properties(&parts);
    let body = b"body".to_vec();
    Case {
        name,
        properties,
        body,
        comes,
    }
}

/// One that has these headers.
fn with(name: &'static str, headers: &[Vec<u8>], comes: Comes) -> Case {
    odd(name, &[(HEADERS, long(&headers.concat()))], &[], comes)
}

/// One in the compact form, whose body is this.
fn compact(name: &'static str, body: &[u8], comes: Comes) -> Case {
    let properties = properties(&[(CONTENT_TYPE, short(b"application/vnd.algedonic"))]);
    Case {
        name,
        properties,
        body: body.to_vec(),
        comes,
    }
}

fn odd_properties() -> Vec<Case> {
    let most = || short(&[b'x'; 255]);
    let untyped = properties(&[(ID, short(b"7"))]);
    let typed = |name: &[u8]| properties(&[(TYPE, short(name))]);
    let bare = |name, properties, comes| Case {
        name,
        properties,
        body: vec![],
        comes,
    };
    vec![
        bare("no type", untyped, Aside("missing")),
        bare("an empty type", typed(b""), Aside("property type")),
        bare("a type of spaces", typed(b"a b"), Aside("property type")),
        bare(
            "a type of control characters",
            typed(b"a\x1b[2J"),
            Aside("property type"),
        ),
        bare("nothing at all", vec![0, 0], Aside("missing")),
        bare(
            "an empty body",
            typed(b"a.b"),
            Out(|message| message.body.is_empty()),
        ),
        odd("the longest id", &[(ID, most())], &[], Out(|_| true)),
        odd("an empty id", &[(ID, short(b""))], &[], Out(|_| true)),
        odd(
            "the longest correlation",
            &[(CORRELATION, most())],
            &[],
            Out(|message| message.metadata.correlation.to_string().len() == 255),
        ),
        odd(
            "a terminal's commands for a source",
            &[],
            &[(APP, short(b"\x1b[2J\r\n"))],
            Out(|message| !format!("{message:?}").contains('\u{1b}')),
        ),
        odd(
            "the highest priority",
            &[(PRIORITY, vec![255])],
            &[],
            Out(|message| message.metadata.priority.get() == 10),
        ),
        odd(
            "what survives nothing",
            &[(DELIVERY_MODE, vec![1])],
            &[],
            Out(|message| !message.persistent),
        ),
        odd(
            "the end of time",
            &[(TIMESTAMP, vec![255; 8])],
            &[],
            Out(|message| is_now(message.metadata.time)),
        ),
        odd(
            "the end of signed time",
            &[(TIMESTAMP, vec![0x7F; 8])],
            &[],
            Out(|_| true),
        ),
        odd(
            "what lasts ten years",
            &[(EXPIRATION, short(b"315360000000"))],
            &[],
            Out(|message| {
                message
                    .metadata
                    .expires
                    .is_some_and(|end| end > SystemTime::now())
            }),
        ),
        odd(
            "an encoding",
            &[(CONTENT_ENCODING, short(b"gzip"))],
            &[],
            Out(|message| message.body == "body"),
        ),
        odd(
            "properties that nobody reads",
            &[(REPLY_TO, most())],
            &[(USER, short(b"guest")), (CLUSTER, most())],
            Out(|_| true),
        ),
        odd(
            "the longest content type",
            &[(CONTENT_TYPE, most())],
            &[],
            Out(|message| message.content_type.len() == 255),
        ),
        odd(
            "CloudEvents in one piece",
            &[(CONTENT_TYPE, short(b"application/cloudevents+json"))],
            &[],
            Out(|_| true),
        ),
    ]
}

fn is_now(time: SystemTime) -> bool {
    let apart = |one: SystemTime, other| one.duration_since(other).unwrap_or_default();
    apart(time, SystemTime::now()).max(apart(SystemTime::now(), time)) < Duration::from_secs(60)
}

#[expect(clippy::too_many_lines, reason = "a list, one case after another")]
fn odd_headers() -> Vec<Case> {
    let many: Vec<_> = (0..129).map(|at| number(&format!("h{at}"), at)).collect();
    let parent = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    vec![
        with(
            "a version in words",
            &[text("algedonic-version", b"two")],
            Aside("algedonic-version"),
        ),
        with(
            "a version below nothing",
            &[number("algedonic-version", -1)],
            Aside("algedonic-version"),
        ),
        with(
            "a version beyond all",
            &[number("algedonic-version", 1 << 32)],
            Aside("algedonic-version"),
        ),
        with(
            "the last version",
            &[number("algedonic-version", u32::MAX.into())],
            Out(|message| message.metadata.version == u32::MAX),
        ),
        with(
            "before time began",
            &[
                number("algedonic-time", i64::MIN),
                number("algedonic-expires", i64::MIN),
            ],
            Out(|_| true),
        ),
        with(
            "after its end",
            &[
                number("algedonic-time", i64::MAX),
                number("algedonic-expires", i64::MAX),
            ],
            Out(|_| true),
        ),
        with(
            "an origin that is none",
            &[text("algedonic-origin", b"me")],
            Out(|message| message.metadata.origin.is_none()),
        ),
        with(
            "a cause that is no id",
            &[text("algedonic-causation", b"because")],
            Out(|message| message.metadata.causation.is_some()),
        ),
        with(
            "a trace that is none",
            &[text("traceparent", b"00-0-0-0")],
            Out(|message| message.metadata.trace.is_none()),
        ),
        with(
            "a trace with a bad state",
            &[
                text("traceparent", parent),
                text("tracestate", &[b'x'; 3000]),
            ],
            Out(|message| {
                message
                    .metadata
                    .trace
                    .as_ref()
                    .is_some_and(|trace| trace.state.is_none())
            }),
        ),
        with(
            "counts that nobody has counted",
            &[
                number("x-delivery-count", 1 << 30),
                number("x-acquired-count", 1 << 30),
            ],
            Out(|_| true),
        ),
        with(
            "a death that nobody died",
            &[text("x-death", b"of boredom")],
            Out(|_| true),
        ),
        with(
            "a mark of ours",
            &[text("algedonic-unreadable", b"because\x1b[2J")],
            Aside("because"),
        ),
        with(
            "reasons of a dead letter",
            &[
                text("algedonic-reason", b"none"),
                number("algedonic-attempts", 7),
            ],
            Out(|_| true),
        ),
        with(
            "a table for a number",
            &[header("algedonic-version", &[b"F", &*long(b"")].concat())],
            Aside("algedonic-version"),
        ),
        with(
            "text that is none",
            &[
                text("cloudEvents_type", b"\xff"),
                text("cloudEvents_id", b"\xff"),
            ],
            Out(|_| true),
        ),
        with("more than are read", &many, Aside("129 of them")),
        with(
            "values without an end",
            &[header("a", &[b"A", &*long(&[b'V'; 5000])].concat())],
            Aside("4096 values"),
        ),
    ]
}

fn odd_bodies() -> Vec<Case> {
    let name = [1, 0, 3, b'a', b'.', b'b'];
    let whole = |fields: &[u8]| {
        let length = u16::try_from(fields.len()).expect("short").to_be_bytes();
        [&[1], &length[..], fields, b"event"].concat()
    };
    vec![
        compact(
            "good",
            &whole(&name),
            Out(|message| message.body == "event"),
        ),
        compact("empty", b"", Aside("cut short")),
        compact("a layout alone", &[1], Aside("cut short")),
        compact("of a layout to come", &[2, 0, 0], Aside("update")),
        compact("of layout zero", &[0, 0, 0], Aside("layout 0")),
        compact(
            "fields beyond its end",
            &[1, 0xFF, 0xFF, 1, 0, 1, b'a'],
            Aside("cut short"),
        ),
        compact(
            "a field beyond the fields",
            &whole(&[1, 0xFF, 0xFF, b'a']),
            Aside("cut short"),
        ),
        compact(
            "half a field",
            &whole(&[name.as_slice(), &[3, 0]].concat()),
            Aside("cut short"),
        ),
        compact("without a name", &whole(&[]), Aside("field 1 is missing")),
        compact("two names", &whole(&[name, name].concat()), Aside("twice")),
        compact(
            "a name that is none",
            &whole(&[1, 0, 2, b'a', 0xFF]),
            Aside("field 1"),
        ),
        compact(
            "a time of three bytes",
            &whole(&[name.as_slice(), &[4, 0, 3, 0, 0, 0]].concat()),
            Aside("must have 8"),
        ),
        compact(
            "an unknown field",
            &whole(&[name.as_slice(), &[200, 0, 1, 0]].concat()),
            Out(|_| true),
        ),
    ]
}

async fn publish_and_look(config: AmqpConfig) {
    let config = config.queue("q");
    let exchange = format!("{}.events", prefix_of(&config));
    let url = blocking(shared_url).await;
    let amqp = Amqp::new(config).expect("started");
    let mut arrivals = receive(&amqp);
    up(&amqp).await;
    let mut raw = Raw::open(&url, 131_072).await;
    for case in [odd_properties(), odd_headers(), odd_bodies()]
        .into_iter()
        .flatten()
    {
        let name = case.name;
        raw.publish(&exchange, b"some.key", &case.properties, &case.body)
            .await;
        match (soon(name, arrivals.next()).await, case.comes) {
            (Some(Arrival::Message(delivery)), Out(is)) => {
                assert!(is(delivery.message()), "{name}: {:?}", delivery.message());
                assert_eq!(
                    (delivery.attempt(), delivery.is_redelivered()),
                    (1, false),
                    "{name}"
                );
                delivery.ack();
            }
            (Some(Arrival::Malformed(error)), Aside(words)) => {
                let known = [
                    ErrorKind::Malformed,
                    ErrorKind::Unsupported,
                    ErrorKind::TooLarge,
                ];
                assert!(
                    known.contains(&error.kind()) && !error.is_transient(),
                    "{name}: {error:?}"
                );
                let text = error.to_string();
                assert!(text.contains(words), "{name}: {text}");
                assert!(!text.contains(char::is_control), "{name}: {text:?}");
            }
            (arrival, Out(_)) => panic!("{name} should arrive: {arrival:?}"),
            (arrival, Aside(words)) => panic!("{name} should be put aside, {words}: {arrival:?}"),
        }
    }
    let sent = confirmed(&amqp, message("a")).await;
    arrives(&mut arrivals, sent).await;
    assert_eq!(amqp.link().connects, 1);
}

#[tokio::test]
async fn whatever_a_stranger_publishes_arrives_or_is_put_aside() {
    publish_and_look(config().await).await;
}

#[tokio::test]
async fn so_it_does_from_a_classic_queue() {
    publish_and_look(config().await.queue_type(QueueType::Classic)).await;
}

#[test]
fn a_flood_of_what_cannot_be_read_costs_time_and_no_memory() {
    flood(
        "a_flood_of_what_cannot_be_read_costs_time_and_no_memory",
        30_000,
    );
}

#[test]
#[ignore = "takes minutes"]
fn a_million_small_messages_cost_time_and_no_memory() {
    flood(
        "a_million_small_messages_cost_time_and_no_memory",
        1_000_000,
    );
}

fn flood(test: &str, messages: u32) {
    if !is_alone() {
        print!("{}", alone(&format!("hostile::publishers::{test}"), &[]));
        return;
    }
    let runtime = tokio::runtime::Runtime::new().expect("started");
    runtime.block_on(flooded(messages));
}

/// Every second is a message of no type, and the others have no use for anybody.
async fn flooded(messages: u32) {
    let config = config().await.queue("q");
    let prefix = prefix_of(&config);
    let url = blocking(shared_url).await;
    let amqp = Amqp::new(config).expect("started");
    let mut arrivals = receive(&amqp);
    up(&amqp).await;
    let (_connection, channel) = operator(&url).await;
    let exchange = format!("{prefix}.events");
    let flood = tokio::spawn(async move {
        for number in 0..messages {
            let properties = BasicProperties::default();
            let properties = if number % 2 == 0 {
                properties
            } else {
                properties.with_type("a".into())
            };
            let options = BasicPublishOptions::default();
            let sent = channel.basic_publish(
                exchange.as_str().into(),
                "a".into(),
                options,
                b"x",
                properties,
            );
            sent.await.expect("open");
        }
    });
    let (mut good, mut bad) = (0, 0);
    while good + bad < messages {
        match soon("an arrival", arrivals.next()).await {
            Some(Arrival::Message(delivery)) => {
                good += 1;
                delivery.ack();
            }
            Some(Arrival::Malformed(_)) => bad += 1,
            other => panic!("{other:?}"),
        }
    }
    flood.await.expect("all sent");
    assert_eq!((good, bad), (messages / 2, messages / 2));
    let sent = confirmed(&amqp, message("a")).await;
    arrives(&mut arrivals, sent).await;
    assert_eq!(amqp.link().connects, 1);
    let memory = resident() >> 20;
    println!("{messages} messages, {memory} MiB at most");
    assert!(memory < 150, "{memory} MiB");
    // The dead letters are there, the latest 100,000 of them; what was read is not.
    let (_connection, channel) = operator(&url).await;
    eventually("nothing is left", async || {
        waiting(&channel, &format!("{prefix}.q.events")).await == 0
    })
    .await;
    let dead = waiting(&channel, &format!("{prefix}.q.events.dlq")).await;
    assert_eq!(dead, bad.min(100_000));
}
