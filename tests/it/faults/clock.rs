use std::{
    collections::HashSet,
    env, fs,
    path::PathBuf,
    process::{self, Command},
    time::{Duration, Instant, SystemTime},
};

use algedonic::{Buffer, Bus, PublishOptions, Remote, resilience::breaker::BreakerConfig};
use algedonic_test_broker::Node;
use futures_util::future::join_all;

use super::broker::{command, node};
use crate::{
    events::Tick,
    patience::{until, within},
    rabbitmq::{bus, bus_of, config, link_is, mirror},
};

const HOUR: i64 = 3600;
const SECOND: Duration = Duration::from_secs(1);
/// Of the mirror's transport in this test.
const CONFIRM: Duration = Duration::from_secs(3);
/// What a busy machine may take longer than it should: far less than the clock jumps.
const BUSY: Duration = Duration::from_secs(10);

/// Where the child finds by how much its clock is wrong.
const FILE: &str = "FAKETIME_TIMESTAMP_FILE";

/// The wall clock of this process, which libfaketime moves. The monotonic one stays.
struct Clock(PathBuf);

impl Clock {
    /// The file in which that is written down, if this process has such a clock.
    fn ours() -> Option<Self> {
        env::var_os(FILE).map(|file| Self(file.into()))
    }

    /// Steps to so many seconds before or after the right time.
    fn step(&self, seconds: i64) {
        let next = self.0.with_extension("next");
        fs::write(&next, format!("{seconds:+}\n")).expect("written");
        // At once, or somebody would read half of it.
        fs::rename(&next, &self.0).expect("renamed");
    }
}

impl Drop for Clock {
    fn drop(&mut self) {
        self.step(0);
    }
}

/// The library, where Debian has it, or where the environment says that it is.
fn libfaketime() -> PathBuf {
    let usual = || {
        let libraries = fs::read_dir("/usr/lib").ok()?.flatten();
        let mut found = libraries.map(|entry| entry.path().join("faketime/libfaketimeMT.so.1"));
        found.find(|library| library.exists())
    };
    env::var_os("ALGEDONIC_TEST_FAKETIME")
        .map(PathBuf::from)
        .or_else(usual)
        .expect(
            "this test needs libfaketime: apt-get install -y --no-install-recommends libfaketime, or \
             ALGEDONIC_TEST_FAKETIME=/path/to/libfaketimeMT.so.1",
        )
}

/// Runs in a process of its own, whose clock jumps.
#[test]
fn a_clock_that_jumps_is_felt_by_nothing_but_what_ends_at_a_time_of_day() {
    if let Some(clock) = Clock::ours() {
        let runtime = tokio::runtime::Runtime::new().expect("started");
        runtime.block_on(jumps(clock));
        return;
    }
    let file = env::temp_dir().join(format!("algedonic-clock-{}", process::id()));
    Clock(file.clone()).step(0);
    let output = Command::new(env::current_exe().expect("known"))
        .args([
            "--exact",
            "faults::clock::a_clock_that_jumps_is_felt_by_nothing_but_what_ends_at_a_time_of_day",
            "--nocapture",
        ])
        .env(FILE, &file)
        .env("LD_PRELOAD", libfaketime())
        .env("FAKETIME_NO_CACHE", "1")
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        .output()
        .expect("run");
    fs::remove_file(&file).expect("it is there");
    let printed = String::from_utf8_lossy(&output.stdout);
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{printed}{complaint}");
    assert!(printed.contains(" 1 passed;"), "{printed}");
    print!("{printed}");
}

async fn jumps(clock: Clock) {
    really_jumps(&clock);
    let node = node().await;
    let there = bus(config(&node.url(), "clock", "there"));
    let here = config(&node.url(), "clock", "here")
        .heartbeat(2 * SECOND)
        .confirm_timeout(CONFIRM);
    // Soon again: a minute is long.
    let mut breaker = BreakerConfig::amqp();
    breaker.reset_timeout = SECOND;
    let here = bus_of(mirror(here).breaker(breaker));
    link_is(&here, algedonic::LinkState::Up).await;
    link_is(&there, algedonic::LinkState::Up).await;
    all_goes_on(&clock, &here, &there).await;
    connections_are_made_again(&clock, &node, &here, &there).await;
    deadlines_are_kept(&clock, &node, &here).await;
    drop((here, there));
    only_expiry_follows(&clock, &node).await;
}

/// Or nothing would be tried.
fn really_jumps(clock: &Clock) {
    let (wall, steady) = (SystemTime::now(), Instant::now());
    clock.step(HOUR);
    let forward = SystemTime::now().duration_since(wall).expect("later");
    let first = steady.elapsed();
    clock.step(-HOUR);
    let back = wall.duration_since(SystemTime::now()).expect("earlier");
    let second = steady.elapsed();
    clock.step(0);
    let hour = Duration::from_secs(3600);
    assert!(
        forward >= hour && back + BUSY >= hour,
        "{forward:?}, {back:?}"
    );
    assert!(first <= second && second < BUSY, "{first:?}, {second:?}");
}

/// Steps every 50 ms for two seconds; and while `meanwhile`.
async fn steps(clock: &Clock) {
    for hours in [1, -1, 0, 1, 0, -1, 2, -2].into_iter().cycle().take(40) {
        clock.step(hours * HOUR);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    clock.step(0);
}

/// Publishes until `until` is done; gives the outcomes, each with how long it took.
async fn publish_during(here: &Bus, until: impl Future<Output = ()>) -> Vec<(Remote, Duration)> {
    let mut until = std::pin::pin!(until);
    let mut outcomes = Vec::new();
    let mut ids = HashSet::new();
    let mut pace = tokio::time::interval(Duration::from_millis(2));
    loop {
        tokio::select! {
            biased;
            () = &mut until => break,
            _ = pace.tick() => {}
        }
        let number = u64::try_from(outcomes.len()).expect("few");
        let receipt = here.publish(Tick::new(number)).await.expect("open");
        assert!(ids.insert(receipt.id()), "an id that was there before");
        outcomes.push(tokio::spawn(async move {
            let start = Instant::now();
            (receipt.remote().await, start.elapsed())
        }));
    }
    let outcomes = within("every outcome", join_all(outcomes)).await;
    outcomes
        .into_iter()
        .map(|outcome| outcome.expect("no panic"))
        .collect()
}

/// Reads what `there` hears until it has heard so many; gives their numbers.
async fn hear(ticks: &mut algedonic::Subscription<Tick>, count: usize) -> Vec<u64> {
    let mut heard = Vec::new();
    while heard.len() < count {
        let tick = within("the event", ticks.recv()).await;
        heard.push(tick.expect("open").expect("no gap").number);
    }
    heard
}

/// Nothing is late, lost, doubled or out of order.
async fn all_goes_on(clock: &Clock, here: &Bus, there: &Bus) {
    let mut ticks = there.subscribe_with::<Tick>(Buffer::block(4096));
    let outcomes = publish_during(here, steps(clock)).await;
    let slowest = outcomes.iter().map(|(_, took)| *took).max();
    println!(
        "{} events, the slowest confirmed after {slowest:?}",
        outcomes.len()
    );
    for (remote, took) in &outcomes {
        assert!(
            remote.is_confirmed() && *took < CONFIRM,
            "{remote} after {took:?}"
        );
    }
    let heard = hear(&mut ticks, outcomes.len()).await;
    assert!(heard.into_iter().eq(0..outcomes.len() as u64));
    for bus in [here, there] {
        let link = bus.health().mirror.expect("there is one").link;
        assert_eq!(link.connects, 1, "{link}");
    }
    assert_eq!(there.counts().duplicates, 0);
    assert_eq!(there.counts().expired, 0);
}

/// Retries keep their pace, and what was sent twice is heard once.
async fn connections_are_made_again(
    clock: &Clock,
    node: &std::sync::Arc<Node>,
    here: &Bus,
    there: &Bus,
) {
    let mut ticks = there.subscribe_with::<Tick>(Buffer::block(65_536));
    let mut slowest = Duration::ZERO;
    let closing = async {
        for hours in [1, -1, 2, -2] {
            let connects = |bus: &Bus| bus.health().mirror.expect("there is one").link.connects;
            let before = [connects(here), connects(there)];
            clock.step(-hours * HOUR);
            command(node, |node| {
                node.ctl(&["close_all_connections", "a test"]);
            })
            .await;
            clock.step(hours * HOUR);
            let start = Instant::now();
            until("the links again", || {
                connects(here) > before[0] && connects(there) > before[1]
            })
            .await;
            slowest = slowest.max(start.elapsed());
        }
        clock.step(0);
    };
    let outcomes = publish_during(here, closing).await;
    println!(
        "{} events over four closed connections, up again within {slowest:?}; {} came twice",
        outcomes.len(),
        there.counts().duplicates
    );
    assert!(slowest < BUSY, "{slowest:?}");
    let (mut confirmed, mut unknown) = (HashSet::new(), HashSet::new());
    for (number, (remote, took)) in outcomes.iter().enumerate() {
        assert!(*took < CONFIRM + BUSY, "{remote} after {took:?}");
        match remote {
            Remote::Confirmed => confirmed.insert(number as u64),
            // Where the links took as long as a message waits: it may arrive, or not.
            Remote::Unknown { .. } => unknown.insert(number as u64),
            Remote::LocalOnly(_) => continue,
            other => panic!("{other}"),
        };
    }
    let mut heard = Vec::new();
    while !confirmed.is_empty() {
        let number = hear(&mut ticks, 1).await[0];
        assert!(
            confirmed.remove(&number) || unknown.remove(&number),
            "{number} came twice, or was local only"
        );
        heard.push(number);
    }
    assert!(heard.is_sorted(), "the order is another one");
}

/// Publishes number 0 until the mirror is well. An attempt that fails late, after the link is up again, may have opened
/// the breaker, which only what is published closes.
async fn healthy(here: &Bus) {
    within("a healthy mirror", async {
        loop {
            let receipt = here.publish(Tick::new(0)).await.expect("open");
            let confirmed = receipt.remote().await.is_confirmed();
            if confirmed && here.health().status == algedonic::Status::Healthy {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
}

/// No outcome is said before its time because the clock has stepped on, nor after it because it has stepped
/// back. What is unknown may arrive: as number 0.
async fn deadlines_are_kept(clock: &Clock, node: &std::sync::Arc<Node>, here: &Bus) {
    for hours in [1, -1] {
        let (remote, took) = loop {
            healthy(here).await;
            command(node, Node::pause).await;
            let start = Instant::now();
            let receipt = here.publish(Tick::new(0)).await.expect("open");
            clock.step(hours * HOUR);
            let remote = within("the outcome", receipt.remote()).await;
            let took = start.elapsed();
            command(node, Node::resume).await;
            clock.step(0);
            // A broker that was frozen may yet close a connection, once it finds that it had no heartbeat.
            if !remote.is_local_only() {
                break (remote, took);
            }
        };
        println!("{hours:+} h: {remote}, after {took:?}");
        assert!(matches!(remote, Remote::Unknown { .. }), "{remote}");
        assert!(took >= CONFIRM && took < CONFIRM + BUSY, "{took:?}");
    }
}

/// An event that ends at a time of day has ended when the clock says so.
async fn only_expiry_follows(clock: &Clock, node: &Node) {
    // Over connections that the broker did not have while it was frozen.
    let here = bus(config(&node.url(), "clock", "here"));
    link_is(&here, algedonic::LinkState::Up).await;
    let lasting = PublishOptions::new().ttl(Duration::from_secs(600));
    let publish = async |number| {
        let publishing = here.publish_with(Tick::new(number), lasting.clone());
        let receipt = publishing.await.expect("open");
        let remote = within("the confirm", receipt.remote()).await;
        assert!(remote.is_confirmed(), "{remote}");
    };
    // It waits in the queue of a bus that is away.
    publish(1).await;
    clock.step(HOUR);
    let there = bus(config(&node.url(), "clock", "there"));
    let mut ticks = there.subscribe::<Tick>();
    link_is(&there, algedonic::LinkState::Up).await;
    publish(2).await;
    // The outcome of number 0 was unknown, and it ends at no time: it may come yet.
    let tick = loop {
        match hear(&mut ticks, 1).await[0] {
            0 => {}
            number => break number,
        }
    };
    assert_eq!(tick, 2);
    assert_eq!(there.counts().expired, 1);
}
