//! How many messages a second: what who publishes does in a round.

use std::{
    collections::VecDeque,
    future::poll_fn,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    task::Poll,
    time::Duration,
};

use algedonic::{
    amqp::WireForm,
    transport::{Outcome, Transport},
};
use algedonic_test_broker::unique;
use bytes::Bytes;
use futures_util::future::join_all;
use lapin::Confirmation;

use crate::{
    node::Node,
    ours,
    place::Place,
    raw::{Looks, Raw},
    round::{Contender, Took, Watch},
    speed::{Case, MANY, Setting, WINDOW, contender},
};

const FEW: u32 = 1_000;

/// Who publishes.
#[derive(Clone, Copy)]
enum Callers {
    /// One, who keeps a window full.
    Window,
    /// So many, each of whom awaits the outcome before the next.
    Each(usize),
}

impl Callers {
    fn messages(self) -> u32 {
        match self {
            Self::Each(1) => FEW,
            _ => MANY,
        }
    }
}

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case {
            rows: &[
                ("publish-window-512", 0, 2),
                ("publish-window-512", 0, 3),
                ("publish-window-512", 0, 5),
                ("publish-window-512-open", 1, 2),
                ("publish-window-512-open", 1, 4),
                ("publish-window-512-open", 1, 5),
            ],
            contenders: |setting| {
                let callers = Callers::Window;
                vec![
                    transport("ours", setting, callers, COMPACT),
                    transport("ours, open", setting, callers, OPEN),
                    lapin("lapin", setting, callers, Looks::Least),
                    lapin("lapin, like compact", setting, callers, Looks::Compact),
                    lapin("lapin, like open", setting, callers, Looks::Open),
                    amqplib(setting, callers),
                ]
            },
        },
        Case {
            rows: &[
                ("publish-512-callers", 0, 1),
                ("publish-512-callers", 0, 2),
                ("publish-512-callers", 0, 3),
            ],
            contenders: |setting| {
                let callers = Callers::Each(WINDOW);
                vec![
                    transport("ours", setting, callers, COMPACT),
                    lapin("lapin", setting, callers, Looks::Least),
                    lapin_out_of_turn(setting),
                    amqplib(setting, callers),
                ]
            },
        },
        Case {
            rows: &[("publish-one-caller", 0, 1), ("publish-one-caller", 0, 2)],
            contenders: |setting| {
                let callers = Callers::Each(1);
                vec![
                    transport("ours", setting, callers, COMPACT),
                    lapin("lapin", setting, callers, Looks::Least),
                    amqplib(setting, callers),
                ]
            },
        },
        Case {
            rows: &[
                ("publish-two-connections", 0, 1),
                ("publish-four-connections", 2, 1),
            ],
            contenders: |setting| {
                let by = |connections| Manner {
                    form: WireForm::Open,
                    connections,
                    many_keys: true,
                };
                let callers = Callers::Window;
                vec![
                    transport("two", setting, callers, by(2)),
                    transport("ours with one", setting, callers, by(1)),
                    transport("four", setting, callers, by(4)),
                ]
            },
        },
    ]
}

/// How we publish.
#[derive(Clone, Copy)]
struct Manner {
    form: WireForm,
    connections: usize,
    many_keys: bool,
}

const COMPACT: Manner = Manner {
    form: WireForm::Compact,
    connections: 1,
    many_keys: false,
};

const OPEN: Manner = Manner {
    form: WireForm::Open,
    ..COMPACT
};

fn transport(name: &'static str, setting: &Setting, callers: Callers, manner: Manner) -> Contender {
    contender(
        name,
        callers.messages(),
        setting,
        move |setting, messages| publish_ours(setting, manner, callers, messages),
    )
}

fn lapin(name: &'static str, setting: &Setting, callers: Callers, looks: Looks) -> Contender {
    contender(
        name,
        callers.messages(),
        setting,
        move |setting, messages| publish_raw(setting, looks, callers, true, messages),
    )
}

/// Fast and wrong: now and then one caller is told the outcome of another's message.
fn lapin_out_of_turn(setting: &Setting) -> Contender {
    let callers = Callers::Each(WINDOW);
    contender(
        "lapin, out of turn",
        callers.messages(),
        setting,
        move |setting, messages| publish_raw(setting, Looks::Least, callers, false, messages),
    )
}

fn amqplib(setting: &Setting, callers: Callers) -> Contender {
    let node = Node::new();
    contender(
        "amqplib",
        callers.messages(),
        setting,
        move |setting, messages| {
            let node = node.clone();
            async move {
                let place = Place::make(&setting, &unique("node")).await;
                let callers = match callers {
                    Callers::Window => 0,
                    Callers::Each(callers) => callers,
                };
                let took = node
                    .publish(&setting, place.exchange.as_str(), callers, messages)
                    .await;
                place.remove().await;
                took
            }
        },
    )
}

async fn publish_ours(setting: Setting, manner: Manner, callers: Callers, messages: u32) -> Took {
    let config = ours::config(&setting, manner.form).publish_connections(manner.connections);
    let (amqp, place) = ours::publisher(&setting, config).await;
    let body = Bytes::from(vec![7; setting.bytes]);
    let sender = amqp.clone();
    let send = move |number: u32| -> Pin<Box<dyn Future<Output = _> + Send>> {
        let mut message = ours::message(&body);
        if manner.many_keys {
            message.metadata.key = ours::key(number);
        }
        sender.send(message)
    };
    let took = by(callers, messages, send, |outcome| {
        assert_eq!(outcome.expect("handed over"), Outcome::Confirmed);
    });
    let took = took.await;
    amqp.close(Duration::from_secs(5)).await;
    place.remove().await;
    took
}

async fn publish_raw(
    setting: Setting,
    looks: Looks,
    callers: Callers,
    in_turn: bool,
    messages: u32,
) -> Took {
    let raw = Arc::new(Raw::open(&setting, looks).await);
    let body = Bytes::from(vec![7; looks.envelope() + setting.bytes]);
    let sender = raw.clone();
    // One task need not mind its turn.
    let in_turn = in_turn && matches!(callers, Callers::Each(2..));
    let send = move |number| -> Pin<Box<dyn Future<Output = _> + Send>> {
        let (raw, body) = (sender.clone(), body.clone());
        Box::pin(async move {
            if in_turn {
                raw.publish_in_turn(number, &body).await
            } else {
                raw.publish(number, &body).await?.await
            }
        })
    };
    let took = by(callers, messages, send, |confirmation| {
        let confirmation = confirmation.expect("confirmed");
        assert!(matches!(confirmation, Confirmation::Ack(None)));
    });
    let took = took.await;
    if let Some(raw) = Arc::into_inner(raw) {
        raw.close().await;
    }
    took
}

type Sending<T> = Pin<Box<dyn Future<Output = T> + Send>>;

async fn by<T: Send + 'static>(
    callers: Callers,
    messages: u32,
    send: impl Fn(u32) -> Sending<T> + Send + Sync + 'static,
    check: fn(T),
) -> Took {
    let watch = Watch::start();
    match callers {
        Callers::Window => keep_full(messages, send, check).await,
        Callers::Each(callers) => each_awaits(callers, messages, send, check).await,
    }
    watch.took()
}

/// Has `WINDOW` of them under way; awaits the oldest before the next.
pub(crate) async fn keep_full<T>(messages: u32, send: impl Fn(u32) -> Sending<T>, check: fn(T)) {
    enum Flying<T> {
        Landed(T),
        Still(Sending<T>),
    }
    let land = async |flying: Flying<T>| {
        check(match flying {
            Flying::Landed(done) => done,
            Flying::Still(sending) => sending.await,
        });
    };
    let mut flying = VecDeque::with_capacity(WINDOW);
    for number in 0..messages {
        if flying.len() == WINDOW
            && let Some(oldest) = flying.pop_front()
        {
            land(oldest).await;
        }
        let mut sending = send(number);
        // The first poll puts it in its place.
        let first = poll_fn(|cx| Poll::Ready(sending.as_mut().poll(cx))).await;
        flying.push_back(match first {
            Poll::Ready(done) => Flying::Landed(done),
            Poll::Pending => Flying::Still(sending),
        });
    }
    for rest in flying {
        land(rest).await;
    }
}

async fn each_awaits<T: Send + 'static>(
    callers: usize,
    messages: u32,
    send: impl Fn(u32) -> Sending<T> + Send + Sync + 'static,
    check: fn(T),
) {
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
}
