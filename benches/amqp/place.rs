//! Where the messages of a round go: the same for every contender.

use lapin::{
    Channel, Connection, ConnectionProperties, ExchangeKind,
    options::{
        ExchangeDeclareOptions, ExchangeDeleteOptions, QueueBindOptions, QueueDeclareOptions,
        QueueDeleteOptions,
    },
    types::{AMQPValue, FieldTable, ShortString},
};

use crate::speed::Setting;

/// A durable topic exchange, and a durable queue bound to all of its keys.
pub(crate) struct Place {
    connection: Connection,
    pub(crate) channel: Channel,
    /// The queue is called the same.
    pub(crate) exchange: ShortString,
}

impl Place {
    pub(crate) async fn make(setting: &Setting, exchange: &str) -> Self {
        let connection = connect(&setting.url, 128 * 1024).await;
        let channel = connection.create_channel().await.expect("a channel");
        let exchange = ShortString::from(exchange);
        let options = ExchangeDeclareOptions {
            durable: true,
            ..ExchangeDeclareOptions::default()
        };
        let none = FieldTable::default;
        let topic = ExchangeKind::Topic;
        let declared = channel.exchange_declare(exchange.clone(), topic, options, none());
        declared.await.expect("an exchange");
        let mut arguments = FieldTable::default();
        let kind = AMQPValue::LongString(setting.kind.as_str().into());
        arguments.insert("x-queue-type".into(), kind);
        // Half a minute without a use, and it is gone.
        arguments.insert("x-expires".into(), AMQPValue::LongInt(30_000));
        let options = QueueDeclareOptions {
            durable: true,
            ..QueueDeclareOptions::default()
        };
        let declared = channel.queue_declare(exchange.clone(), options, arguments);
        declared.await.expect("a queue");
        let options = QueueBindOptions::default();
        let bound = channel.queue_bind(
            exchange.clone(),
            exchange.clone(),
            "#".into(),
            options,
            none(),
        );
        bound.await.expect("bound");
        Self {
            connection,
            channel,
            exchange,
        }
    }

    /// Takes the queue away with what is in it, so that the next round finds the broker as this one did.
    pub(crate) async fn remove(self) {
        take_away(
            &self.channel,
            &[self.exchange.as_str()],
            self.exchange.as_str(),
        )
        .await;
        let _ = self.connection.close(200, "OK".into()).await;
    }
}

/// Takes these queues away, and this exchange, by a connection of its own.
pub(crate) async fn remove(url: &str, queues: &[String], exchange: &str) {
    let connection = connect(url, 128 * 1024).await;
    let channel = connection.create_channel().await.expect("a channel");
    let queues: Vec<&str> = queues.iter().map(String::as_str).collect();
    take_away(&channel, &queues, exchange).await;
    let _ = connection.close(200, "OK".into()).await;
}

async fn take_away(channel: &Channel, queues: &[&str], exchange: &str) {
    for &queue in queues {
        let deleted = channel.queue_delete(queue.into(), QueueDeleteOptions::default());
        deleted.await.expect("deleted");
    }
    let deleted = channel.exchange_delete(exchange.into(), ExchangeDeleteOptions::default());
    deleted.await.expect("deleted");
}

/// A connection of lapin's with frames of this size, in bytes; its buffers go by that.
pub(crate) async fn connect(url: &str, frame_max: u32) -> Connection {
    let url = format!("{url}?frame_max={frame_max}");
    let connection = Connection::connect(&url, ConnectionProperties::default()).await;
    connection.expect("connected")
}
