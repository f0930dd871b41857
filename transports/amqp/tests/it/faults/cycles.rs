//! Connections that come and go, hundreds of times: nothing is left of them.

use std::{sync::Arc, time::Duration};

use algedonic_amqp::Amqp;
use algedonic_test_broker::Proxy;
use algedonic_transport::{Arrival, BoxStream, ErrorKind, Outcome, Transport};
use futures_util::{FutureExt, future::join_all};
use tokio::{sync::Barrier, time::Instant};

use crate::{
    proxy::{behind_a_proxy, cut},
    support::{
        Used, arrives, eventually, in_a_process_of_its_own, lapin_threads, message, receive, soon,
        up,
    },
};

/// Descriptors, threads and memory are those of a process: it needs one of its own.
#[test]
fn hundreds_of_connections_leave_nothing_behind() {
    in_a_process_of_its_own(
        "faults::cycles::hundreds_of_connections_leave_nothing_behind",
        come_and_go(1, 300),
    );
}

#[test]
#[ignore = "takes many minutes"]
fn thousands_of_connections_leave_nothing_behind() {
    in_a_process_of_its_own(
        "faults::cycles::thousands_of_connections_leave_nothing_behind",
        come_and_go(8, 1250),
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

/// So many transports, each over so many losses of its connections.
async fn come_and_go(transports: usize, cycles: u32) {
    let start = Instant::now();
    // By then lapin and the allocator have made what they keep.
    let settled = Arc::new(Barrier::new(transports));
    let ended = Arc::new(Barrier::new(transports));
    let tasks = (0..transports).map(|_| {
        let (settled, ended) = (settled.clone(), ended.clone());
        tokio::spawn(async move {
            let (config, proxy) = behind_a_proxy().await;
            let config = config
                .queue("q")
                .backoff_schedule([Duration::from_millis(20)]);
            let amqp = Amqp::new(config).expect("started");
            let mut arrivals = receive(&amqp);
            up(&amqp).await;
            for _ in 0..cycles / 3 {
                cycle(&amqp, &proxy, &mut arrivals).await;
            }
            let before = used_by_all(&amqp, &settled).await;
            for _ in cycles / 3..cycles {
                cycle(&amqp, &proxy, &mut arrivals).await;
            }
            let after = used_by_all(&amqp, &ended).await;
            soon("close", amqp.close(Duration::from_secs(5))).await;
            (before, after)
        })
    });
    let (mut before, mut after) = (None, None);
    for task in join_all(tasks).await {
        let measured = task.expect("no panic");
        before = before.or(measured.0);
        after = after.or(measured.1);
    }
    let measured = before.zip(after).expect("one of them measures");
    let ((before, threads), (after, threads_after)) = measured;
    println!(
        "{} cycles in {:?}: {before:?}, {threads} threads of lapin, then {after:?}, {threads_after}",
        transports * cycles as usize,
        start.elapsed()
    );
    assert!(after.descriptors <= before.descriptors + 10, "{after:?}");
    assert!(
        after.memory <= before.memory + before.memory / 4,
        "{after:?}"
    );
    // Three connections each, and one that is going.
    assert!(threads_after <= 6 * transports, "{threads_after}");
    eventually("no thread is left", async || lapin_threads() == 0).await;
}

/// What all use together when all are up; one of them is told.
async fn used_by_all(amqp: &Amqp, barrier: &Barrier) -> Option<(Used, usize)> {
    up(amqp).await;
    let leads = barrier.wait().await.is_leader();
    let used = leads.then(|| (Used::now(), lapin_threads()));
    barrier.wait().await;
    used
}

/// The connections are lost; then a message gets through, sooner or later, and comes back.
async fn cycle(amqp: &Amqp, proxy: &Proxy, arrivals: &mut BoxStream<Arrival>) {
    cut(proxy).await;
    proxy.resume().await;
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
    arrives(arrivals, sent).await;
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
