//! The transport, as the bus drives it.

use algedonic::{
    Key, Metadata,
    amqp::{Amqp, AmqpConfig, QueueType, WireForm},
    transport::{Arrival, BoxStream, Lane, LinkState, Message, Pattern, Transport},
};
use algedonic_test_broker::unique;
use bytes::Bytes;
use futures_util::StreamExt;

use crate::speed::{Kind, Setting};

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
        let mut links = amqp.links();
        while links.next().await.expect("open").state != LinkState::Up {}
        Self { amqp, arrivals }
    }
}

pub(crate) fn message(body: &Bytes) -> Message {
    let metadata = Metadata::new(Key::from_static("bench.reading"), "bench");
    Message::new(metadata, Lane::Event, "application/cbor", body.clone())
}
