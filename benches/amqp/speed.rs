//! How many messages a second: what each contender does in a round.

use std::time::Duration;

use algedonic::{
    amqp::{AmqpConfig, Purpose, WireForm},
    transport::{Arrival, Outcome, Transport},
};
use bytes::Bytes;
use futures_util::StreamExt;
use lapin::options::BasicAckOptions;

use crate::{
    node::Node,
    ours::{self, Ours},
    place,
    publish::{self, keep_full},
    raw,
    round::{Contender, Played, Took, Watch},
};

#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Classic,
    Quorum,
}

impl Kind {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Classic => "classic",
            Self::Quorum => "quorum",
        }
    }
}

/// What a case is played with.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    pub(crate) url: String,
    pub(crate) kind: Kind,
    pub(crate) bytes: usize,
    /// Half of the messages must do.
    pub(crate) quick: bool,
}

pub(crate) struct Case {
    pub(crate) contenders: fn(&Setting) -> Vec<Contender>,
    /// The name of each, and which of the contenders it compares: ours, and a peer.
    pub(crate) rows: &'static [(&'static str, usize, usize)],
}

pub(crate) const WINDOW: usize = 512;
pub(crate) const MANY: u32 = 20_000;
const PREFETCH: u16 = 100;

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = publish::cases();
    cases.push(Case {
        rows: &[("consume", 0, 1), ("consume", 0, 2), ("consume", 0, 3)],
        contenders: |setting| {
            vec![
                contender("ours", MANY, setting, consume_ours),
                contender("lapin, multiple/50", MANY, setting, |setting, messages| {
                    consume_raw(setting, true, messages)
                }),
                contender("lapin, delivery.ack", MANY, setting, |setting, messages| {
                    consume_raw(setting, false, messages)
                }),
                consume_by_node(setting),
            ]
        },
    });
    cases
}

pub(crate) fn contender<F: Future<Output = Took> + 'static>(
    name: &'static str,
    messages: u32,
    setting: &Setting,
    play: impl Fn(Setting, u32) -> F + 'static,
) -> Contender {
    let setting = setting.clone();
    let messages = if setting.quick {
        messages / 2
    } else {
        messages
    };
    Contender {
        name,
        messages,
        play: Box::new(move || Box::pin(play(setting.clone(), messages)) as Played),
    }
}

/// Messages of ours, in a queue that we have declared: what each contender reads.
struct Stock(AmqpConfig);

impl Stock {
    async fn fill(setting: &Setting, messages: u32) -> Self {
        let config = ours::config(setting, WireForm::Compact)
            .queue("consume")
            .prefetch(PREFETCH)
            .window(WINDOW);
        let Ours { amqp, arrivals } = Ours::open(config.clone()).await;
        drop(arrivals);
        let body = Bytes::from(vec![7; setting.bytes]);
        let send = |_| amqp.send(ours::message(&body));
        keep_full(messages, send, |outcome| {
            assert_eq!(outcome.expect("handed over"), Outcome::Confirmed);
        })
        .await;
        amqp.close(Duration::from_secs(5)).await;
        Self(config)
    }

    fn queue(&self) -> String {
        self.0.queue_name(Purpose::Events)
    }

    /// Takes all away that was declared, so that the next round finds the broker as this one did.
    async fn remove(self, setting: &Setting) {
        let Self(config) = self;
        let queues = [
            config.queue_name(Purpose::Events),
            config.dead_letter_queue_name(Purpose::Events),
        ];
        let exchange = config.exchange_name(Purpose::Events);
        place::remove(&setting.url, &queues, &exchange).await;
    }
}

async fn consume_ours(setting: Setting, messages: u32) -> Took {
    let stock = Stock::fill(&setting, messages).await;
    let Ours { amqp, mut arrivals } = Ours::open(stock.0.clone()).await;
    let mut watch = Watch::start();
    for number in 0..messages {
        match arrivals.next().await {
            Some(Arrival::Message(delivery)) => delivery.ack(),
            other => panic!("not a message: {other:?}"),
        }
        if number == 0 {
            watch = Watch::start();
        }
    }
    let took = watch.took();
    amqp.close(Duration::from_secs(5)).await;
    stock.remove(&setting).await;
    took
}

async fn consume_raw(setting: Setting, multiple: bool, messages: u32) -> Took {
    let stock = Stock::fill(&setting, messages).await;
    let connection = place::connect(&setting.url, 128 * 1024).await;
    let channel = connection.create_channel().await.expect("a channel");
    let mut consumer = raw::consume(&channel, stock.queue().into(), PREFETCH).await;
    let mut watch = Watch::start();
    for number in 0..messages {
        let delivery = consumer.next().await.expect("open").expect("a message");
        if !multiple {
            delivery
                .ack(BasicAckOptions::default())
                .await
                .expect("acked");
        } else if number % 50 == 49 {
            let options = BasicAckOptions { multiple: true };
            let acked = channel.basic_ack(delivery.delivery_tag, options);
            acked.await.expect("acked");
        }
        if number == 0 {
            watch = Watch::start();
        }
    }
    let took = watch.took();
    let _ = connection.close(200, "OK".into()).await;
    stock.remove(&setting).await;
    took
}

fn consume_by_node(setting: &Setting) -> Contender {
    let node = Node::new();
    contender("amqplib", MANY, setting, move |setting, messages| {
        let node = node.clone();
        async move {
            let stock = Stock::fill(&setting, messages).await;
            let took = node.consume(&setting, &stock.queue(), messages).await;
            stock.remove(&setting).await;
            took
        }
    })
}
