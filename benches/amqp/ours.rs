//! The transport, as the bus drives it.

use std::sync::{Arc, LazyLock};

use algedonic::{
    Key, Metadata,
    amqp::{Amqp, AmqpConfig, Purpose, QueueType, WireForm},
    transport::{Arrival, BoxStream, BusId, Lane, LinkState, Message, Pattern, Transport},
};
use algedonic_test_broker::unique;
use bytes::Bytes;
use futures_util::StreamExt;

use crate::{
    place::Place,
    speed::{Kind, Setting},
};

/// What events are called, and their key.
pub(crate) const NAME: &str = "bench.reading";
pub(crate) const SOURCE: &str = "bench";

/// A transport that is up, with a queue bound to all of its keys.
pub(crate) struct Ours {
    pub(crate) amqp: Amqp,
    pub(crate) arrivals: BoxStream<Arrival>,
}

pub(crate) fn config(setting: &Setting, form: WireForm) -> AmqpConfig {
    AmqpConfig::new(&setting.url)
        .expect("a good address")
        .prefix(unique("bench"))
        .queue_type(match setting.kind {
            Kind::Classic => QueueType::Classic,
            Kind::Quorum => QueueType::Quorum,
        })
        .wire_form(form)
}

impl Ours {
    pub(crate) async fn open(config: AmqpConfig) -> Self {
        let amqp = Amqp::new(config).expect("a good configuration");
        let all = vec![Pattern::new("#").expect("a pattern")];
        let arrivals = amqp.receive(Lane::Event, all).expect("the first call");
        up(&amqp).await;
        Self { amqp, arrivals }
    }
}

/// A transport that is up, and a place for what it publishes.
pub(crate) async fn publisher(setting: &Setting, config: AmqpConfig) -> (Arc<Amqp>, Place) {
    let place = Place::make(setting, &config.exchange_name(Purpose::Events)).await;
    let amqp = Amqp::new(config).expect("a good configuration");
    up(&amqp).await;
    (Arc::new(amqp), place)
}

async fn up(amqp: &Amqp) {
    let mut links = amqp.links();
    while links.next().await.expect("open").state != LinkState::Up {}
}

pub(crate) fn message(body: &Bytes) -> Message {
    static ORIGIN: LazyLock<BusId> = LazyLock::new(BusId::new);
    static TEXT: LazyLock<Arc<str>> = LazyLock::new(|| SOURCE.into());
    let mut metadata = Metadata::new(Key::from_static(NAME), TEXT.clone());
    metadata.origin = Some(*ORIGIN);
    Message::new(metadata, Lane::Event, "application/cbor", body.clone())
}

/// One of sixteen.
pub(crate) fn key(number: u32) -> Key {
    static KEYS: LazyLock<Vec<Key>> = LazyLock::new(|| {
        let key = |number| Key::new(format!("{NAME}.{number}")).expect("a key");
        (0..16).map(key).collect()
    });
    KEYS[number as usize % KEYS.len()].clone()
}
