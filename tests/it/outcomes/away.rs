use std::time::Duration;

use algedonic::{Bus, ErrorKind, LinkState, LocalOnly, Mirror, Remote, memory::Broker};
use tokio::time::{Instant, advance};

use super::{receiver, told};
use crate::{events::Tick, mirror::link_is, patience::until};

/// While the transport takes nothing, publishers do not wake the mirror, which looks by itself: within two milliseconds, or
/// at once where somebody awaits the outcome.
#[tokio::test(start_paused = true)]
async fn what_stays_for_want_of_a_broker_is_told_at_once_to_who_asks_and_soon_to_the_books() {
    let broker = Broker::new();
    // Without the layers, which would try again.
    let mirror = Mirror::new(broker.transport("here")).outbound::<Tick>();
    let here = Bus::builder().mirror(mirror.bare()).build().expect("good");
    let there = receiver::<Tick>(&broker);
    link_is(&there, LinkState::Up).await;
    broker.stop();
    link_is(&here, LinkState::Down).await;
    for round in 0..20 {
        let asked = Instant::now();
        let receipt = here.publish(Tick::new(round)).await.expect("open");
        assert!(receipt.remote().await.is_local_only());
        assert_eq!(asked.elapsed(), Duration::ZERO, "round {round}");
    }
    // However long ago it has looked, the event was published now.
    advance(Duration::from_secs(60)).await;
    let receipt = here.publish(Tick::new(20)).await.expect("open");
    match receipt.remote().await {
        Remote::LocalOnly(LocalOnly::Away(error)) => {
            assert_eq!(error.kind(), ErrorKind::Unavailable);
        }
        other => panic!("{other}"),
    }
    let before = told(&here.counts());
    drop(here.publish(Tick::new(20)).await.expect("open"));
    advance(Duration::from_millis(2)).await;
    until("it is told", || told(&here.counts()) == before + 1).await;
    let rested = Instant::now();
    // It lies by now: then it is woken.
    advance(Duration::from_secs(1)).await;
    drop(here.publish(Tick::new(21)).await.expect("open"));
    until("it is told", || told(&here.counts()) == before + 2).await;
    assert!(rested.elapsed() < Duration::from_millis(1010));

    broker.start();
    link_is(&here, LinkState::Up).await;
    link_is(&there, LinkState::Up).await;
    for round in 22..30 {
        let receipt = here.publish(Tick::new(round)).await.expect("open");
        assert!(receipt.remote().await.is_confirmed(), "round {round}");
    }
}
