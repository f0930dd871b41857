use std::time::Duration;

use algedonic::{Buffer, Bus, LinkState, LocalOnly, Mirror, Receipt, Remote, memory::Broker};
use futures_util::future::join_all;
use tokio::sync::watch;

use super::{held, receiver, told};
use crate::{
    events::{StateChange, Tick},
    mirror::{bus, link_is},
    patience::{until, within},
};

fn is_full(remote: &Remote) -> bool {
    matches!(remote, Remote::LocalOnly(LocalOnly::QueueFull))
}

/// Published without a turn for the mirror: the oldest stay, the newest that it has room for are sent.
#[tokio::test]
async fn what_does_not_fit_is_told_and_the_newest_are_sent() {
    const EVENTS: u64 = 1_000;
    const CAPACITY: u64 = 100;
    let broker = Broker::new();
    let _there = receiver::<Tick>(&broker);
    let mirror = Mirror::new(broker.transport("sender"))
        .outbound::<Tick>()
        .outbound_capacity(100);
    let here = Bus::builder().mirror(mirror).build().expect("good");
    link_is(&here, LinkState::Up).await;
    let publisher = here.publisher::<Tick>();
    let publish = |number| publisher.try_publish(Tick::new(number)).expect("open");
    let receipts: Vec<_> = (0..EVENTS).map(publish).collect();
    let remotes = receipts.into_iter().map(Receipt::remote);
    let remotes = within("all outcomes", join_all(remotes)).await;
    let full = remotes.iter().filter(|remote| is_full(remote)).count();
    assert!(remotes[..full].iter().all(is_full), "the oldest");
    assert!(remotes[full..].iter().all(Remote::is_confirmed));
    let sent = EVENTS - full as u64;
    // Whole segments of 64 make room.
    assert!((CAPACITY..CAPACITY + 128).contains(&sent), "{sent}");
    let counts = here.counts();
    assert_eq!((counts.mirrored, told(&counts)), (EVENTS, EVENTS));
    assert_eq!(counts.local_only, full as u64);
}

/// Who awaits an event that makes room is told by whoever publishes.
#[tokio::test]
async fn who_awaits_what_does_not_fit_is_woken() {
    let broker = Broker::new();
    let mirror = Mirror::new(broker.transport("sender"))
        .outbound::<Tick>()
        .outbound_capacity(1)
        .layer(tower::limit::ConcurrencyLimitLayer::new(1));
    let here = Bus::builder().mirror(mirror).build().expect("good");
    link_is(&here, LinkState::Up).await;
    broker.hold_confirms();
    let publisher = here.publisher::<Tick>();
    for number in 0..3 {
        publisher.try_publish(Tick::new(number)).expect("open");
    }
    until("the limit", || {
        here.health().mirror.is_some_and(|m| m.in_flight == 1)
    })
    .await;
    let receipt = publisher.try_publish(Tick::new(3)).expect("open");
    let awaiting = tokio::spawn(receipt.remote());
    tokio::task::yield_now().await;
    for number in 0..200 {
        publisher.try_publish(Tick::new(number)).expect("open");
    }
    let remote = within("the outcome", awaiting).await.expect("no panic");
    assert!(is_full(&remote), "{remote}");
}

/// A bus with room for 128 events that wait, which sends one at a time, and none before it is opened.
async fn one_at_a_time(broker: &Broker) -> (Bus, watch::Sender<bool>) {
    let (open, closed) = watch::channel(false);
    let mirror = Mirror::new(broker.transport("here"))
        .event::<Tick>()
        .outbound_capacity(128)
        .timeout(Duration::from_secs(60))
        .layer(held(&closed))
        .layer(tower::limit::ConcurrencyLimitLayer::new(1));
    let here = Bus::builder().mirror(mirror).build().expect("good");
    link_is(&here, LinkState::Up).await;
    (here, open)
}

/// Events that others publish pass through the same lane, and take no room from those that wait to be sent.
#[tokio::test]
async fn what_comes_from_elsewhere_takes_no_room_of_what_waits_to_be_sent() {
    let broker = Broker::new();
    let there = bus(&broker, "there");
    let (here, open) = one_at_a_time(&broker).await;
    link_is(&there, LinkState::Up).await;
    let mut receipts = Vec::new();
    for number in 0..20 {
        receipts.push(here.publish(Tick::new(number)).await.expect("open"));
    }
    until("the limit", || {
        here.health().mirror.is_some_and(|m| m.in_flight == 1)
    })
    .await;
    for number in 0..1_000 {
        there
            .publish(Tick::new(1_000 + number))
            .await
            .expect("open");
        if number % 50 == 0 {
            until("some to arrive", || here.counts().received + 49 >= number).await;
        }
    }
    until("all to arrive", || here.counts().received == 1_000).await;
    assert_eq!(here.counts().mirrored, 20, "they leave no more");
    open.send_replace(true);
    for receipt in receipts {
        let remote = within("the outcome", receipt.remote()).await;
        assert!(remote.is_confirmed(), "{remote}");
    }
    until("the others", || told(&there.counts()) == 1_000).await;
    until("ours to arrive", || there.counts().received == 20).await;
    assert_eq!(here.counts().duplicates + there.counts().duplicates, 0);
}

/// The same flood as of one's own: the room is kept.
#[tokio::test]
async fn a_lane_with_both_kinds_keeps_its_bound() {
    let broker = Broker::new();
    let there = bus(&broker, "there");
    let (here, open) = one_at_a_time(&broker).await;
    link_is(&there, LinkState::Up).await;
    there.publish(Tick::new(0)).await.expect("open");
    until("one to arrive", || here.counts().received == 1).await;
    let mut receipts = Vec::new();
    for number in 0..3_000 {
        receipts.push(here.publish(Tick::new(number)).await.expect("open"));
        if number % 10 == 0 {
            tokio::task::yield_now().await;
        }
    }
    let waiting = here.health().mirror.expect("a mirror").queued;
    assert!(waiting <= 3 * 128, "{waiting}");
    open.send_replace(true);
    let remotes = receipts.into_iter().map(Receipt::remote);
    let remotes = within("all outcomes", join_all(remotes)).await;
    let full = remotes.iter().filter(|remote| is_full(remote)).count();
    let confirmed = remotes
        .iter()
        .filter(|remote| remote.is_confirmed())
        .count();
    assert_eq!(full + confirmed, 3_000);
    assert!(confirmed > 128, "{confirmed}");
}

/// With the broker away for long nothing piles up, whether somebody keeps the receipts or not.
#[tokio::test]
async fn with_the_broker_away_nothing_piles_up() {
    let broker = Broker::new();
    broker.stop();
    let here = bus(&broker, "here");
    let _slow = here.subscribe_with::<Tick>(Buffer::drop_oldest(8));
    for number in 0..50_000 {
        drop(here.publish(Tick::new(number)).await.expect("open"));
        if number % 100 == 0 {
            tokio::task::yield_now().await;
        }
    }
    let receipt = here.publish(StateChange::of("s1")).await.expect("open");
    assert!(
        within("the outcome", receipt.remote())
            .await
            .is_local_only()
    );
    // And of the pain that the breaker has opened.
    until("all outcomes", || here.counts().local_only == 50_001 + 1).await;
    assert_eq!(here.counts().signals, 1);
    assert_eq!(here.health().mirror.expect("a mirror").queued, 0);
    assert!(here.shutdown(Duration::from_secs(5)).await.unsent == 0);
}
