//! Messages that wait for the channel after one that a single message has cost: what else may happen meanwhile.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use algedonic_amqp::Amqp;
use algedonic_transport::{BoxFuture, Error, ErrorKind, Link, LinkState, Outcome, Transport};
use futures_util::StreamExt;
use tokio::time::{Instant, sleep, timeout};

use super::{
    broker::{Broker, Lie, method},
    case::{CHANNEL, DECLARE, PUBLISH, close},
};
use crate::{
    raw::short,
    support::{confirmed, link, message, soon, up},
};

const KEYS: [&str; 8] = ["k0", "k1", "k2", "k3", "k4", "k5", "k6", "k7"];
/// How long a message may wait for its outcome.
const DEADLINE: Duration = Duration::from_secs(2);
/// For a busy machine.
const BUSY: Duration = Duration::from_secs(1);

type Answer = BoxFuture<Result<Outcome, Error>>;

/// How often each key was published, on whichever channel.
type Published = Arc<Mutex<HashMap<Vec<u8>, usize>>>;

/// A broker that closes the channel of every message whose key is `bad`.
struct Scene {
    broker: Broker,
    /// How many channels that has cost.
    lost: Arc<AtomicUsize>,
    published: Published,
}

impl Scene {
    /// `then` is what happens to the channels that are asked for afterwards: it is told how many are lost.
    async fn new(then: impl Fn(usize) -> Option<Lie> + Send + Sync + 'static) -> Self {
        let (lost, published) = (Arc::<AtomicUsize>::default(), Published::default());
        let (losses, all) = (lost.clone(), published.clone());
        let broker = Broker::start(move |asked| {
            if asked.method == PUBLISH {
                // After two bytes without a meaning comes the exchange, then the key.
                let key = &asked.arguments[3 + usize::from(asked.arguments[2])..];
                let key = &key[1..=usize::from(key[0])];
                *all.lock().expect("whole").entry(key.to_vec()).or_default() += 1;
                if key == b"bad" {
                    losses.fetch_add(1, Ordering::SeqCst);
                    return Some(Lie::of(&[close(asked.channel, 20, 403, b"ACCESS_REFUSED")]));
                }
            }
            let lost = losses.load(Ordering::SeqCst);
            (asked.method == CHANNEL && lost > 0)
                .then(|| then(lost))
                .flatten()
        })
        .await;
        Self {
            broker,
            lost,
            published,
        }
    }

    async fn start(&self) -> Amqp {
        let config = self.broker.config().connect_timeout(10 * DEADLINE);
        let config = config
            .confirm_timeout(DEADLINE)
            .backoff_schedule([Duration::from_millis(20)]);
        let amqp = Amqp::new(config).expect("started");
        up(&amqp).await;
        amqp
    }

    async fn loses(&self, channels: usize) {
        soon("a channel is lost", async {
            while self.lost.load(Ordering::SeqCst) < channels {
                sleep(Duration::from_millis(1)).await;
            }
        })
        .await;
    }

    /// Loses a channel, and sends while there is none; with when that was.
    async fn held(&self, amqp: &Amqp) -> (Instant, Vec<Answer>) {
        let bad = amqp.send(message("bad"));
        let rejected = soon("the refusal", bad).await.expect("handed over");
        assert!(matches!(rejected, Outcome::Rejected { .. }), "{rejected}");
        let since = Instant::now();
        (since, KEYS.map(|key| amqp.send(message(key))).into())
    }

    fn published(&self, key: &str) -> usize {
        let published = self.published.lock().expect("whole");
        published.get(key.as_bytes()).copied().unwrap_or_default()
    }
}

async fn all_fail(answers: Vec<Answer>, kind: ErrorKind) {
    for answer in answers {
        let error = soon("an outcome", answer).await.expect_err("not sent");
        assert_eq!(error.kind(), kind, "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_transport_is_closed() {
    let scene = Scene::new(|_| Some(Lie::default())).await;
    let amqp = scene.start().await;
    let (since, answers) = scene.held(&amqp).await;
    let closed = soon("close", amqp.close(DEADLINE / 2)).await;
    all_fail(answers, ErrorKind::Closed).await;
    assert!(since.elapsed() < DEADLINE, "{:?}", since.elapsed());
    assert_eq!(closed.unknown, KEYS.len() as u64);
    assert!(KEYS.iter().all(|key| scene.published(key) == 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_broker_is_frozen_or_blocks() {
    let blocked = || Lie::of(&[method(0, (10, 60), &short(b"low on memory"))]);
    for then in [Lie::default, blocked] {
        let scene = Scene::new(move |_| Some(then())).await;
        let amqp = scene.start().await;
        let (since, answers) = scene.held(&amqp).await;
        all_fail(answers, ErrorKind::Unavailable).await;
        let took = since.elapsed();
        assert!(took < DEADLINE + BUSY, "{took:?}");
        assert!(KEYS.iter().all(|key| scene.published(key) == 0));
        // And who comes now does not wait.
        let since = Instant::now();
        all_fail(vec![amqp.send(message("late"))], ErrorKind::Unavailable).await;
        assert!(since.elapsed() < BUSY, "{:?}", since.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_connection_is_lost() {
    let hung_up = AtomicBool::new(false);
    let scene = Scene::new(move |_| {
        let first = !hung_up.swap(true, Ordering::SeqCst);
        first.then(|| Lie::default().hangs_up())
    })
    .await;
    let amqp = scene.start().await;
    let (since, answers) = scene.held(&amqp).await;
    for answer in answers {
        let outcome = soon("an outcome", answer).await.expect("sent");
        assert_eq!(outcome, Outcome::Confirmed);
    }
    assert!(since.elapsed() < DEADLINE + BUSY, "{:?}", since.elapsed());
    assert!(KEYS.iter().all(|key| scene.published(key) == 1));
}

/// Each channel that is lost makes it a new wait, but no later than the message's own deadline.
#[tokio::test(flavor = "multi_thread")]
async fn another_channel_is_lost() {
    let scene = Scene::new(|lost| {
        if lost > 1 {
            return Some(Lie::default());
        }
        // Two of them: one for the exchange.
        std::thread::sleep(DEADLINE * 3 / 10);
        None
    })
    .await;
    let amqp = scene.start().await;
    let bad = [amqp.send(message("bad")), amqp.send(message("bad"))];
    scene.loses(1).await;
    let since = Instant::now();
    let answers: Vec<_> = KEYS.map(|key| amqp.send(message(key))).into();
    scene.loses(2).await;
    for answer in answers {
        // Those that came before the loss was known may have been on the channel.
        match soon("an outcome", answer).await {
            Err(error) => assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}"),
            Ok(outcome) => assert!(matches!(outcome, Outcome::Unknown { .. }), "{outcome}"),
        }
    }
    let took = since.elapsed();
    assert!(took < DEADLINE + BUSY / 2, "{took:?}");
    for bad in bad {
        let outcome = soon("an outcome", bad).await.expect("handed over");
        let known = matches!(outcome, Outcome::Rejected { .. } | Outcome::Unknown { .. });
        assert!(known, "{outcome}");
    }
}

/// An alarm is about the connection: no channel comes before its end, however long that takes, and the link says all
/// the time that there is one.
#[tokio::test(flavor = "multi_thread")]
async fn an_alarm_outlasts_the_channel() {
    let alarm = AtomicBool::new(false);
    let broker = Broker::start(move |asked| {
        (asked.method == PUBLISH && !alarm.swap(true, Ordering::SeqCst)).then(|| {
            let blocked = method(0, (10, 60), &short(b"low on memory"));
            let closed = close(asked.channel, 20, 403, b"ACCESS_REFUSED");
            let unblocked = method(0, (10, 61), b"");
            Lie::of(&[blocked, closed]).later(Duration::from_secs(3), &[unblocked])
        })
    })
    .await;
    let second = Duration::from_secs(1);
    let config = broker
        .config()
        .connect_timeout(second)
        .confirm_timeout(second);
    let amqp = Amqp::new(config).expect("started");
    up(&amqp).await;
    let before = broker.connections();
    let rejected = soon("the refusal", amqp.send(message("bad"))).await;
    let rejected = rejected.expect("handed over");
    assert!(matches!(rejected, Outcome::Rejected { .. }), "{rejected}");
    let blocked = |link: &Link| link.state == LinkState::Blocked;
    link(&amqp, "the alarm", blocked).await;
    let since = Instant::now();
    all_fail(vec![amqp.send(message("k0"))], ErrorKind::Unavailable).await;
    assert!(since.elapsed() < BUSY, "{:?}", since.elapsed());
    // Longer than connecting may take.
    let mut links = amqp.links();
    let next = async {
        loop {
            let link = links.next().await.expect("open");
            if link.state != LinkState::Blocked {
                return link;
            }
            assert!(link.to_string().contains("memory alarm"), "{link}");
        }
    };
    let after = soon("the end of the alarm", next).await;
    assert!(after.is_up(), "{after}");
    assert_eq!(broker.connections(), before);
    confirmed(&amqp, message("k0")).await;
}

/// The look after the exchange is not answered during an alarm either: its time begins anew afterwards.
#[tokio::test(flavor = "multi_thread")]
async fn an_alarm_outlasts_the_look_after_the_exchange() {
    let second = Duration::from_secs(1);
    // The first look comes after 30 s.
    let looks = AtomicUsize::new(0);
    let broker = Broker::start(move |asked| {
        let is_look = asked.method == DECLARE
            && asked.arguments.windows(7).any(|part| part == b".events")
            && looks.fetch_add(1, Ordering::SeqCst) == 1;
        is_look.then(|| {
            let blocked = method(0, (10, 60), &short(b"low on memory"));
            let unblocked = method(0, (10, 61), b"");
            Lie::of(&[blocked]).later(3 * second, &[unblocked])
        })
    })
    .await;
    let config = broker
        .config()
        .connect_timeout(second)
        .confirm_timeout(second)
        .heartbeat(60 * second);
    let amqp = Amqp::new(config).expect("started");
    up(&amqp).await;
    let before = broker.connections();
    let alarm = |link: &Link| link.state == LinkState::Blocked;
    let long = timeout(60 * second, async {
        let mut links = amqp.links();
        while !links.next().await.is_some_and(|link| alarm(&link)) {}
        while !links.next().await.is_some_and(|link| link.is_up()) {}
    });
    long.await.expect("an alarm, and its end");
    assert_eq!(broker.connections(), before, "{}", amqp.link());
    let next = timeout(3 * second, async {
        let mut links = amqp.links();
        while links.next().await.is_some_and(|link| link.is_up()) {}
    });
    assert!(next.await.is_err(), "{}", amqp.link());
    assert_eq!(broker.connections(), before);
}
