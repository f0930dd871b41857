//! What the tests share: messages, transports with names of their own, and waits with deadlines.

use std::{
    fs, panic,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use algedonic_amqp::{Amqp, AmqpConfig};
use algedonic_test_broker::{Node, shared_url, unique};
use algedonic_transport::{
    Arrival, BoxStream, BusId, Delivery, EventId, Key, Lane, Link, Message, Metadata, Outcome,
    Pattern, Transport,
};
use futures_util::StreamExt;
use lapin::{Channel, Connection, ConnectionProperties};
use tokio::time::timeout;

/// Longer than anything here takes on a slow machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Awaits what must come.
pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    match timeout(PATIENCE, future).await {
        Ok(value) => value,
        Err(late) => panic!("not within {PATIENCE:?}: {what} ({late})"),
    }
}

/// The settings for the shared broker, with names that no other test has.
pub(crate) async fn config() -> AmqpConfig {
    let url = blocking(shared_url).await;
    AmqpConfig::new(&url)
        .expect("valid URL")
        .prefix(unique("it"))
}

/// The settings for a node of the test's own.
pub(crate) fn config_of(node: &Node) -> AmqpConfig {
    AmqpConfig::new(&node.url())
        .expect("valid URL")
        .prefix(unique("it"))
}

/// What the names of these settings begin with.
pub(crate) fn prefix_of(config: &AmqpConfig) -> String {
    let debug = format!("{config:?}");
    let after = debug.split("prefix: \"").nth(1).expect("shown");
    after.split('"').next().expect("closed").to_owned()
}

/// A private node, started without blocking the test's runtime.
pub(crate) async fn node() -> Arc<Node> {
    Arc::new(blocking(Node::start).await)
}

pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.expect("no panic")
}

pub(crate) async fn ctl(node: &Arc<Node>, arguments: &[&str]) -> String {
    let node = node.clone();
    let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
    blocking(move || node.ctl(&arguments.iter().map(String::as_str).collect::<Vec<_>>())).await
}

/// Has a node that is up import these definitions.
pub(crate) async fn import(node: &Arc<Node>, definitions: &str) {
    // A file that the server sees as well, wherever its root is.
    fs::write(node.folder().join("imported.json"), definitions).expect("written");
    let folder = "filename:dirname(os:getenv(\"RABBITMQ_CONFIG_FILE\")).";
    let folder = ctl(node, &["eval", folder]).await;
    let file = format!("{}/imported.json", folder.trim().trim_matches('"'));
    ctl(node, &["import_definitions", &file]).await;
}

pub(crate) fn message(key: &'static str) -> Message {
    let mut metadata = Metadata::new(Key::from_static(key), "test");
    metadata.origin = Some(BusId::new());
    Message::new(metadata, Lane::Event, "text/plain", "body")
}

/// One for the other lane.
pub(crate) fn signal(key: &'static str) -> Message {
    let mut message = message(key);
    message.lane = Lane::Signal;
    message
}

pub(crate) fn command(key: &'static str) -> Message {
    let mut message = message(key);
    message.lane = Lane::Command;
    message
}

/// Sends what must be confirmed, and gives its id.
pub(crate) async fn confirmed(amqp: &Amqp, message: Message) -> EventId {
    let id = message.metadata.id;
    match soon("an outcome", amqp.send(message)).await {
        Ok(Outcome::Confirmed) => id,
        other => panic!("expected a confirm, not {other:?}; {}", amqp.link()),
    }
}

pub(crate) fn everything() -> Vec<Pattern> {
    vec![Pattern::new("#").expect("a pattern")]
}

pub(crate) fn receive(amqp: &Amqp) -> BoxStream<Arrival> {
    receive_on(amqp, Lane::Event)
}

pub(crate) fn receive_on(amqp: &Amqp, lane: Lane) -> BoxStream<Arrival> {
    amqp.receive(lane, everything()).expect("first call")
}

/// Takes arrivals until this one comes.
pub(crate) async fn arrives(arrivals: &mut BoxStream<Arrival>, id: EventId) {
    loop {
        let delivery = next(arrivals).await;
        let found = delivery.message().metadata.id == id;
        delivery.ack();
        if found {
            return;
        }
    }
}

/// Waits for a link of this kind.
pub(crate) async fn link(amqp: &Amqp, what: &str, is: impl Fn(&Link) -> bool) -> Link {
    let mut links = amqp.links();
    let found = timeout(PATIENCE, async {
        loop {
            let link = links.next().await.expect("not closed");
            if is(&link) {
                return link;
            }
        }
    });
    match found.await {
        Ok(link) => link,
        Err(late) => panic!("{late}: {what}, but {:?}", amqp.link()),
    }
}

pub(crate) async fn up(amqp: &Amqp) {
    link(amqp, "the link is up", Link::is_up).await;
}

pub(crate) async fn next(arrivals: &mut BoxStream<Arrival>) -> Delivery {
    match soon("an arrival", arrivals.next()).await {
        Some(Arrival::Message(delivery)) => delivery,
        other => panic!("expected a message, not {other:?}"),
    }
}

/// A connection of an operator, to look at the broker and to upset it.
pub(crate) async fn operator(url: &str) -> (Connection, Channel) {
    let connection = soon(
        "connect",
        Connection::connect(url, ConnectionProperties::default()),
    )
    .await
    .expect("connected");
    let channel = soon("channel", connection.create_channel())
        .await
        .expect("opened");
    (connection, channel)
}

/// Looks again and again until it is so.
pub(crate) async fn eventually<F: Future<Output = bool>>(what: &str, mut is: impl FnMut() -> F) {
    soon(what, async {
        while !is().await {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
}

const ALONE: &str = "ALGEDONIC_TEST_ALONE";

/// Whether this is the process that [`alone`] has started.
pub(crate) fn is_alone() -> bool {
    std::env::var_os(ALONE).is_some()
}

/// Runs the calling test, by its full name, once more: in a process in which nothing else happens,
/// and whose environment says nothing of a broker but what `variables` say. Gives what it printed.
pub(crate) fn alone(test: &str, variables: &[(&str, &str)]) -> String {
    let mut command = Command::new(std::env::current_exe().expect("known"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("ALGEDONIC_AMQP_") {
            command.env_remove(name);
        }
    }
    let output = command
        .args(["--exact", test, "--include-ignored", "--nocapture"])
        .env(ALONE, "1")
        .envs(variables.iter().copied())
        .output()
        .expect("run");
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{printed}{complaint}");
    // A name that no test has runs none, and that succeeds.
    assert!(printed.contains(" 1 passed;"), "{test}: {printed}");
    printed
}

/// Does this work in a process in which nothing else happens, and no thread may panic; `test` is the full
/// name of the calling test.
pub(crate) fn in_a_process_of_its_own(test: &str, work: impl Future<Output = ()>) {
    static PANICS: AtomicUsize = AtomicUsize::new(0);
    if is_alone() {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            PANICS.fetch_add(1, Ordering::SeqCst);
            usual(info);
        }));
        let runtime = tokio::runtime::Runtime::new().expect("started");
        runtime.block_on(work);
        drop(runtime);
        assert_eq!(PANICS.load(Ordering::SeqCst), 0, "a thread has panicked");
    } else {
        print!("{}", alone(test, &[]));
    }
}

/// What this process has in use.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Used {
    pub(crate) descriptors: usize,
    /// Resident, in KiB.
    pub(crate) memory: u64,
}

impl Used {
    pub(crate) fn now() -> Self {
        let status = fs::read_to_string("/proc/self/status").expect("Linux");
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let resident = resident.and_then(|line| line.split_whitespace().next());
        Self {
            descriptors: fs::read_dir("/proc/self/fd").expect("Linux").count(),
            memory: resident.and_then(|kib| kib.parse().ok()).expect("a number"),
        }
    }
}

/// The threads of lapin in this process.
pub(crate) fn lapin_threads() -> usize {
    let tasks = fs::read_dir("/proc/self/task").expect("Linux");
    tasks
        .filter_map(|task| fs::read_to_string(task.ok()?.path().join("comm")).ok())
        .filter(|name| name.trim() == "lapin-io-loop")
        .count()
}
