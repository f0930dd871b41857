//! Messages that would end lapin's connection, or the process, at each delivery.

use algedonic_amqp::{Amqp, AmqpConfig, QueueType};
use algedonic_test_broker::shared_url;
use algedonic_transport::{Arrival, BoxStream, ErrorKind, Transport};
use futures_util::StreamExt;
use lapin::types::{AMQPValue, ShortString};

use crate::{
    dead_letters::{header_of, headers_of, letter, waiting},
    raw::{Raw, long, nested, only_headers, short},
    support::{
        blocking, config, confirmed, eventually, message, next, operator, prefix_of, receive, soon,
        up,
    },
};

const FRAME_MAX: u32 = 131_072;

async fn malformed(arrivals: &mut BoxStream<Arrival>) -> String {
    match soon("an arrival", arrivals.next()).await {
        Some(Arrival::Malformed(error)) => {
            assert_eq!(error.kind(), ErrorKind::Malformed);
            assert!(!error.is_transient());
            error.to_string()
        }
        other => panic!("expected a malformed message, not {other:?}"),
    }
}

async fn unreadable_messages(config: AmqpConfig) {
    let config = config.queue("q");
    let prefix = prefix_of(&config);
    let exchange = format!("{prefix}.events");
    let dead = format!("{prefix}.q.events.dlq");
    let url = blocking(shared_url).await;
    let amqp = Amqp::new(config).expect("started");
    let mut arrivals = receive(&amqp);
    up(&amqp).await;

    // 28 KB of headers, of which a tenth ends the stack of lapin's thread.
    let deep = nested(4000);
    assert!(deep.len() > 28_000);
    let latin = [vec![0, 0x28], short(b"a"), short(b"caf\xe9")].concat();
    let named = only_headers(b"\x01\xffV");
    let good = [vec![0, 0x20], short(b"a")].concat();
    let mut raw = Raw::open(&url, FRAME_MAX).await;
    raw.publish(&exchange, b"a", &deep, b"deep").await;
    raw.publish(&exchange, b"a", &latin, b"").await;
    raw.publish(&exchange, b"a", &named, b"named").await;
    raw.publish(&exchange, b"caf\xe9", &good, b"key").await;
    raw.publish(&exchange, b"a", &good, b"good").await;
    let sent = confirmed(&amqp, message("a")).await;

    for part in [
        "deeper than 16",
        "app_id",
        "name of a header",
        "routing key",
    ] {
        let error = malformed(&mut arrivals).await;
        assert!(error.contains(part), "{error}");
    }
    let delivery = next(&mut arrivals).await;
    assert_eq!(delivery.message().body, "good");
    delivery.ack();
    let delivery = next(&mut arrivals).await;
    assert_eq!(delivery.message().metadata.id, sent);
    delivery.ack();

    let (_connection, channel) = operator(&url).await;
    for (properties, body, key) in [
        (&deep, &b"deep"[..], None),
        (&latin, b"", None),
        (&named, b"named", None),
        (
            &good,
            b"key",
            Some([short(exchange.as_bytes()), short(b"caf\xe9")].concat()),
        ),
    ] {
        let letter = letter(&channel, &dead).await;
        assert_eq!(letter.data, body);
        assert_eq!(header_of(&letter, "algedonic-reason"), "malformed");
        let headers = headers_of(&letter);
        let bytes = |name: &str| match headers.inner().get(name) {
            Some(AMQPValue::ByteArray(bytes)) => Some(bytes.as_slice().to_vec()),
            _ => None,
        };
        assert_eq!(
            bytes("algedonic-unreadable-properties").as_ref(),
            Some(properties)
        );
        assert_eq!(bytes("algedonic-unreadable-key"), key);
        assert_eq!(header_of(&letter, "algedonic-exchange"), exchange);
    }
    assert_eq!(waiting(&channel, &dead).await, 0);
    assert!(amqp.link().is_up());
    assert_eq!(amqp.link().connects, 1);
}

#[tokio::test]
async fn what_lapin_could_not_read_becomes_a_dead_letter_and_the_rest_arrives() {
    unreadable_messages(config().await).await;
}

#[tokio::test]
async fn so_it_does_in_a_classic_queue() {
    unreadable_messages(config().await.queue_type(QueueType::Classic)).await;
}

/// A quorum queue counts deliveries in a header, which makes a frame too long that was just not.
#[tokio::test]
async fn headers_that_outgrow_their_frame_become_a_dead_letter() {
    let config = config().await.queue("q");
    let prefix = prefix_of(&config);
    let url = blocking(shared_url).await;
    let amqp = Amqp::new(config).expect("started");
    let mut arrivals = receive(&amqp);
    up(&amqp).await;
    // Around the value: the frame, the fixed part, flags, the table, its entry, the type.
    let value = vec![b'x'; FRAME_MAX as usize - 8 - 12 - 2 - 4 - 7 - 2];
    let table = [b"\x01aS".to_vec(), long(&value)].concat();
    let properties = [vec![0x20, 0x20], long(&table), short(b"a")].concat();
    let mut raw = Raw::open(&url, FRAME_MAX).await;
    raw.publish(&format!("{prefix}.events"), b"a", &properties, b"body")
        .await;
    let first = next(&mut arrivals).await;
    assert_eq!(first.message().body, "body");
    first.requeue();
    let error = malformed(&mut arrivals).await;
    assert!(error.contains("do not fit the agreed frame"), "{error}");
    let sent = confirmed(&amqp, message("a")).await;
    let delivery = next(&mut arrivals).await;
    assert_eq!(delivery.message().metadata.id, sent);
    delivery.ack();
    assert_eq!(amqp.link().connects, 1);
    // RabbitMQ has moved it itself: nothing else has room for it.
    let (_connection, channel) = operator(&url).await;
    let dead = format!("{prefix}.q.events.dlq");
    eventually("the dead letter", async || {
        waiting(&channel, &dead).await == 1
    })
    .await;
}

/// A publisher on a broker that allows more may send longer headers than a reader takes.
#[tokio::test]
async fn a_reader_of_small_frames_gets_past_long_headers() {
    let url = blocking(shared_url).await;
    let prefix = algedonic_test_broker::unique("it");
    let small = AmqpConfig::new(&format!("{url}?frame_max=8192")).expect("valid");
    let amqp = Amqp::new(small.prefix(&prefix).queue("q")).expect("started");
    let mut arrivals = receive(&amqp);
    up(&amqp).await;
    let table = [b"\x01aS".to_vec(), long(&[b'x'; 9000])].concat();
    let properties = [vec![0x20, 0x20], long(&table), short(b"a")].concat();
    let mut raw = Raw::open(&url, FRAME_MAX).await;
    raw.publish(&format!("{prefix}.events"), b"a", &properties, b"body")
        .await;
    let error = malformed(&mut arrivals).await;
    assert!(error.contains("do not fit the agreed frame"), "{error}");
    let sent = confirmed(&amqp, message("a")).await;
    let delivery = next(&mut arrivals).await;
    assert_eq!(delivery.message().metadata.id, sent);
    delivery.ack();
    let (_connection, channel) = operator(&url).await;
    let letter = letter(&channel, &format!("{prefix}.q.events.dlq")).await;
    assert_eq!(letter.data, b"body");
    assert!(headers_of(&letter).contains_key("x-death"));
    assert_eq!(
        letter.properties.kind().as_ref().map(ShortString::as_str),
        Some("a")
    );
    assert_eq!(amqp.link().connects, 1);
}

/// It is not received: nobody here has to have the memory for it.
#[tokio::test]
async fn a_body_of_many_times_the_limit_stays_with_the_broker() {
    let config = config().await.queue("q").max_body_bytes(1000);
    let prefix = prefix_of(&config);
    let exchange = format!("{prefix}.events");
    let url = blocking(shared_url).await;
    let amqp = Amqp::new(config).expect("started");
    let mut arrivals = receive(&amqp);
    up(&amqp).await;
    let typed = [vec![0, 0x20], short(b"a")].concat();
    let mut raw = Raw::open(&url, 8192).await;
    let large = vec![7; 8000];
    raw.publish(&exchange, b"a", &typed, &large).await;
    raw.publish(&exchange, b"a", &typed, &[8; 1001]).await;
    raw.publish(&exchange, b"a", &typed, b"good").await;
    for size in ["8000 bytes", "1001 bytes"] {
        match soon("an arrival", arrivals.next()).await {
            Some(Arrival::Malformed(error)) => {
                assert_eq!(error.kind(), ErrorKind::TooLarge);
                assert!(error.to_string().contains(size), "{error}");
            }
            other => panic!("expected one that is too large, not {other:?}"),
        }
    }
    let delivery = next(&mut arrivals).await;
    assert_eq!(delivery.message().body, "good");
    delivery.ack();
    let (_connection, channel) = operator(&url).await;
    let dead = format!("{prefix}.q.events.dlq");
    let mut letters = [letter(&channel, &dead).await, letter(&channel, &dead).await];
    letters.sort_by_key(|letter| letter.data.len());
    assert_eq!(letters[0].data, [8; 1001]);
    assert_eq!(header_of(&letters[0], "algedonic-reason"), "too-large");
    assert_eq!(letters[1].data, large);
    assert!(headers_of(&letters[1]).contains_key("x-death"));
}
