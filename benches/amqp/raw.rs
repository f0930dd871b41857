//! Bare lapin, as its fastest user would drive it: what is sent is queued without awaiting the write,
//! and acks are told for many at a time.

use algedonic_test_broker::unique;
use lapin::{
    BasicProperties, Channel, Connection, ConnectionProperties, Consumer, ExchangeKind,
    PublisherConfirm,
    options::{
        BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, ConfirmSelectOptions,
        ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
    },
    types::{AMQPValue, FieldTable, ShortString},
};

use crate::speed::Setting;

/// Two connections, one to publish and one to consume, and a queue bound to an exchange of its name.
pub(crate) struct Raw {
    publishing: Connection,
    consuming: Connection,
    pub(crate) publisher: Channel,
    pub(crate) acks: Channel,
    pub(crate) queue: ShortString,
}

impl Raw {
    pub(crate) async fn open(setting: &Setting) -> Self {
        // Buffers of the same size as ours.
        let connect = async |frame_max: u32| {
            let url = format!("{}?frame_max={frame_max}", setting.url);
            let connection = Connection::connect(&url, ConnectionProperties::default()).await;
            connection.expect("connected")
        };
        let (publishing, consuming) = (connect(32 * 1024).await, connect(128 * 1024).await);
        let publisher = publishing.create_channel().await.expect("a channel");
        let confirms = publisher.confirm_select(ConfirmSelectOptions::default());
        confirms.await.expect("confirms");
        let acks = consuming.create_channel().await.expect("a channel");
        let queue = ShortString::from(unique("raw"));
        let mut arguments = FieldTable::default();
        let kind = AMQPValue::LongString(setting.kind.as_str().into());
        arguments.insert("x-queue-type".into(), kind);
        // Half a minute without a use, and it is gone.
        arguments.insert("x-expires".into(), AMQPValue::LongInt(30_000));
        let options = QueueDeclareOptions {
            durable: true,
            ..QueueDeclareOptions::default()
        };
        let declared = acks.queue_declare(queue.clone(), options, arguments);
        declared.await.expect("a queue");
        // As ours does: by a topic exchange.
        let exchange = ExchangeDeclareOptions {
            durable: true,
            auto_delete: true,
            ..ExchangeDeclareOptions::default()
        };
        let topic = ExchangeKind::Topic;
        let declared = acks.exchange_declare(queue.clone(), topic, exchange, FieldTable::default());
        declared.await.expect("an exchange");
        let bound = acks.queue_bind(
            queue.clone(),
            queue.clone(),
            "#".into(),
            QueueBindOptions::default(),
            FieldTable::default(),
        );
        bound.await.expect("bound");
        Self {
            publishing,
            consuming,
            publisher,
            acks,
            queue,
        }
    }

    pub(crate) async fn consume(&self, prefetch: u16) -> Consumer {
        let qos = self.acks.basic_qos(prefetch, BasicQosOptions::default());
        qos.await.expect("prefetch");
        let consumer = self.acks.basic_consume(
            self.queue.clone(),
            "".into(),
            BasicConsumeOptions::default(),
            FieldTable::default(),
        );
        consumer.await.expect("a consumer")
    }

    /// Persistent and mandatory, with the least of properties: an id, a type, a content type.
    pub(crate) fn publish(
        &self,
        number: u32,
        body: &[u8],
    ) -> impl Future<Output = lapin::Result<PublisherConfirm>> + Send + use<> {
        let properties = BasicProperties::default()
            .with_delivery_mode(2)
            .with_message_id(number.to_string().into())
            .with_type("bench".into())
            .with_content_type("a/cbor".into());
        let options = BasicPublishOptions {
            mandatory: true,
            ..BasicPublishOptions::default()
        };
        let (channel, queue, body) = (self.publisher.clone(), self.queue.clone(), body.to_vec());
        async move {
            channel
                .basic_publish(queue, "bench.reading".into(), options, &body, properties)
                .await
        }
    }

    pub(crate) async fn close(self) {
        let _ = self.publishing.close(200, "OK".into()).await;
        let _ = self.consuming.close(200, "OK".into()).await;
    }
}
