//! Bare lapin, as its fastest user would drive it: what is sent is queued without awaiting the write,
//! nothing is copied or counted that need not be, and acks are told for many at a time.

use std::{
    future::poll_fn,
    pin::pin,
    sync::{Mutex, PoisonError},
    task::Poll,
};

use algedonic_test_broker::unique;
use lapin::{
    BasicProperties, Channel, Confirmation, Connection, Consumer, PublisherConfirm,
    options::{BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, ConfirmSelectOptions},
    types::{AMQPValue, FieldTable, LongString, ShortString},
};

use crate::{
    ours,
    place::{Place, connect},
    speed::Setting,
};

/// Two connections, one to publish and one to consume, and a place for what is published.
pub(crate) struct Raw {
    publishing: Connection,
    pub(crate) publisher: Channel,
    pub(crate) acks: Channel,
    place: Place,
    /// Held while a message gets its number: lapin takes the number and queues the message under two
    /// locks, so that of two tasks who publish on one channel each may be told the other's outcome.
    turn: Mutex<()>,
    looks: Looks,
}

/// What its messages look like on the wire.
#[derive(Clone, Copy)]
pub(crate) enum Looks {
    /// The least: an id, a type, a content type.
    Least,
    /// Properties and body as large as those of our compact form.
    Compact,
    /// The properties and headers of our open form.
    Open,
}

impl Looks {
    /// What stands before the event in the body, in bytes.
    pub(crate) const fn envelope(self) -> usize {
        match self {
            Self::Compact => 65,
            Self::Least | Self::Open => 0,
        }
    }
}

impl Raw {
    pub(crate) async fn open(setting: &Setting, looks: Looks) -> Self {
        // Buffers of the same size as ours.
        let publishing = connect(&setting.url, 32 * 1024).await;
        let publisher = publishing.create_channel().await.expect("a channel");
        let confirms = publisher.confirm_select(ConfirmSelectOptions::default());
        confirms.await.expect("confirms");
        let place = Place::make(setting, &unique("raw")).await;
        Self {
            publishing,
            publisher,
            acks: place.channel.clone(),
            place,
            turn: Mutex::new(()),
            looks,
        }
    }

    pub(crate) async fn consume(&self, prefetch: u16) -> Consumer {
        consume(&self.acks, self.place.exchange.clone(), prefetch).await
    }

    /// Persistent and mandatory.
    pub(crate) async fn publish(
        &self,
        number: u32,
        body: &[u8],
    ) -> lapin::Result<PublisherConfirm> {
        let options = BasicPublishOptions {
            mandatory: true,
            ..BasicPublishOptions::default()
        };
        let exchange = self.place.exchange.clone();
        let key = ShortString::from(ours::NAME);
        let properties = self.properties(number);
        self.publisher
            .basic_publish(exchange, key, options, body, properties)
            .await
    }

    /// Publishes from one of many tasks, and awaits the outcome, which is that of this message.
    pub(crate) async fn publish_in_turn(
        &self,
        number: u32,
        body: &[u8],
    ) -> lapin::Result<Confirmation> {
        let mut publish = pin!(self.publish(number, body));
        let first = poll_fn(|context| {
            let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
            Poll::Ready(publish.as_mut().poll(context))
        });
        let written = match first.await {
            Poll::Ready(written) => written,
            Poll::Pending => publish.await,
        };
        written?.await
    }

    fn properties(&self, number: u32) -> BasicProperties {
        let properties = BasicProperties::default().with_delivery_mode(2);
        match self.looks {
            Looks::Least => {
                return properties
                    .with_message_id(number.to_string().into())
                    .with_type("bench".into())
                    .with_content_type("a/cbor".into());
            }
            Looks::Compact => {
                return properties
                    .with_priority(0)
                    .with_message_id(format!("{number:032x}").into())
                    .with_content_type("application/vnd.algedonic".into());
            }
            Looks::Open => {}
        }
        let id = ShortString::from(format!("00000000-0000-7000-8000-{number:012x}"));
        let origin = LongString::from("00000000-0000-7000-8000-0000000000b5");
        let mut headers = FieldTable::default();
        headers.insert("algedonic-origin".into(), AMQPValue::LongString(origin));
        let time = AMQPValue::LongLongInt(1_795_287_600_000_001);
        headers.insert("algedonic-time".into(), time);
        properties
            .with_priority(0)
            .with_correlation_id(id.clone())
            .with_message_id(id)
            .with_timestamp(1_795_287_600)
            .with_type(ours::NAME.into())
            .with_content_type("application/cbor".into())
            .with_app_id(ours::SOURCE.into())
            .with_headers(headers)
    }

    pub(crate) async fn close(self) {
        let _ = self.publishing.close(200, "OK".into()).await;
        self.place.remove().await;
    }
}

/// Reads this queue on this channel.
pub(crate) async fn consume(channel: &Channel, queue: ShortString, prefetch: u16) -> Consumer {
    let qos = channel.basic_qos(prefetch, BasicQosOptions::default());
    qos.await.expect("prefetch");
    let (options, none) = (BasicConsumeOptions::default(), FieldTable::default());
    let consumer = channel.basic_consume(queue, "".into(), options, none);
    consumer.await.expect("a consumer")
}
