//! How many messages a second RabbitMQ takes in each form, persistent and confirmed, with a window of
//! 512, on a node of its own:
//!
//!     cargo bench -p algedonic-amqp --bench wire_broker [-- classic|quorum]
//!
//! The forms take turns, so that what else the machine does meets them alike.

use std::{
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use algedonic_amqp::{Amqp, AmqpConfig, QueueType, WireForm};
use algedonic_test_broker::Node;
use algedonic_transport::{BusId, Key, Lane, Message, Metadata, Outcome, Pattern, Transport};
use futures_util::{StreamExt, stream};

const FORMS: [(&str, WireForm); 3] = [
    ("open", WireForm::Open),
    ("cloudevents", WireForm::CloudEvents),
    ("compact", WireForm::Compact),
];
const WINDOW: usize = 512;
const MESSAGES: u32 = 20_000;
const ROUNDS: usize = 7;
const BYTES: usize = 256;

#[tokio::main]
async fn main() -> ExitCode {
    let wanted: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with("--"))
        .collect();
    let queues = [
        ("classic", QueueType::Classic),
        ("quorum", QueueType::Quorum),
    ];
    let node = Arc::new(blocking(Node::start).await);
    for (name, queue_type) in queues {
        if wanted.is_empty() || wanted.iter().any(|wanted| wanted == name) {
            rounds(&node, name, queue_type).await;
        }
    }
    blocking(move || drop(node)).await;
    ExitCode::SUCCESS
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.expect("no panic")
}

async fn rounds(node: &Arc<Node>, name: &str, queue_type: QueueType) {
    let mut transports = Vec::new();
    for (form_name, form) in FORMS {
        let config = AmqpConfig::new(&node.url())
            .expect("an address")
            .prefix(format!("bench.{name}.{form_name}"))
            .queue("all")
            .queue_type(queue_type)
            .window(WINDOW)
            .confirm_timeout(Duration::from_secs(19))
            .wire_form(form);
        let amqp = Amqp::new(config).expect("good");
        // The queue stays when nobody reads it any more.
        let arrivals = amqp.receive(Lane::Event, vec![Pattern::new("#").expect("a pattern")]);
        let mut links = amqp.links();
        while !links.next().await.expect("open").is_up() {}
        drop(arrivals);
        transports.push(amqp);
    }
    let mut rates = [const { Vec::new() }; FORMS.len()];
    for _ in 0..ROUNDS {
        for (at, amqp) in transports.iter().enumerate() {
            rates[at].push(rate(amqp).await);
            let queue = format!("bench.{name}.{}.all.events", FORMS[at].0);
            let node = node.clone();
            blocking(move || node.ctl(&["purge_queue", &queue])).await;
        }
    }
    for ((form, _), rates) in FORMS.iter().zip(&mut rates) {
        rates.sort_by(f64::total_cmp);
        println!(
            "{name:8} {form:12} {:7.0} messages/s (median of {ROUNDS}; {:.0} to {:.0})",
            rates[ROUNDS / 2],
            rates[0],
            rates[ROUNDS - 1],
        );
    }
    for amqp in transports {
        amqp.close(Duration::from_secs(5)).await;
    }
}

/// Messages per second, from the first that is sent to the last confirm.
async fn rate(amqp: &Amqp) -> f64 {
    let origin = BusId::new();
    let started = Instant::now();
    let sent = (0..MESSAGES).map(|_| {
        let name = Key::from_static("vsm.state_change");
        let mut metadata = Metadata::new(name, "s3.planner");
        metadata.origin = Some(origin);
        amqp.send(Message::new(
            metadata,
            Lane::Event,
            "application/cbor",
            vec![7; BYTES],
        ))
    });
    let mut outcomes = stream::iter(sent).buffered(WINDOW);
    while let Some(outcome) = outcomes.next().await {
        assert_eq!(outcome.expect("sent"), Outcome::Confirmed);
    }
    f64::from(MESSAGES) / started.elapsed().as_secs_f64()
}
