//! Connections that end after any number of bytes: of the handshake, of what is declared, of messages.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    ops::AddAssign,
    sync::Arc,
    time::Duration,
};

use algedonic_amqp::{Amqp, AmqpConfig};
use algedonic_test_broker::{End, Node, Proxy, Way, unique};
use algedonic_transport::{Arrival, BoxStream, ErrorKind, EventId, Outcome, Transport};
use futures_util::{FutureExt, StreamExt, future::join_all, stream::FuturesUnordered};
use tokio::time::{Instant, sleep, timeout};

use crate::{
    proxy::behind_a_proxy,
    seed::rng,
    support::{
        PATIENCE, Used, ctl, eventually, in_a_process_of_its_own, lapin_threads, message, node,
        receive, soon, up,
    },
};

/// More than the three connections of a transport exchange before the first message. After that it is
/// a message that is cut.
const BEGINNING: u64 = 4000;
/// So many transports at once.
const AT_ONCE: usize = 8;
/// By then an outcome is known: the confirm timeout, and as much for a machine that is busy.
const OUTCOME: Duration = Duration::from_secs(10);

/// A connection that ends.
#[derive(Clone, Copy, Debug)]
struct Cut {
    way: Way,
    after: u64,
    end: End,
}

fn each(positions: impl Iterator<Item = u64>, way: Way) -> impl Iterator<Item = Cut> {
    positions.map(move |after| Cut {
        way,
        after,
        // Neither is always at even bytes.
        end: if after % 3 == 1 {
            End::Reset
        } else {
            End::Close
        },
    })
}

#[test]
fn a_connection_may_end_after_any_byte() {
    in_a_process_of_its_own("faults::cuts::a_connection_may_end_after_any_byte", async {
        let mut rng = rng();
        let mut some = |way| each((rng.u64(0..20)..BEGINNING).step_by(20), way);
        let cuts = some(Way::ToServer).chain(some(Way::ToClient)).collect();
        all_of(cuts).await;
    });
}

#[test]
#[ignore = "takes minutes"]
fn a_connection_may_end_after_every_byte_to_the_broker() {
    in_a_process_of_its_own(
        "faults::cuts::a_connection_may_end_after_every_byte_to_the_broker",
        all_of(each(0..BEGINNING, Way::ToServer).collect()),
    );
}

#[test]
#[ignore = "takes minutes"]
fn a_connection_may_end_after_every_byte_from_the_broker() {
    in_a_process_of_its_own(
        "faults::cuts::a_connection_may_end_after_every_byte_from_the_broker",
        all_of(each(0..BEGINNING, Way::ToClient).collect()),
    );
}

/// What became of messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Books {
    sent: usize,
    confirmed: usize,
    not_routed: usize,
    unknown: usize,
    refused: usize,
    /// How long it took at most from the last cut to the next confirm.
    slowest: Duration,
}

impl AddAssign for Books {
    fn add_assign(&mut self, other: Self) {
        self.sent += other.sent;
        self.confirmed += other.confirmed;
        self.not_routed += other.not_routed;
        self.unknown += other.unknown;
        self.refused += other.refused;
        self.slowest = self.slowest.max(other.slowest);
    }
}

impl fmt::Display for Books {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            sent,
            confirmed,
            not_routed,
            unknown,
            refused,
            slowest,
        } = self;
        write!(
            f,
            "{sent} sent: {confirmed} confirmed, {not_routed} not routed, {unknown} unknown, \
             {refused} refused; up again within {slowest:?}"
        )
    }
}

/// Each cut in turn, on a transport of its own.
async fn all_of(cuts: Vec<Cut>) {
    let node = node().await;
    // What a process makes once, with its first connection, is there.
    in_turn(node.clone(), vec![]).await;
    let before = Used::now();
    let start = Instant::now();
    let shares: Vec<Vec<Cut>> = (0..AT_ONCE)
        .map(|number| cuts.iter().copied().skip(number).step_by(AT_ONCE).collect())
        .collect();
    let workers = shares
        .into_iter()
        .map(|cuts| tokio::spawn(in_turn(node.clone(), cuts)));
    let mut books = Books::default();
    for worker in join_all(workers).await {
        books += worker.expect("no panic");
    }
    println!("{} cuts in {:?}: {books}", cuts.len(), start.elapsed());
    assert_eq!(
        books.confirmed + books.not_routed + books.unknown + books.refused,
        books.sent
    );
    eventually("no thread and no descriptor is left", async || {
        lapin_threads() == 0 && Used::now().descriptors <= before.descriptors
    })
    .await;
    let lines = async |what: &[&str]| ctl(&node, what).await.lines().count();
    eventually("no connection is left", async || {
        lines(&["list_connections", "pid", "--no-table-headers"]).await == 0
    })
    .await;
    assert_eq!(
        lines(&["list_consumers", "queue_name", "--no-table-headers"]).await,
        0
    );
    // One of events, one of their dead letters, and the copies of signals.
    assert_eq!(
        lines(&["list_queues", "name", "--no-table-headers"]).await,
        3 * (AT_ONCE + 1)
    );
}

async fn in_turn(node: Arc<Node>, cuts: Vec<Cut>) -> Books {
    let url = node.url();
    let proxy = Proxy::before(&url).await.expect("a port");
    let config = AmqpConfig::new(&proxy.rewrite(&url))
        .expect("valid URL")
        .prefix(unique("cut"))
        .queue("q")
        .backoff_schedule([Duration::from_millis(20)]);
    let amqp = Amqp::new(config.clone()).expect("started");
    let _arrivals = receive(&amqp);
    up(&amqp).await;
    let [sent, came] = [Way::ToServer, Way::ToClient].map(|way| proxy.bytes(way));
    assert!(sent.max(came) < BEGINNING, "{sent} and {came} bytes");
    drop(amqp);
    let mut books = Books::default();
    for cut in cuts {
        let one = timeout(PATIENCE, one(&config, &proxy, cut)).await;
        books += one.unwrap_or_else(|_| panic!("not within {PATIENCE:?}: {cut:?}"));
    }
    eventually("none is carried", async || proxy.carried() == 0).await;
    books
}

/// A transport whose connections all end at this byte, again and again; then they do not.
async fn one(config: &AmqpConfig, proxy: &Proxy, cut: Cut) -> Books {
    proxy.cut_each_after(cut.way, cut.after, cut.end);
    let accepted = proxy.accepted();
    let amqp = Amqp::new(config.clone()).expect("started");
    let mut arrivals = receive(&amqp);
    let mut ledger = Ledger::default();
    // It makes three: the fourth says that one has ended.
    while proxy.accepted() < accepted + 4 {
        ledger.send(&amqp);
        ledger.take(&mut arrivals);
        sleep(Duration::from_millis(1)).await;
    }
    proxy.resume().await;
    let resumed = Instant::now();
    ledger.until_confirmed(&amqp, &mut arrivals).await;
    ledger.books.slowest = resumed.elapsed();
    up(&amqp).await;
    ledger.until_all_arrived(&mut arrivals).await;
    let closed = soon("close", amqp.close(Duration::from_secs(5))).await;
    assert_eq!(closed.unknown, 0, "{cut:?}");
    ledger.books
}

type Pending = futures_util::future::BoxFuture<
    'static,
    (usize, Instant, Result<Outcome, algedonic_transport::Error>),
>;

/// What was sent, in this order, and what became of it.
#[derive(Default)]
struct Ledger {
    sent: HashMap<EventId, usize>,
    pending: FuturesUnordered<Pending>,
    /// By their number.
    confirmed: Vec<usize>,
    refused: Vec<usize>,
    /// In the order of their first arrival.
    arrived: Vec<usize>,
    came: HashSet<usize>,
    books: Books,
}

impl Ledger {
    /// Sends one, if not too many are under way. Hears of those that were.
    fn send(&mut self, amqp: &Amqp) {
        if self.pending.len() < 100 {
            let number = self.sent.len();
            let message = message("a");
            self.sent.insert(message.metadata.id, number);
            self.books.sent += 1;
            let (since, outcome) = (Instant::now(), amqp.send(message));
            self.pending
                .push(async move { (number, since, outcome.await) }.boxed());
        }
        while let Some(Some(known)) = self.pending.next().now_or_never() {
            self.keep(known);
        }
    }

    fn keep(
        &mut self,
        (number, since, outcome): (usize, Instant, Result<Outcome, algedonic_transport::Error>),
    ) {
        assert!(
            since.elapsed() < OUTCOME,
            "{outcome:?} after {:?}",
            since.elapsed()
        );
        match outcome {
            Ok(Outcome::Confirmed) => {
                self.books.confirmed += 1;
                self.confirmed.push(number);
            }
            // The first ones, before there is a queue.
            Ok(Outcome::NotRouted) => self.books.not_routed += 1,
            Ok(Outcome::Unknown { .. }) => self.books.unknown += 1,
            Err(error) if matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Busy) => {
                self.books.refused += 1;
                self.refused.push(number);
            }
            other => panic!("{other:?}"),
        }
    }

    /// What has arrived by now.
    fn take(&mut self, arrivals: &mut BoxStream<Arrival>) {
        while let Some(arrival) = arrivals.next().now_or_never() {
            self.arrive(arrival);
        }
    }

    fn arrive(&mut self, arrival: Option<Arrival>) {
        let Some(Arrival::Message(delivery)) = arrival else {
            panic!("expected a message, not {arrival:?}");
        };
        // One that is not ours was left by the transport before this one.
        if let Some(number) = self.sent.get(&delivery.message().metadata.id)
            && self.came.insert(*number)
        {
            self.arrived.push(*number);
        }
        delivery.ack();
    }

    /// Sends until one of them is confirmed that was sent after now.
    async fn until_confirmed(&mut self, amqp: &Amqp, arrivals: &mut BoxStream<Arrival>) {
        let first = self.sent.len();
        while self.confirmed.last().is_none_or(|last| *last < first) {
            self.send(amqp);
            self.take(arrivals);
            sleep(Duration::from_millis(1)).await;
        }
    }

    /// Waits for every outcome, and for every message that was confirmed.
    async fn until_all_arrived(&mut self, arrivals: &mut BoxStream<Arrival>) {
        while let Some(known) = soon("an outcome", self.pending.next()).await {
            self.keep(known);
        }
        self.confirmed.sort_unstable();
        for number in &self.confirmed.clone() {
            while !self.came.contains(number) {
                let arrival = soon("what was confirmed", arrivals.next()).await;
                self.arrive(arrival);
            }
        }
        assert!(self.arrived.is_sorted(), "the order is another one");
        let mut stayed = self.refused.iter();
        assert!(
            stayed.all(|number| !self.came.contains(number)),
            "it was refused, and came"
        );
    }
}

#[test]
fn cuts_at_random_bytes_of_messages_lose_none_that_was_confirmed() {
    in_a_process_of_its_own(
        "faults::cuts::cuts_at_random_bytes_of_messages_lose_none_that_was_confirmed",
        at_random(60),
    );
}

#[test]
#[ignore = "takes minutes"]
fn a_thousand_cuts_at_random_bytes_of_messages_lose_none_that_was_confirmed() {
    in_a_process_of_its_own(
        "faults::cuts::a_thousand_cuts_at_random_bytes_of_messages_lose_none_that_was_confirmed",
        at_random(1000),
    );
}

async fn at_random(cuts: u32) {
    let (config, proxy) = behind_a_proxy().await;
    let config = config
        .queue("q")
        .backoff_schedule([Duration::from_millis(20)]);
    let amqp = Amqp::new(config).expect("started");
    let mut arrivals = receive(&amqp);
    up(&amqp).await;
    let mut rng = rng();
    let mut ledger = Ledger::default();
    let start = Instant::now();
    for _ in 0..cuts {
        let way = if rng.bool() {
            Way::ToServer
        } else {
            Way::ToClient
        };
        let end = if rng.bool() { End::Close } else { End::Reset };
        proxy.cut_after(way, rng.u64(0..20_000), end);
        soon("a cut", async {
            while proxy.cut_is_pending() {
                ledger.send(&amqp);
                ledger.take(&mut arrivals);
                tokio::task::yield_now().await;
            }
        })
        .await;
        let cut = Instant::now();
        let confirmed = ledger.until_confirmed(&amqp, &mut arrivals);
        soon("a confirm after the cut", confirmed).await;
        ledger.books.slowest = ledger.books.slowest.max(cut.elapsed());
    }
    up(&amqp).await;
    ledger.until_all_arrived(&mut arrivals).await;
    println!("{cuts} cuts in {:?}: {}", start.elapsed(), ledger.books);
    assert_eq!((ledger.books.not_routed, ledger.books.unknown), (0, 0));
    soon("close", amqp.close(Duration::from_secs(5))).await;
    drop(proxy);
    eventually("no thread is left", async || lapin_threads() == 0).await;
}
