//! The broker and our own matcher select the same keys.

use std::{
    collections::BTreeSet,
    time::{SystemTime, UNIX_EPOCH},
};

use algedonic_test_broker::{shared_url, unique};
use algedonic_transport::{Key, Pattern};
use fastrand::Rng;
use futures_util::{StreamExt, future::try_join_all};
use lapin::{
    BasicProperties, Channel, ExchangeKind,
    options::{
        BasicConsumeOptions, BasicPublishOptions, ExchangeDeclareOptions, QueueBindOptions,
        QueueDeclareOptions,
    },
    types::FieldTable,
};

use crate::support::{blocking, operator, soon};

const MANY: usize = 200;
/// Few, so that they meet; they differ in case, in length, and in what is allowed beside letters.
const WORDS: &[&str] = &["a", "a", "b", "B", "ab", "a-b", "_"];

#[tokio::test]
async fn two_hundred_bindings_select_what_our_patterns_do() {
    let mut random = seeded();
    let patterns: Vec<Pattern> = (0..MANY).map(|_| pattern(&mut random)).collect();
    let mut keys: Vec<Key> = (0..MANY - 1).map(|_| key(&mut random, 7)).collect();
    keys.push(key(&mut random, 60));
    let (_connection, channel) = operator(&blocking(shared_url).await).await;
    let exchange = unique("differential");
    let queues = soon("the bindings", declare(&channel, &exchange, &patterns)).await;
    let publishing = publish(&channel, &exchange, &keys, &queues);
    soon("200 messages", publishing).await.expect("published");
    let mut selected = 0;
    for (pattern, queue) in patterns.iter().zip(&queues) {
        let theirs = soon("what was routed", routed(&channel, queue)).await;
        let ours = keys.iter().enumerate();
        let ours: BTreeSet<usize> = ours
            .filter_map(|(number, key)| pattern.matches(key).then_some(number))
            .collect();
        let differing: Vec<&Key> = ours
            .symmetric_difference(&theirs)
            .map(|n| &keys[*n])
            .collect();
        assert!(differing.is_empty(), "{pattern} differs on {differing:?}");
        selected += ours.len();
    }
    println!("{selected} of {} pairs match", MANY * MANY);
    // Neither all nor nothing: it was a test.
    assert!((MANY * MANY / 100..MANY * MANY / 2).contains(&selected));
}

/// Numbers that can be had again by the seed that is printed.
fn seeded() -> Rng {
    let fresh = || {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        u64::from(now.expect("after 1970").subsec_nanos())
    };
    let seed = match std::env::var("ALGEDONIC_TEST_SEED") {
        Ok(seed) => seed.parse().expect("ALGEDONIC_TEST_SEED is a number"),
        Err(_) => fresh(),
    };
    println!("differential: ALGEDONIC_TEST_SEED={seed}");
    Rng::with_seed(seed)
}

fn word(random: &mut Rng) -> &'static str {
    WORDS[random.usize(..WORDS.len())]
}

fn key(random: &mut Rng, most: usize) -> Key {
    let words: Vec<&str> = (0..random.usize(1..=most)).map(|_| word(random)).collect();
    Key::new(words.join(".")).expect("words")
}

/// Up to six words, of which a third is a wildcard, at most two of them `#`.
fn pattern(random: &mut Rng) -> Pattern {
    loop {
        let words: Vec<&str> = (0..random.usize(1..=6))
            .map(|_| match random.u8(..6) {
                0 => "#",
                1 => "*",
                _ => word(random),
            })
            .collect();
        if let Ok(pattern) = Pattern::new(words.join(".")) {
            return pattern;
        }
    }
}

/// A queue for each pattern, bound as the transport would bind it.
async fn declare(channel: &Channel, exchange: &str, patterns: &[Pattern]) -> Vec<String> {
    let options = ExchangeDeclareOptions {
        auto_delete: true,
        ..ExchangeDeclareOptions::default()
    };
    let topic = ExchangeKind::Topic;
    channel
        .exchange_declare(exchange.into(), topic, options, FieldTable::default())
        .await
        .expect("declared");
    let queues = patterns
        .iter()
        .enumerate()
        .map(|(number, pattern)| async move {
            let queue = format!("{exchange}.{number}");
            let options = QueueDeclareOptions {
                exclusive: true,
                ..QueueDeclareOptions::default()
            };
            let nothing = FieldTable::default;
            channel
                .queue_declare(queue.as_str().into(), options, nothing())
                .await?;
            let bind = QueueBindOptions::default();
            let (name, key) = (queue.as_str().into(), pattern.as_str().into());
            channel
                .queue_bind(name, exchange.into(), key, bind, nothing())
                .await?;
            Ok::<String, lapin::Error>(queue)
        });
    try_join_all(queues).await.expect("bound")
}

/// Each key with its number, and then, to each queue itself, an end.
async fn publish(
    channel: &Channel,
    exchange: &str,
    keys: &[Key],
    queues: &[String],
) -> lapin::Result<()> {
    let numbered = keys.iter().enumerate();
    let numbered = numbered.map(|(number, key)| (exchange, key.as_str(), number.to_string()));
    let ends = queues
        .iter()
        .map(|queue| ("", queue.as_str(), String::new()));
    for (exchange, key, body) in numbered.chain(ends) {
        let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
        channel
            .basic_publish(
                exchange.into(),
                key.into(),
                options,
                body.as_bytes(),
                properties,
            )
            .await?;
    }
    Ok(())
}

/// The numbers that have come to a queue, up to the end.
async fn routed(channel: &Channel, queue: &str) -> BTreeSet<usize> {
    let options = BasicConsumeOptions {
        no_ack: true,
        ..BasicConsumeOptions::default()
    };
    let mut deliveries = channel
        .basic_consume(queue.into(), "".into(), options, FieldTable::default())
        .await
        .expect("a consumer");
    let mut numbers = BTreeSet::new();
    loop {
        let delivery = deliveries
            .next()
            .await
            .expect("an end")
            .expect("a delivery");
        let body = String::from_utf8(delivery.data).expect("digits");
        if body.is_empty() {
            return numbers;
        }
        assert!(
            numbers.insert(body.parse().expect("a number")),
            "{body} came twice"
        );
    }
}
