//! How many messages a second: what each contender does in a round.

use std::{
    collections::VecDeque,
    future::poll_fn,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    task::Poll,
    time::{Duration, Instant},
};

use algedonic::{
    amqp::WireForm,
    transport::{Arrival, Outcome, Transport},
};
use bytes::Bytes;
use futures_util::{StreamExt, future::join_all};
use lapin::{Confirmation, options::BasicAckOptions};

use crate::{
    ours::{self, Ours},
    raw::Raw,
    round::{Contender, Played},
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
}

pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) contenders: fn(&Setting) -> Vec<Contender>,
}

const WINDOW: usize = 512;
const MANY: u32 = 10_000;
const FEW: u32 = 1_000;
const PREFETCH: u16 = 100;

pub(crate) fn cases() -> Vec<Case> {
    fn publish(setting: &Setting, callers: usize, form: WireForm) -> Vec<Contender> {
        let messages = if callers == 1 { FEW } else { MANY };
        vec![
            contender("ours", messages, setting, move |setting| {
                publish_ours(setting, form, callers, messages)
            }),
            contender("lapin", messages, setting, move |setting| {
                publish_raw(setting, callers, messages)
            }),
        ]
    }
    vec![
        Case {
            name: "publish-window-512",
            contenders: |setting| publish(setting, 0, WireForm::Compact),
        },
        Case {
            name: "publish-window-512-open",
            contenders: |setting| publish(setting, 0, WireForm::Open),
        },
        Case {
            name: "publish-512-callers",
            contenders: |setting| publish(setting, WINDOW, WireForm::Compact),
        },
        Case {
            name: "publish-one-caller",
            contenders: |setting| publish(setting, 1, WireForm::Compact),
        },
        Case {
            name: "consume",
            contenders: |setting| {
                vec![
                    contender("ours", MANY, setting, |setting| {
                        consume_ours(setting, WireForm::Compact)
                    }),
                    contender("lapin, multiple/50", MANY, setting, |setting| {
                        consume_raw(setting, true)
                    }),
                    contender("lapin, delivery.ack", MANY, setting, |setting| {
                        consume_raw(setting, false)
                    }),
                ]
            },
        },
    ]
}

fn contender<F: Future<Output = Duration> + 'static>(
    name: &'static str,
    messages: u32,
    setting: &Setting,
    play: impl Fn(Setting) -> F + 'static,
) -> Contender {
    let setting = setting.clone();
    Contender {
        name,
        messages,
        play: Box::new(move || Box::pin(play(setting.clone())) as Played),
    }
}

/// What all of `callers` have left to do; 0 callers: one who keeps a window full.
async fn by_callers<T: Send + 'static>(
    callers: usize,
    messages: u32,
    send: impl Fn(u32) -> Pin<Box<dyn Future<Output = T> + Send>> + Send + Sync + 'static,
    check: fn(T),
) -> Duration {
    let start = Instant::now();
    if callers == 0 {
        let mut flying = VecDeque::with_capacity(WINDOW);
        for number in 0..messages {
            if flying.len() == WINDOW
                && let Some(oldest) = flying.pop_front()
            {
                check(Box::into_pin(oldest).await);
            }
            let mut sending = send(number);
            // The first poll puts it in its place.
            let first = poll_fn(|cx| Poll::Ready(sending.as_mut().poll(cx))).await;
            flying.push_back(match first {
                Poll::Ready(done) => {
                    Box::new(std::future::ready(done)) as Box<dyn Future<Output = T> + Send>
                }
                Poll::Pending => Box::new(sending),
            });
        }
        for rest in flying {
            check(Box::into_pin(rest).await);
        }
        return start.elapsed();
    }
    let (next, send) = (Arc::new(AtomicU32::new(0)), Arc::new(send));
    let tasks = (0..callers).map(|_| {
        let (next, send) = (next.clone(), send.clone());
        tokio::spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= messages {
                    return;
                }
                check(send(number).await);
            }
        })
    });
    for ended in join_all(tasks).await {
        ended.expect("no caller panics");
    }
    start.elapsed()
}

async fn publish_ours(setting: Setting, form: WireForm, callers: usize, messages: u32) -> Duration {
    let Ours { amqp, arrivals } = Ours::open(ours::config(&setting, form)).await;
    // The queue stays.
    drop(arrivals);
    let body = Bytes::from(vec![7; setting.bytes]);
    let amqp = Arc::new(amqp);
    let sender = amqp.clone();
    let send =
        move |_| -> Pin<Box<dyn Future<Output = _> + Send>> { sender.send(ours::message(&body)) };
    let took = by_callers(callers, messages, send, |outcome| {
        assert_eq!(outcome.expect("handed over"), Outcome::Confirmed);
    });
    let took = took.await;
    amqp.close(Duration::from_secs(5)).await;
    took
}

async fn publish_raw(setting: Setting, callers: usize, messages: u32) -> Duration {
    let raw = Arc::new(Raw::open(&setting).await);
    let body = vec![7; setting.bytes];
    let sender = raw.clone();
    let send = move |number| -> Pin<Box<dyn Future<Output = _> + Send>> {
        let sending = sender.publish(number, &body);
        Box::pin(async move { sending.await?.await })
    };
    let took = by_callers(callers, messages, send, |confirmation| {
        let confirmation = confirmation.expect("confirmed");
        assert!(matches!(confirmation, Confirmation::Ack(None)));
    });
    let took = took.await;
    if let Some(raw) = Arc::into_inner(raw) {
        raw.close().await;
    }
    took
}

async fn consume_ours(setting: Setting, form: WireForm) -> Duration {
    let config = ours::config(&setting, form)
        .queue("consume")
        .prefetch(PREFETCH)
        .window(WINDOW);
    let Ours { amqp, arrivals } = Ours::open(config.clone()).await;
    drop(arrivals);
    let body = Bytes::from(vec![7; setting.bytes]);
    let sender = Arc::new(amqp);
    let amqp = sender.clone();
    let send =
        move |_| -> Pin<Box<dyn Future<Output = _> + Send>> { sender.send(ours::message(&body)) };
    let fill = by_callers(0, MANY, send, |outcome| {
        assert_eq!(outcome.expect("handed over"), Outcome::Confirmed);
    });
    fill.await;
    amqp.close(Duration::from_secs(5)).await;
    let Ours { amqp, mut arrivals } = Ours::open(config).await;
    let mut start = Instant::now();
    for number in 0..MANY {
        match arrivals.next().await {
            Some(Arrival::Message(delivery)) => delivery.ack(),
            other => panic!("not a message: {other:?}"),
        }
        if number == 0 {
            start = Instant::now();
        }
    }
    let took = start.elapsed();
    amqp.close(Duration::from_secs(5)).await;
    took
}

async fn consume_raw(setting: Setting, multiple: bool) -> Duration {
    let raw = Raw::open(&setting).await;
    let body = vec![7; setting.bytes];
    let mut flying = VecDeque::new();
    for number in 0..MANY {
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
    let mut consumer = raw.consume(PREFETCH).await;
    let mut start = Instant::now();
    for number in 0..MANY {
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
            start = Instant::now();
        }
    }
    let took = start.elapsed();
    raw.close().await;
    took
}
