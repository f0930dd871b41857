use std::time::Duration;

use algedonic::{
    Buffer, Bus, Envelope, Feeling, Level, LinkState, Signal, SignalSubscription, Vitals,
    memory::Broker, resilience::registry::Registry,
};
use tokio::time::{Instant, sleep};

use super::{Ordered, Shelf, mirrored, patience::within};

async fn link_is(bus: &Bus, state: LinkState) {
    let mut links = bus.links();
    while links.next().await.expect("the link is not closed").state != state {}
}

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// The next signal, and how long it took: by the clock of the test, which goes on only when all wait.
async fn next(signals: &mut SignalSubscription) -> (Envelope<Signal>, Duration) {
    let start = Instant::now();
    let signal = tokio::time::timeout(seconds(600), signals.recv()).await;
    let signal = signal.expect("a signal in ten minutes").expect("open");
    (signal.expect("no gap"), start.elapsed())
}

#[track_caller]
fn assert_says(said: &(Envelope<Signal>, Duration), metric: &str, feeling: Feeling, level: Level) {
    let (signal, _) = said;
    assert_eq!(
        (&*signal.metric, signal.feeling, signal.level),
        (metric, feeling, level)
    );
}

/// It took so long, and a look more at most.
#[track_caller]
fn assert_took(said: &(Envelope<Signal>, Duration), expected: u64) {
    let took = said.1;
    // The clock of tokio has steps of a millisecond.
    let at_least = seconds(expected).saturating_sub(Duration::from_millis(2));
    assert!(
        took >= at_least && took <= seconds(expected + 1) + Duration::from_millis(10),
        "{took:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_mirror_that_is_away_for_long_hurts_and_is_back() {
    let broker = Broker::new();
    let bus = mirrored(&broker, &Shelf::default());
    bus.watch(Vitals::new());
    let mut signals = bus.signals();
    link_is(&bus, LinkState::Up).await;
    // Not for long.
    broker.stop();
    link_is(&bus, LinkState::Down).await;
    sleep(seconds(25)).await;
    broker.start();
    link_is(&bus, LinkState::Up).await;
    sleep(seconds(100)).await;
    assert_eq!(signals.unread(), 0);

    broker.stop();
    link_is(&bus, LinkState::Down).await;
    let pain = next(&mut signals).await;
    assert_says(&pain, "mirror.down", Feeling::Pain, Level::High);
    assert_took(&pain, 30);
    assert_eq!(pain.0.source, bus.source());
    // It hurts once; and then the health of the whole does.
    let health = next(&mut signals).await;
    assert_says(&health, "health", Feeling::Pain, Level::Medium);
    assert_took(&health, 30);
    sleep(seconds(1_000)).await;
    assert_eq!(signals.unread(), 0);

    broker.start();
    link_is(&bus, LinkState::Up).await;
    let pleasure = next(&mut signals).await;
    assert_says(&pleasure, "mirror.down", Feeling::Pleasure, Level::High);
    assert_took(&pleasure, 5);
    let health = next(&mut signals).await;
    assert_says(&health, "health", Feeling::Pleasure, Level::Medium);
}

#[tokio::test(start_paused = true)]
async fn a_link_that_flaps_is_down_and_hurts_once() {
    let broker = Broker::new();
    let bus = mirrored(&broker, &Shelf::default());
    bus.watch(Vitals::new().health(seconds(100_000)));
    let mut signals = bus.signals();
    for _ in 0..30 {
        broker.stop();
        sleep(seconds(9)).await;
        broker.start();
        link_is(&bus, LinkState::Up).await;
        sleep(seconds(3)).await;
    }
    assert_eq!(signals.unread(), 1);
    sleep(seconds(30)).await;
    assert_says(
        &next(&mut signals).await,
        "mirror.down",
        Feeling::Pain,
        Level::High,
    );
    assert_says(
        &next(&mut signals).await,
        "mirror.down",
        Feeling::Pleasure,
        Level::High,
    );
    assert_eq!(signals.unread(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_spool_that_fills_hurts_until_it_has_room() {
    let (broker, shelf) = (Broker::new(), Shelf::default());
    let bus = mirrored(&broker, &shelf);
    bus.watch(Vitals::new());
    let mut signals = bus.signals();
    link_is(&bus, LinkState::Up).await;
    // It has no bound, or it is less full.
    for (bytes, bound) in [(1_000_000, 0), (799, 1_000)] {
        shelf.say(bytes, bound);
        sleep(seconds(10)).await;
        assert_eq!(signals.unread(), 0);
    }
    shelf.say(800, 1_000);
    let pain = next(&mut signals).await;
    assert_says(&pain, "spool.filling.events", Feeling::Pain, Level::High);
    assert_eq!((pain.0.value, pain.0.threshold), (Some(800.0), Some(800.0)));
    assert_took(&pain, 0);
    shelf.say(600, 1_000);
    sleep(seconds(100)).await;
    assert_eq!(signals.unread(), 0);
    shelf.say(599, 1_000);
    let pleasure = next(&mut signals).await;
    assert_says(
        &pleasure,
        "spool.filling.events",
        Feeling::Pleasure,
        Level::High,
    );
    assert_took(&pleasure, 5);
}

/// Requirement 0.22.
#[tokio::test(start_paused = true)]
async fn health_that_is_bad_for_long_hurts() {
    let (bus, registry) = (Bus::local(), Registry::default());
    bus.include_health_of(&registry);
    bus.watch(Vitals::new());
    let mut signals = bus.signals();
    registry.breaker("database").force_open();
    let pain = next(&mut signals).await;
    assert_says(&pain, "health", Feeling::Pain, Level::Medium);
    assert_took(&pain, 60);
    assert!(
        pain.0.message.contains("database forced open"),
        "{}",
        pain.0.message
    );
    registry.breaker("database").reset();
    let pleasure = next(&mut signals).await;
    assert_says(&pleasure, "health", Feeling::Pleasure, Level::Medium);
    assert_took(&pleasure, 5);
}

#[tokio::test(start_paused = true)]
async fn a_subscriber_that_drops_events_hurts_at_once() {
    let bus = Bus::local();
    bus.watch(Vitals::new());
    let (mut signals, mut slow) = (
        bus.signals(),
        bus.subscribe_with::<Ordered>(Buffer::drop_oldest(4)),
    );
    for number in 0..10 {
        bus.publish(Ordered { number }).await.expect("open");
    }
    let pain = next(&mut signals).await;
    assert_says(
        &pain,
        "subscriber.lagging.test.ordered",
        Feeling::Pain,
        Level::Medium,
    );
    assert_took(&pain, 0);
    assert_eq!(pain.0.value, Some(6.0));
    // It stays full, and drops more: that is the same pain.
    for number in 0..10 {
        sleep(seconds(7)).await;
        bus.publish(Ordered { number }).await.expect("open");
    }
    assert_eq!(signals.unread(), 0);
    while slow.unread() > 0 {
        let _ = slow.recv().await;
    }
    let pleasure = next(&mut signals).await;
    assert_says(
        &pleasure,
        "subscriber.lagging.test.ordered",
        Feeling::Pleasure,
        Level::Medium,
    );
    assert_took(&pleasure, 5);
    assert_eq!(pleasure.0.value, Some(16.0));
}

#[tokio::test(start_paused = true)]
async fn a_pattern_subscriber_that_left_is_well() {
    let bus = Bus::local();
    bus.watch(Vitals::new());
    let mut signals = bus.signals();
    let slow = bus
        .subscribe_pattern_with("test.*", Buffer::drop_newest(1))
        .expect("a pattern");
    for number in 0..3 {
        bus.publish(Ordered { number }).await.expect("open");
    }
    let pain = next(&mut signals).await;
    assert_says(
        &pain,
        "subscriber.lagging.test.*",
        Feeling::Pain,
        Level::Medium,
    );
    assert_eq!(pain.0.value, Some(2.0));
    drop(slow);
    let pleasure = next(&mut signals).await;
    assert_says(
        &pleasure,
        "subscriber.lagging.test.*",
        Feeling::Pleasure,
        Level::Medium,
    );
    assert_took(&pleasure, 5);
}

/// What a handler has in hand is in no buffer; what waits for it is.
#[tokio::test(start_paused = true)]
async fn a_subscriber_that_is_full_for_long_hurts() {
    let bus = Bus::local();
    bus.watch(Vitals::new());
    let mut signals = bus.signals();
    let handler = bus
        .on::<Ordered>()
        .buffer(Buffer::block(1))
        .handle(|_| async {
            sleep(seconds(100)).await;
            Ok::<_, std::io::Error>(())
        });
    bus.publish(Ordered { number: 0 }).await.expect("open");
    sleep(seconds(50)).await;
    assert_eq!(signals.unread(), 0);
    bus.publish(Ordered { number: 1 }).await.expect("open");
    let pain = next(&mut signals).await;
    assert_says(
        &pain,
        "subscriber.lagging.test.ordered",
        Feeling::Pain,
        Level::Medium,
    );
    assert_took(&pain, 10);
    assert_eq!(pain.0.value, Some(1.0));
    let pleasure = next(&mut signals).await;
    assert_says(
        &pleasure,
        "subscriber.lagging.test.ordered",
        Feeling::Pleasure,
        Level::Medium,
    );
    assert_eq!(pleasure.0.value, Some(0.0));
    drop(handler);
}

#[tokio::test(start_paused = true)]
async fn called_again_it_sets_what_hurts_and_begins_nothing_anew() {
    let broker = Broker::new();
    let bus = mirrored(&broker, &Shelf::default());
    bus.watch(Vitals::new().health(seconds(100_000)));
    let mut signals = bus.signals();
    link_is(&bus, LinkState::Up).await;
    broker.stop();
    link_is(&bus, LinkState::Down).await;
    sleep(seconds(20)).await;
    let patient = Vitals::new().health(seconds(100_000));
    bus.watch(patient.clone().mirror_down(seconds(10)));
    let pain = next(&mut signals).await;
    assert_says(&pain, "mirror.down", Feeling::Pain, Level::High);
    assert_took(&pain, 0);
    bus.watch(patient.clone());
    sleep(seconds(100)).await;
    assert_eq!(signals.unread(), 0);
    bus.watch(patient.hold(seconds(50)));
    broker.start();
    link_is(&bus, LinkState::Up).await;
    let pleasure = next(&mut signals).await;
    assert_says(&pleasure, "mirror.down", Feeling::Pleasure, Level::High);
    assert_took(&pleasure, 50);
}

#[tokio::test(start_paused = true)]
async fn it_does_not_keep_the_bus_and_ends_with_it() {
    let bus = Bus::local();
    bus.watch(Vitals::new());
    sleep(seconds(3)).await;
    let mut signals = bus.signals();
    drop(bus);
    assert!(within("the end", signals.recv()).await.is_none());

    let bus = Bus::local();
    bus.watch(Vitals::new());
    let _full = bus.subscribe_with::<Ordered>(Buffer::block(1));
    bus.publish(Ordered { number: 0 }).await.expect("open");
    let mut signals = bus.signals();
    bus.shutdown(seconds(5)).await;
    // Again, to no end.
    bus.watch(Vitals::new());
    sleep(seconds(100)).await;
    assert!(within("the end", signals.recv()).await.is_none());
    let metrics = tokio::runtime::Handle::current().metrics();
    assert_eq!(metrics.num_alive_tasks(), 0);
}
