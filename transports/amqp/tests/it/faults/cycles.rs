//! Connections that come and go, hundreds of times: nothing is left of them.

use std::time::Duration;

use algedonic_amqp::Amqp;
use algedonic_transport::{ErrorKind, Outcome, Transport};
use futures_util::FutureExt;

use crate::{
    proxy::{behind_a_proxy, cut},
    support::{Used, in_a_process_of_its_own, lapin_threads, message, next, receive, soon, up},
};

/// Descriptors, threads and memory are those of a process: it needs one of its own.
#[test]
fn hundreds_of_connections_leave_nothing_behind() {
    in_a_process_of_its_own(
        "faults::cycles::hundreds_of_connections_leave_nothing_behind",
        come_and_go(300),
    );
}

#[test]
#[ignore = "takes many minutes"]
fn thousands_of_connections_leave_nothing_behind() {
    in_a_process_of_its_own(
        "faults::cycles::thousands_of_connections_leave_nothing_behind",
        come_and_go(10_000),
    );
}

#[test]
fn outcomes_that_nobody_waits_for_leave_nothing_behind() {
    let test = "faults::cycles::outcomes_that_nobody_waits_for_leave_nothing_behind";
    in_a_process_of_its_own(test, nobody_waits(30_000));
}

#[test]
#[ignore = "takes minutes"]
fn a_million_outcomes_that_nobody_waits_for_leave_nothing_behind() {
    let test = "faults::cycles::a_million_outcomes_that_nobody_waits_for_leave_nothing_behind";
    in_a_process_of_its_own(test, nobody_waits(1_000_000));
}

async fn come_and_go(cycles: u32) {
    let (config, proxy) = behind_a_proxy().await;
    let config = config
        .queue("q")
        .backoff_schedule([Duration::from_millis(20)]);
    let amqp = Amqp::new(config).expect("started");
    let mut arrivals = receive(&amqp);
    up(&amqp).await;
    let mut before = None;
    for cycle in 1..=cycles {
        cut(&proxy).await;
        proxy.resume().await;
        // A message gets through, sooner or later, and comes back.
        let sent = soon("a confirm", async {
            loop {
                let message = message("a");
                let id = message.metadata.id;
                if amqp.send(message).await.ok() == Some(Outcome::Confirmed) {
                    return id;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
        loop {
            let delivery = next(&mut arrivals).await;
            let id = delivery.message().metadata.id;
            delivery.ack();
            if id == sent {
                break;
            }
        }
        // By then lapin and the allocator have made what they keep.
        if cycle == cycles / 3 {
            before = Some(Used::now());
        }
    }
    up(&amqp).await;
    let (before, after) = (before.expect("measured"), Used::now());
    println!("{cycles} cycles: {before:?}, then {after:?}");
    assert!(after.descriptors <= before.descriptors + 10, "{after:?}");
    assert!(
        after.memory <= before.memory + before.memory / 4,
        "{after:?}"
    );
    assert!(lapin_threads() <= 6, "{}", lapin_threads());
    soon("close", amqp.close(Duration::from_secs(5))).await;
}

async fn nobody_waits(messages: u32) {
    let (config, _proxy) = behind_a_proxy().await;
    let amqp = Amqp::new(config).expect("started");
    up(&amqp).await;
    let mut before = None;
    for number in 0..messages {
        // Busy: some have to get their outcome first.
        while let Some(Err(error)) = amqp.send(message("nobody")).now_or_never() {
            assert_eq!(error.kind(), ErrorKind::Busy, "{error}");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        if number == messages / 3 {
            before = Some(Used::now());
        }
    }
    let (before, after) = (before.expect("measured"), Used::now());
    println!("{messages} outcomes: {before:?}, then {after:?}");
    assert!(
        after.memory <= before.memory + before.memory / 4,
        "{after:?}"
    );
    let closed = soon("close", amqp.close(Duration::from_secs(10))).await;
    assert_eq!(closed.unknown, 0);
}
