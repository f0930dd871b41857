//! Who learns the outcome of a message, and when: whoever waits, whatever the others do.

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use algedonic_amqp::Amqp;
use algedonic_transport::{Closed, ErrorKind, Outcome, Transport};
use futures_util::{FutureExt, future::join_all};
use tokio::time::{Instant, sleep};

use crate::support::{config, message, receive, soon, up};

/// So many places there are.
const PLACES: usize = 5;

type Sending = Pin<Box<dyn Future<Output = Result<Outcome, algedonic_transport::Error>> + Send>>;

/// Sent, and polled once: its sender is called when there is an outcome, and does not come.
fn forgotten(amqp: &Amqp) -> Sending {
    let mut sending = amqp.send(message("a"));
    assert!((&mut sending).now_or_never().is_none());
    sending
}

async fn confirmed(sending: Sending) {
    let outcome = soon("outcome", sending).await.expect("handed over");
    assert_eq!(outcome, Outcome::Confirmed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_come_for_an_outcome_keeps_nobody_from_theirs() {
    let amqp = Amqp::new(config().await.window(PLACES)).expect("started");
    let _arrivals = receive(&amqp);
    up(&amqp).await;
    for _ in 0..50 {
        let (first, left) = (forgotten(&amqp), forgotten(&amqp));
        confirmed(amqp.send(message("a"))).await;
        // Called, and gone.
        drop(left);
        let all = (0..2).map(|_| amqp.send(message("a")));
        join_all(all.map(confirmed)).await;
        confirmed(first).await;
    }
    // These take all places, and nobody looks; the next one finds a place all the same.
    for _ in 0..10 {
        let kept: Vec<_> = (0..PLACES).map(|_| forgotten(&amqp)).collect();
        sleep(Duration::from_millis(30)).await;
        confirmed(amqp.send(message("a"))).await;
        join_all(kept.into_iter().map(confirmed)).await;
    }
    amqp.close(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn who_does_not_come_for_an_outcome_holds_up_no_close() {
    let amqp = Amqp::new(config().await).expect("started");
    let _arrivals = receive(&amqp);
    up(&amqp).await;
    let kept: Vec<_> = (0..3).map(|_| forgotten(&amqp)).collect();
    let start = Instant::now();
    let closed = soon("close", amqp.close(Duration::from_secs(20))).await;
    assert_eq!(closed, Closed::new(0));
    assert!(
        start.elapsed() < Duration::from_secs(10),
        "{:?}",
        start.elapsed()
    );
    join_all(kept.into_iter().map(confirmed)).await;
    let error = amqp.send(message("a")).await.expect_err("closed");
    assert_eq!(error.kind(), ErrorKind::Closed);
}

/// Who sends publishes by itself, wherever that is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_sends_needs_no_runtime() {
    let amqp = Arc::new(Amqp::new(config().await).expect("started"));
    let _arrivals = receive(&amqp);
    up(&amqp).await;
    let sender = Arc::clone(&amqp);
    let sent = std::thread::spawn(move || {
        let all = (0..3).map(|_| sender.send(message("a")));
        all.collect::<Vec<_>>()
    });
    for sending in sent.join().expect("no panic") {
        confirmed(sending).await;
    }
}
