use std::time::Duration;

use algedonic::{
    Bus, Error, ErrorKind, Feeling, Key, Level, LinkState, Metadata, Mirror, Remote,
    SignalSubscription,
    memory::{Broker, Limits},
    spool::{LossCause, Lost, Notice, Record},
    transport::{Lane, Message},
};
use futures_util::FutureExt;
use tokio::time::Instant;

use super::{Shelf, link_is, number_of, numbered, patience::within, receiver, sender};

async fn numbers(signals: &mut SignalSubscription, count: usize) -> Vec<u64> {
    let mut heard = Vec::new();
    for _ in 0..count {
        let signal = within("the signal", signals.recv()).await;
        heard.push(number_of(&signal.expect("open").expect("no gap")));
    }
    heard
}

#[tokio::test(start_paused = true)]
async fn a_signal_that_is_confirmed_does_not_touch_the_disk() {
    let (broker, shelf) = (Broker::new(), Shelf::default());
    let (here, there) = (sender(&broker, &shelf), receiver(&broker));
    link_is(&here, LinkState::Up).await;
    link_is(&there, LinkState::Up).await;
    let mut signals = there.signals();
    for number in 0..10 {
        let receipt = here.signal(numbered(Level::Low, number)).await;
        let remote = receipt.expect("open").remote();
        assert!(remote.now_or_never().expect("known").is_confirmed());
    }
    assert_eq!(numbers(&mut signals, 10).await, (0..10).collect::<Vec<_>>());
    assert_eq!(shelf.appended(), 0);
}

/// Requirement 0.18.
#[tokio::test(start_paused = true)]
async fn a_signal_of_an_outage_is_on_the_disk_when_the_call_returns_and_is_sent_in_order_later() {
    let (broker, shelf) = (Broker::new(), Shelf::default());
    shelf.set_latency(Duration::from_millis(5));
    let (here, there) = (sender(&broker, &shelf), receiver(&broker));
    link_is(&here, LinkState::Up).await;
    link_is(&there, LinkState::Up).await;
    broker.stop();
    link_is(&here, LinkState::Down).await;
    let mut heard_here = here.signals();
    for number in 0..1_000 {
        let receipt = here.signal(numbered(Level::High, number)).await;
        let receipt = receipt.expect("open");
        assert_eq!(receipt.local().subscribers, 1);
        let remote = receipt.remote().now_or_never().expect("known");
        assert!(matches!(remote, Remote::Spooled), "{remote}");
        assert_eq!(shelf.len() as u64, number + 1);
        assert_eq!(numbers(&mut heard_here, 1).await, [number]);
    }
    let spool = here.health().mirror.expect("there is one").spool;
    assert_eq!(spool.expect("there is one").records(), 1_000);
    let mut signals = there.signals();
    broker.start();
    // Those that come meanwhile are behind.
    for number in 1_000..1_100 {
        let receipt = here.signal(numbered(Level::High, number)).await;
        assert!(receipt.expect("open").remote().await.is_safe());
    }
    assert_eq!(
        numbers(&mut signals, 1_100).await,
        (0..1_100).collect::<Vec<_>>()
    );
    within("the disk to be empty", async {
        while shelf.len() > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
    let counts = here.counts();
    assert_eq!(counts.replayed, shelf.appended());
    assert_eq!(counts.signals, counts.confirmed + counts.spooled);
    assert_eq!(there.counts().duplicates, 0);
    // And the disk is not needed any more, once it is seen to be empty.
    tokio::time::sleep(Duration::from_millis(20)).await;
    let before = shelf.appended();
    let receipt = here.signal(numbered(Level::High, 1_100)).await;
    assert!(receipt.expect("open").remote().await.is_confirmed());
    assert_eq!(shelf.appended(), before);
}

/// What waits of one level does not hold the others.
#[tokio::test(start_paused = true)]
async fn a_critical_signal_does_not_wait_for_a_low_one_that_cannot_be_sent() {
    let (broker, shelf) = (Broker::new(), Shelf::default());
    let (here, there) = (sender(&broker, &shelf), receiver(&broker));
    link_is(&here, LinkState::Up).await;
    link_is(&there, LinkState::Up).await;
    broker.reject_next(1);
    let low = here.signal(numbered(Level::Low, 1)).await.expect("open");
    assert!(matches!(low.remote().await, Remote::Spooled));
    let critical = here.signal(numbered(Level::Critical, 2)).await;
    let critical = critical.expect("open").remote().await;
    assert!(critical.is_confirmed(), "{critical}");
}

#[tokio::test(start_paused = true)]
async fn a_confirm_that_is_late_costs_a_quarter_of_a_second_and_a_record_that_is_removed() {
    let (broker, shelf) = (Broker::new(), Shelf::default());
    let (here, there) = (sender(&broker, &shelf), receiver(&broker));
    link_is(&here, LinkState::Up).await;
    link_is(&there, LinkState::Up).await;
    let mut signals = there.signals();
    broker.hold_confirms();
    let start = Instant::now();
    let receipt = here.signal(numbered(Level::Critical, 1)).await;
    let took = start.elapsed();
    let remote = receipt.expect("open").remote().await;
    assert!(matches!(remote, Remote::Spooled), "{remote}");
    assert!(
        took >= Duration::from_millis(250) && took < Duration::from_millis(300),
        "{took:?}"
    );
    assert_eq!(shelf.len(), 1);
    broker.release_confirms();
    within("the confirm", async {
        while shelf.len() > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
    assert_eq!(numbers(&mut signals, 1).await, [1]);
    assert_eq!(here.counts().replayed, 1);
    // It was sent once.
    assert_eq!(there.counts().duplicates, 0);
}

#[tokio::test(start_paused = true)]
async fn a_signal_that_the_disk_does_not_take_is_an_error_and_heard_here_all_the_same() {
    let (broker, shelf) = (Broker::new(), Shelf::default());
    let (here, there) = (sender(&broker, &shelf), receiver(&broker));
    link_is(&here, LinkState::Up).await;
    link_is(&there, LinkState::Up).await;
    broker.stop();
    link_is(&here, LinkState::Down).await;
    shelf.set_full(true);
    let mut heard = here.signals();
    let refused = here.signal(numbered(Level::Critical, 1)).await;
    assert_eq!(refused.expect_err("full").kind(), ErrorKind::Busy);
    assert_eq!(numbers(&mut heard, 1).await, [1]);
    // A disk that fails holds nothing up, and nobody.
    broker.start();
    link_is(&here, LinkState::Up).await;
    link_is(&there, LinkState::Up).await;
    let receipt = within("the confirm", async {
        loop {
            if let Ok(receipt) = here.signal(numbered(Level::Critical, 2)).await {
                break receipt;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    assert!(receipt.remote().await.is_confirmed());
}

/// With the broker there, a disk that is full does not matter.
#[tokio::test(start_paused = true)]
async fn a_confirm_that_is_late_is_waited_for_when_the_disk_is_full() {
    let (broker, shelf) = (Broker::new(), Shelf::default());
    let (here, there) = (sender(&broker, &shelf), receiver(&broker));
    link_is(&here, LinkState::Up).await;
    link_is(&there, LinkState::Up).await;
    shelf.set_full(true);
    broker.hold_confirms();
    let signal = tokio::spawn({
        let here = here.clone();
        async move { here.signal(numbered(Level::Critical, 1)).await }
    });
    tokio::time::sleep(Duration::from_secs(1)).await;
    broker.release_confirms();
    let receipt = signal.await.expect("no panic").expect("confirmed");
    assert!(receipt.remote().await.is_confirmed());
}

/// A bus that was dropped is a process that was killed: what its calls returned is sent by the next.
#[tokio::test(start_paused = true)]
async fn the_next_life_sends_what_the_last_one_left() {
    let (broker, shelf) = (Broker::new(), Shelf::default());
    let there = receiver(&broker);
    link_is(&there, LinkState::Up).await;
    let mut signals = there.signals();
    broker.stop();
    for life in 0..5 {
        let here = sender(&broker, &shelf);
        let receipt = here.signal(numbered(Level::Medium, life)).await;
        assert!(receipt.expect("open").remote().await.is_safe());
        if life == 3 {
            let end = here.shutdown(Duration::from_secs(1)).await;
            assert!(end.is_clean(), "{end}");
            assert_eq!(end.spooled, 4);
        }
        drop(here);
    }
    broker.start();
    let here = sender(&broker, &shelf);
    // Behind the others.
    let receipt = here.signal(numbered(Level::Medium, 5)).await;
    assert!(receipt.expect("open").remote().await.is_safe());
    assert_eq!(numbers(&mut signals, 6).await, (0..6).collect::<Vec<_>>());
    let end = here.shutdown(Duration::from_secs(5)).await;
    assert!(end.is_clean(), "{end}");
}

/// A mirror without a window is as a transport that refuses; nothing is lost by that.
#[tokio::test(start_paused = true)]
async fn more_signals_at_once_than_the_transport_takes_are_all_safe() {
    let shelf = Shelf::default();
    let broker = Broker::with_limits(Limits {
        window: 2,
        ..Limits::default()
    });
    let mirror = Mirror::new(broker.transport("sender"))
        .without_alarms()
        .outbound_capacity(4)
        .spool(shelf.clone());
    let here = Bus::builder().mirror(mirror).build().expect("good");
    let there = receiver(&broker);
    link_is(&here, LinkState::Up).await;
    link_is(&there, LinkState::Up).await;
    let mut signals = there.signals();
    let raised = (0..500).map(|number| here.signal(numbered(Level::High, number)));
    let raised = futures_util::future::join_all(raised);
    let (receipts, heard) = tokio::join!(raised, numbers(&mut signals, 500));
    for receipt in receipts {
        assert!(receipt.expect("open").remote().await.is_safe());
    }
    assert_eq!(heard, (0..500).collect::<Vec<_>>());
}

/// What the disk drops is a pain, told once for a burst, and in all when it is over; what it did before the bus had a
/// subscriber, too.
#[tokio::test(start_paused = true)]
async fn what_a_spool_has_to_tell_is_a_signal() {
    let (broker, shelf) = (Broker::new(), Shelf::default());
    let mirror = Mirror::new(broker.transport("sender")).spool(shelf.clone());
    let here = Bus::builder().mirror(mirror).build().expect("good");
    let mut signals = here.signals();
    let record = |number| {
        let metadata = Metadata::new(Key::from_static("test.kept"), "here");
        let message = Message::new(metadata, Lane::Event, "text/plain", "x");
        Notice::Lost(Lost::new(
            Record::new(number, std::time::SystemTime::UNIX_EPOCH, message),
            LossCause::Full,
        ))
    };
    for number in 1..=100 {
        shelf.tell(record(number));
    }
    let mut next = async || {
        let signal = within("the signal", signals.recv()).await;
        signal.expect("open").expect("no gap")
    };
    let start = Instant::now();
    let pain = next().await;
    assert_eq!((pain.feeling, pain.level), (Feeling::Pain, Level::High));
    assert_eq!((&*pain.metric, pain.value), ("spool.lost", Some(1.0)));
    let over = next().await;
    assert_eq!((over.feeling, over.level), (Feeling::Pleasure, Level::High));
    assert_eq!((&*over.metric, over.value), ("spool.lost", Some(100.0)));
    assert_eq!(start.elapsed().as_secs(), 5);
    let error = Error::transient(ErrorKind::Unavailable, "write");
    for notice in [Notice::Broken(error), Notice::Mended] {
        shelf.tell(notice);
    }
    for feeling in [Feeling::Pain, Feeling::Pleasure] {
        let signal = next().await;
        assert_eq!((signal.feeling, &*signal.metric), (feeling, "spool.disk"));
        assert_eq!(signal.level, Level::Critical);
    }
    assert_eq!(start.elapsed().as_secs(), 10);
}

/// With the broker away and the disk at its bound the pain about a loss takes the room of another record; that is no
/// loss to raise another for.
#[tokio::test(start_paused = true)]
async fn the_pain_of_a_loss_is_not_the_cause_of_the_next() {
    let (broker, shelf) = (Broker::new(), Shelf::default());
    shelf.set_bound(4);
    let mirror = Mirror::new(broker.transport("sender")).spool(shelf.clone());
    let here = Bus::builder().mirror(mirror).build().expect("good");
    link_is(&here, LinkState::Up).await;
    broker.stop();
    link_is(&here, LinkState::Down).await;
    let mut signals = here.signals();
    for number in 0..5 {
        let receipt = here.signal(numbered(Level::High, number)).await;
        assert!(receipt.expect("open").remote().await.is_safe());
    }
    let mut about = Vec::new();
    let hour = Duration::from_secs(3_600);
    let listen = async {
        while let Ok(signal) = signals.recv().await.expect("open") {
            if signal.metric == "spool.lost" {
                about.push(signal.feeling);
            }
        }
    };
    tokio::time::timeout(hour, listen).await.expect_err("open");
    assert_eq!(about, [Feeling::Pain, Feeling::Pleasure]);
    assert_eq!(shelf.len(), 4);
}
