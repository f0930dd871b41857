use std::time::Duration;

use algedonic::{
    Bus, Error, ErrorKind, Level, LinkState, Mirror, Remote,
    memory::{Broker, Limits},
    spool::Notice,
};
use tokio::time::{Instant, sleep};

use super::{Shelf, link_is, next, numbered, patience::within, receiver, sender};

/// Raises a signal whose confirm comes a second late.
async fn late(here: &Bus, broker: &Broker, number: u64) -> Remote {
    broker.hold_confirms();
    let raised = here.signal(numbered(Level::Critical, number));
    let release = async {
        sleep(Duration::from_secs(1)).await;
        broker.release_confirms();
    };
    let (receipt, ()) = tokio::join!(raised, release);
    receipt.expect("safe").remote().await
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_fails_holds_up_no_signal_while_the_broker_is_there() {
    let (broker, shelf) = (Broker::new(), Shelf::default());
    let (here, there) = (sender(&broker, &shelf), receiver(&broker));
    link_is(&here, LinkState::Up).await;
    link_is(&there, LinkState::Up).await;
    let mut signals = there.signals();
    shelf.set_broken(true);
    assert!(late(&here, &broker, 0).await.is_confirmed());
    for number in 1..100 {
        let receipt = here.signal(numbered(Level::Critical, number)).await;
        let remote = receipt.expect("safe").remote().await;
        assert!(remote.is_confirmed(), "{number}: {remote}");
    }
    for number in 0..100 {
        assert_eq!(next(&mut signals).await, number);
    }
    // Without the broker there is nothing left to try.
    broker.stop();
    link_is(&here, LinkState::Down).await;
    let refused = here.signal(numbered(Level::Critical, 100)).await;
    assert_eq!(refused.expect_err("broken").kind(), ErrorKind::Unavailable);
    broker.start();
    link_is(&here, LinkState::Up).await;
    shelf.set_broken(false);
    sleep(Duration::from_secs(10)).await;
    let receipt = here.signal(numbered(Level::Critical, 101)).await;
    assert!(receipt.expect("safe").remote().await.is_confirmed());
    assert_eq!(shelf.appended(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_hangs_costs_a_signal_a_second_at_most_while_the_broker_is_there() {
    let (broker, shelf) = (Broker::new(), Shelf::default());
    let (here, there) = (sender(&broker, &shelf), receiver(&broker));
    link_is(&here, LinkState::Up).await;
    link_is(&there, LinkState::Up).await;
    let mut signals = there.signals();
    shelf.set_latency(Duration::from_secs(3600));
    for number in 0..5 {
        let start = Instant::now();
        let remote = if number == 0 {
            late(&here, &broker, number).await
        } else {
            let receipt = here.signal(numbered(Level::Critical, number)).await;
            receipt.expect("safe").remote().await
        };
        let took = start.elapsed();
        assert!(remote.is_confirmed(), "{number}: {remote}");
        assert!(took < Duration::from_millis(1_500), "{number}: {took:?}");
        assert_eq!(next(&mut signals).await, number);
    }
}

#[tokio::test(start_paused = true)]
async fn a_signal_that_can_never_be_sent_is_an_error_and_not_kept() {
    let shelf = Shelf::default();
    let broker = Broker::with_limits(Limits {
        max_body_bytes: 1_000,
        ..Limits::default()
    });
    let mirror = Mirror::new(broker.transport("sender"))
        .without_alarms()
        .spool(shelf.clone());
    let here = Bus::builder().mirror(mirror).build().expect("good");
    let mut heard = here.signals();
    for state in [LinkState::Up, LinkState::Down] {
        if state == LinkState::Down {
            broker.stop();
        }
        link_is(&here, state).await;
        let signal = numbered(Level::Critical, 1).message("x".repeat(2_000));
        let refused = here.signal(signal).await.expect_err("too large");
        assert_eq!(refused.kind(), ErrorKind::TooLarge, "{state:?}: {refused}");
        assert_eq!(shelf.len(), 0);
        let signal = within("the signal", heard.recv()).await;
        assert_eq!(signal.expect("open").expect("no gap").message.len(), 2_000);
    }
}

/// However many others wait to be sent.
#[tokio::test(start_paused = true)]
async fn what_the_bus_has_to_tell_is_kept_like_any_signal() {
    let shelf = Shelf::default();
    let broker = Broker::with_limits(Limits {
        window: 1,
        ..Limits::default()
    });
    let mirror = Mirror::new(broker.transport("sender"))
        .outbound_capacity(1)
        .spool(shelf.clone());
    let here = Bus::builder().mirror(mirror).build().expect("good");
    let there = receiver(&broker);
    link_is(&here, LinkState::Up).await;
    link_is(&there, LinkState::Up).await;
    let mut heard_here = here.signals();
    let mut heard = there.signals();
    broker.hold_confirms();
    let raised: Vec<_> = (0..10)
        .map(|number| {
            let here = here.clone();
            tokio::spawn(async move { here.signal(numbered(Level::High, number)).await })
        })
        .collect();
    while next(&mut heard_here).await < 9 {}
    shelf.tell(Notice::Broken(Error::transient(
        ErrorKind::Unavailable,
        "spool a message",
    )));
    let told = within("the pain", heard_here.recv()).await;
    assert_eq!(told.expect("open").expect("no gap").metric, "spool.disk");
    broker.release_confirms();
    for raised in raised {
        raised.await.expect("no panic").expect("safe");
    }
    let mut metrics = Vec::new();
    for _ in 0..11 {
        let signal = within("the signal", heard.recv()).await;
        metrics.push(signal.expect("open").expect("no gap").metric.clone());
    }
    assert!(
        metrics.iter().any(|metric| metric == "spool.disk"),
        "{metrics:?}"
    );
}
