//! An event whose time passes while its handler has not begun, or waits to try again.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, SystemTime},
};

use algedonic::{Account, Bus, Envelope, Event, Fail, PublishOptions, Retry};
use tokio::sync::Semaphore;

use crate::{events::Tick, patience::until};

const SOON: Duration = Duration::from_millis(300);

/// Waits until the time of what is published now with this ttl is over: the system's time, which no
/// test can pause.
async fn late() {
    let end = SystemTime::now() + SOON;
    until("its time is over", || SystemTime::now() > end).await;
}

fn account(bus: &Bus) -> Account {
    let books = bus.books();
    books.assert_balanced();
    books.of(Tick::NAME).expect("published").subscribers[0].account
}

/// Counts its attempts, which all fail until there is a permit for one.
fn failing(
    attempts: &Arc<AtomicU32>,
) -> impl Fn(Envelope<Tick>) -> Result<(), Fail> + Send + Sync + use<> {
    let attempts = Arc::clone(attempts);
    move |_| {
        attempts.fetch_add(1, Ordering::SeqCst);
        Err(Fail::retry("planted"))
    }
}

#[tokio::test]
async fn an_event_whose_time_passes_behind_its_key_is_not_handled() {
    let bus = Bus::local();
    let (gate, done) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicU32::new(0)));
    let handler = {
        let (gate, done) = (Arc::clone(&gate), Arc::clone(&done));
        bus.on::<Tick>()
            .keyed(|_| ())
            .concurrency(2)
            .handle(move |_| {
                let (gate, done) = (Arc::clone(&gate), Arc::clone(&done));
                async move {
                    gate.acquire().await.expect("open").forget();
                    done.fetch_add(1, Ordering::SeqCst);
                    Ok::<_, Fail>(())
                }
            })
    };
    bus.publish(Tick::new(0)).await.expect("open");
    let short = PublishOptions::new().ttl(SOON);
    bus.publish_with(Tick::new(1), short).await.expect("open");
    bus.publish(Tick::new(2)).await.expect("open");
    until("all are taken", || account(&bus).in_flight == 3).await;
    late().await;
    gate.add_permits(3);
    until("all are settled", || account(&bus).in_flight == 0).await;
    let account = account(&bus);
    assert_eq!((account.delivered, account.expired), (2, 1));
    assert_eq!(done.load(Ordering::SeqCst), 2);
    assert_eq!(bus.counts().expired, 1);
    handler.drain().await;
}

#[tokio::test]
async fn an_event_whose_time_has_passed_is_not_tried_again() {
    let bus = Bus::local();
    let attempts = Arc::new(AtomicU32::new(0));
    let handle = failing(&attempts);
    let handler = bus
        .on::<Tick>()
        .retry(Retry::attempts(u32::MAX).delays(SOON / 3, SOON / 3))
        .handle(move |tick| std::future::ready(handle(tick)));
    let short = PublishOptions::new().ttl(SOON);
    bus.publish_with(Tick::new(0), short).await.expect("open");
    until("it is given up", || account(&bus).in_flight == 0).await;
    assert_eq!(account(&bus).expired, 1);
    assert!(
        attempts.load(Ordering::SeqCst) >= 1,
        "it was in time at first"
    );
    assert!(bus.dead_letters().is_empty());
    handler.drain().await;
}

#[tokio::test]
async fn a_dead_letter_is_redriven_however_old_it_is() {
    let bus = Bus::local();
    let attempts = Arc::new(AtomicU32::new(0));
    let handle = failing(&attempts);
    let handler = bus
        .on::<Tick>()
        .handle(move |tick| std::future::ready(handle(tick)));
    let short = PublishOptions::new().ttl(SOON);
    bus.publish_with(Tick::new(0), short).await.expect("open");
    until("it is a dead letter", || bus.dead_letters().len() == 1).await;
    late().await;
    let letter = bus.dead_letters().list().remove(0);
    bus.dead_letters()
        .redrive(letter.id)
        .expect("the handler is there");
    until("it is one again", || bus.dead_letters().len() == 1).await;
    assert_eq!(attempts.load(Ordering::SeqCst), 2);
    assert_eq!(account(&bus).expired, 0);
    handler.drain().await;
}
