//! For any seed: what is confirmed arrives, what is refused does not, nothing is invented, the order holds, and the
//! same seed gives the same run.

mod senders;

use std::{
    collections::{BTreeMap, BTreeSet},
    process::Command,
    time::Duration,
};

use algedonic_memory::{Broker, Faults, Limits};
use algedonic_transport::{Arrival, Delivery, Lane, Outcome, Transport};
use futures_util::StreamExt;
use proptest::prelude::*;
use tokio::{task::JoinSet, time::sleep};

use self::senders::{Sent, send_all, stamp};

const PREFETCH: usize = 4;
const SENDERS: [&str; 3] = ["a", "b", "c"];
const RECEIVERS: [&str; 2] = ["x", "y"];

/// One delivery: who sent it, its number there, and whether it was marked as a repetition.
type Came = (String, u64, bool);

/// All that one run showed.
#[derive(Debug, PartialEq)]
struct Run {
    sent: BTreeMap<&'static str, Vec<Sent>>,
    came: BTreeMap<&'static str, Vec<Came>>,
    dead: BTreeMap<&'static str, BTreeSet<(String, u64)>>,
    log: Vec<String>,
}

/// Three senders and two receivers under the faults of a seed; then the faults end, and all that is left comes.
async fn run(seed: u64, one_in: u64, downtime: Duration) -> Run {
    let broker = Broker::with_limits(Limits {
        prefetch: PREFETCH,
        confirm_deadline: Duration::from_secs(2),
        ..Limits::default()
    });
    let faults = Faults::seeded(seed).one_in(one_in).downtime(downtime);
    let mut receiving = JoinSet::new();
    for name in RECEIVERS {
        let broker = broker.clone();
        let (begun, begins) = tokio::sync::oneshot::channel();
        receiving.spawn(async move { (name, receive_all(&broker, name, begun).await) });
        begins.await.expect("it receives");
    }
    broker.inject(faults);
    let mut sending = JoinSet::new();
    for name in SENDERS {
        let transport = broker.transport(name);
        sending.spawn(async move { (name, send_all(&transport, name, 60).await) });
    }
    let sent = sending.join_all().await.into_iter().collect();
    let log = broker.fault_log();
    broker.inject(Faults::new());
    while broker.in_motion() > 0 {
        sleep(Duration::from_millis(10)).await;
    }
    broker.stop();
    let mut dead = BTreeMap::new();
    for name in RECEIVERS {
        let letters = broker.dead_letters(name).into_iter();
        dead.insert(name, letters.map(|letter| stamp(&letter.message)).collect());
    }
    let came = receiving.join_all().await.into_iter().collect();
    Run {
        sent,
        came,
        dead,
        log,
    }
}

/// Takes as many as it may hold, then settles each in some way; ends when the broker is stopped for good.
async fn receive_all(
    broker: &Broker,
    name: &'static str,
    begun: tokio::sync::oneshot::Sender<()>,
) -> Vec<Came> {
    let transport = broker.transport(name);
    let mut arrivals = transport
        .receive(Lane::Event, senders::wanted())
        .expect("once");
    begun.send(()).expect("awaited");
    let mut came = Vec::new();
    let mut in_hand: Vec<Delivery> = Vec::new();
    loop {
        let wait = Duration::from_millis(5);
        let next = tokio::time::timeout(wait, arrivals.next()).await;
        assert!(broker.unsettled(name, Lane::Event) <= PREFETCH);
        if let Ok(next) = next {
            let Some(Arrival::Message(delivery)) = next else {
                panic!("came {next:?}");
            };
            let (from, number) = stamp(delivery.message());
            came.push((from, number, delivery.is_redelivered()));
            in_hand.push(delivery);
            if in_hand.len() < PREFETCH {
                continue;
            }
        } else if in_hand.is_empty() && !transport.link().is_up() && broker.in_motion() == 0 {
            return came;
        }
        for delivery in in_hand.drain(..) {
            // What to do follows from what it is, so that it is the same in each run.
            match stamp(delivery.message()).1 % 7 {
                0 if !delivery.is_redelivered() => delivery.requeue(),
                1 => delivery.dead_letter(),
                _ => delivery.ack(),
            }
        }
    }
}

/// Everything that holds whatever goes wrong.
fn check(run: &Run) -> Result<(), TestCaseError> {
    for (receiver, came) in &run.came {
        let mut first: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
        let mut seen = BTreeSet::new();
        for (from, number, redelivered) in came {
            let new = seen.insert((from.clone(), *number));
            prop_assert!(!new || !redelivered, "{from} {number} was marked at first");
            if new {
                first.entry(from).or_default().push(*number);
            }
        }
        for (from, numbers) in &first {
            prop_assert!(
                numbers.is_sorted(),
                "{receiver} had those of {from} as {numbers:?}"
            );
        }
        let gone = &run.dead[receiver];
        prop_assert!(
            gone.is_subset(&seen),
            "dead letters that were never delivered"
        );
        for (from, sent) in &run.sent {
            for Sent {
                number,
                wanted,
                outcome,
            } in sent
            {
                let arrived = seen.remove(&((*from).to_owned(), *number));
                match outcome {
                    Ok(Outcome::Confirmed) => {
                        prop_assert!(*wanted && arrived, "{from} {number} is lost for {receiver}");
                    }
                    Ok(Outcome::Unknown { .. }) => prop_assert!(*wanted || !arrived),
                    other => prop_assert!(!arrived, "{from} {number} arrived: {other:?}"),
                }
            }
        }
        prop_assert!(seen.is_empty(), "invented: {seen:?}");
    }
    Ok(())
}

fn paused<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime")
        .block_on(work)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_goes_wrong_the_promises_hold(seed: u64, one_in in 1_u64..12, away in 0_u64..3) {
        let downtime = Duration::from_millis(away * 150);
        let one = paused(run(seed, one_in, downtime));
        check(&one)?;
        let other = paused(run(seed, one_in, downtime));
        prop_assert_eq!(one, other, "another run of the same seed");
    }
}

#[test]
fn a_seed_draws_every_kind_of_fault_and_another_seed_others() {
    let runs = [1, 2].map(|seed| paused(run(seed, 2, Duration::ZERO)));
    assert_ne!(runs[0].log, runs[1].log);
    for kind in [
        "CutBeforeArrival",
        "CutBeforeConfirm",
        "CutAfterConfirm",
        "Reject",
        "Return",
        "LoseConfirm",
        "DelayConfirm",
        "DelayArrival",
        "Duplicate",
        "Block",
        "Stop",
        "Delay(",
        "CutAfterDelivery",
        "CutBeforeAck",
    ] {
        let drawn = runs
            .iter()
            .any(|run| run.log.iter().any(|line| line.starts_with(kind)));
        assert!(drawn, "{kind} was never drawn");
    }
}

/// It runs itself in a process of its own, and fails there.
#[test]
fn a_test_that_fails_prints_its_seed_and_takes_it_again() {
    const NAME: &str = "a_test_that_fails_prints_its_seed_and_takes_it_again";
    const INSIDE: &str = "ALGEDONIC_TEST_FAILS";

    if std::env::var_os(INSIDE).is_some() {
        let broker = Broker::new();
        broker.inject(Faults::random().one_in(1));
        let transport = broker.transport("a");
        let _ = paused(transport.send(senders::message("a", 1)));
        panic!("on purpose");
    }
    let output = Command::new(std::env::current_exe().expect("a path"))
        .args(["--exact", NAME, "--nocapture"])
        .envs([(INSIDE, "1"), ("ALGEDONIC_TEST_SEED", "4711")])
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(said.contains("from the seed 4711"), "{said}");
    assert!(said.contains("that a sent to"), "{said}");
}
