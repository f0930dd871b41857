//! How many messages a second: what each contender does in a round.

use std::{collections::VecDeque, time::Duration};

use algedonic::{
    amqp::WireForm,
    transport::{Arrival, Outcome, Transport},
};
use bytes::Bytes;
use futures_util::StreamExt;
use lapin::options::BasicAckOptions;

use crate::{
    node::Node,
    ours::{self, Ours},
    publish::{self, keep_full},
    raw::Raw,
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
                contender("ours", MANY, setting, |setting, messages| {
                    consume_ours(setting, WireForm::Compact, messages)
                }),
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

async fn consume_ours(setting: Setting, form: WireForm, messages: u32) -> Took {
    let config = ours::config(&setting, form)
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
    let Ours { amqp, mut arrivals } = Ours::open(config).await;
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
    took
}

async fn consume_raw(setting: Setting, multiple: bool, messages: u32) -> Took {
    let raw = filled(&setting, messages).await;
    let mut consumer = raw.consume(PREFETCH).await;
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
            let acked = raw.acks.basic_ack(delivery.delivery_tag, options);
            acked.await.expect("acked");
        }
        if number == 0 {
            watch = Watch::start();
        }
    }
    let took = watch.took();
    raw.close().await;
    took
}

/// With so many messages to consume.
async fn filled(setting: &Setting, messages: u32) -> Raw {
    let raw = Raw::open(setting).await;
    let body = vec![7; setting.bytes];
    let mut flying = VecDeque::new();
    for number in 0..messages {
        if flying.len() == WINDOW
            && let Some(oldest) = flying.pop_front()
        {
            let confirm: lapin::Result<lapin::PublisherConfirm> = oldest;
            confirm.expect("written").await.expect("confirmed");
        }
        flying.push_back(raw.publish(number, &body).await);
    }
    for rest in flying {
        rest.expect("written").await.expect("confirmed");
    }
    raw
}

fn consume_by_node(setting: &Setting) -> Contender {
    let node = Node::new();
    contender("amqplib", MANY, setting, move |setting, messages| {
        let node = node.clone();
        async move {
            let raw = filled(&setting, messages).await;
            let took = node.consume(&setting, raw.queue(), messages).await;
            raw.close().await;
            took
        }
    })
}
