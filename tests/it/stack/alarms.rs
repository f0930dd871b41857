use std::time::Duration;

use algedonic::{
    Alarms, Bus, Feeling, Level, LocalOnly, Mirror, Remote, Signal, SignalSubscription,
    memory::Broker,
    resilience::{breaker::State, registry::Registry},
};
use futures_util::FutureExt;
use tokio::time::{Instant, sleep};

use super::flaky::{CONFIRM, Flaky, REFUSE};
use crate::{
    events::Tick,
    mirror::bus,
    patience::{until, within},
};

const SECOND: Duration = Duration::from_secs(1);

async fn publish_until(bus: &Bus, wanted: State) {
    let stack = bus.mirror_stack().expect("not replaced");
    while stack.breaker().state() != wanted {
        let receipt = bus.publish(Tick::new(0)).await.expect("open");
        within("the outcome", receipt.remote()).await;
    }
}

async fn next(signals: &mut SignalSubscription) -> (Feeling, Level, String) {
    let signal = within("a signal", signals.recv()).await;
    let signal = signal.expect("open").expect("no gap");
    (signal.feeling, signal.level, signal.metric.clone())
}

/// Item "the broker dead": one pain when it opens, however long it stays so and however often it is tried; one pleasure
/// when it has been well for the hold.
#[tokio::test(start_paused = true)]
async fn a_dead_broker_is_one_pain_and_its_return_one_pleasure() {
    let broker = Broker::new();
    let (here, there) = (bus(&broker, "here"), bus(&broker, "there"));
    let (mut ours, mut theirs) = (here.signals(), there.signals());
    broker.stop();
    publish_until(&here, State::Open).await;
    let pain = (Feeling::Pain, Level::High, "breaker.memory".to_owned());
    assert_eq!(next(&mut ours).await, pain);
    // Probes that fail open it again and again.
    for _ in 0..20 {
        sleep(20 * SECOND).await;
        for number in 0..10 {
            here.publish(Tick::new(number)).await.expect("open");
        }
    }
    let status = here.mirror_stack().expect("there").breaker().status();
    assert!(status.generation > 6, "{status:?}");
    assert_eq!((ours.unread(), here.counts().signals), (0, 1));

    broker.start();
    let back = Instant::now();
    let pleasure = (Feeling::Pleasure, Level::High, "breaker.memory".to_owned());
    assert_eq!(next(&mut ours).await, pleasure);
    assert_eq!(back.elapsed(), 5 * SECOND);
    assert_eq!(next(&mut theirs).await, pleasure);
    sleep(600 * SECOND).await;
    assert_eq!((ours.unread(), theirs.unread()), (0, 0));
    assert_eq!((here.counts().signals, there.counts().signals), (2, 0));
}

/// Signals pass no breaker: each is tried, none opens it, none is refused by it.
#[tokio::test(start_paused = true)]
async fn a_signal_is_neither_refused_by_the_breaker_nor_hurts_it() {
    let transport = Flaky::new([CONFIRM]);
    transport.signals(REFUSE);
    let here = transport.bus(|mirror| mirror);
    let breaker = here.mirror_stack().expect("there").breaker().clone();
    for number in 0..50 {
        let signal = Signal::pain(Level::Critical, "m").measured(f64::from(number), 0.0);
        let receipt = here.signal(signal).await.expect("open");
        let remote = within("the outcome", receipt.remote()).await;
        assert!(matches!(remote, Remote::LocalOnly(LocalOnly::Away(_))));
    }
    assert_eq!(
        (transport.signalled(), breaker.state()),
        (50, State::Closed)
    );
    assert_eq!(breaker.status().failed, 0);

    transport.then(REFUSE);
    publish_until(&here, State::Open).await;
    sleep(SECOND).await;
    // Its own pain went out, too, and was refused; that hurts no more.
    assert_eq!((transport.signalled(), here.counts().signals), (51, 51));
    transport.signals(CONFIRM);
    let start = Instant::now();
    let receipt = here
        .signal(Signal::pain(Level::Low, "m"))
        .await
        .expect("open");
    assert!(within("the outcome", receipt.remote()).await.is_confirmed());
    assert_eq!(start.elapsed(), Duration::ZERO);
    assert_eq!(breaker.state(), State::Open);
}

#[tokio::test(start_paused = true)]
async fn the_level_and_the_hold_are_configured_and_alarms_can_be_left_out() {
    let alarms = Alarms::new().critical("flaky").hold(20 * SECOND);
    let transport = Flaky::new([REFUSE]);
    let here = transport.bus(|mirror| mirror.alarms(alarms));
    let mut signals = here.signals();
    publish_until(&here, State::Open).await;
    assert_eq!(next(&mut signals).await.1, Level::Critical);
    transport.then(CONFIRM);
    transport.goes_down();
    sleep(SECOND).await;
    transport.comes_up();
    let back = Instant::now();
    assert_eq!(next(&mut signals).await.0, Feeling::Pleasure);
    assert_eq!(back.elapsed(), 20 * SECOND);

    let silent = Flaky::new([REFUSE]).bus(Mirror::without_alarms);
    publish_until(&silent, State::Open).await;
    sleep(SECOND).await;
    assert_eq!(silent.counts().signals, 0);
}

/// Nothing of it keeps the bus alive: not the task, not a handle, not a subscriber that is full.
#[tokio::test(start_paused = true)]
async fn a_bus_that_is_dropped_ends_its_alarms() {
    let transport = Flaky::new([REFUSE]);
    let here = transport.bus(|mirror| mirror);
    let handle = here.mirror_stack().expect("there");
    let full = here.signals();
    for _ in 0..1_024 {
        here.signal(Signal::pain(Level::Low, "m"))
            .await
            .expect("open");
    }
    publish_until(&here, State::Open).await;
    sleep(SECOND).await;
    assert_eq!(here.counts().signals, 1_025);
    drop(here);
    let metrics = tokio::runtime::Handle::current().metrics();
    until("the tasks to end", || metrics.num_alive_tasks() == 0).await;
    handle.breaker().reset();
    drop(full);
}

/// `Bus::alarms` for components of the application's: its task ends with the bus, though the observer is still there and nothing
/// happens any more.
#[tokio::test(start_paused = true)]
async fn the_task_of_alarms_ends_when_the_bus_is_shut_down() {
    let bus = Bus::local();
    let observer = bus.alarms(Alarms::new());
    let registry = Registry::builder().standard().observer(observer.clone());
    let registry = registry.build().expect("good");
    let mut signals = bus.signals();
    registry.breaker("database").force_open();
    assert_eq!(next(&mut signals).await.2, "breaker.database");
    let metrics = tokio::runtime::Handle::current().metrics();
    assert_eq!(metrics.num_alive_tasks(), 1);
    bus.shutdown(SECOND).await;
    until("the task to end", || metrics.num_alive_tasks() == 0).await;
    registry.breaker("database").reset();
    sleep(60 * SECOND).await;
    assert!(signals.recv().await.is_none());
    // One that is asked for later ends at once.
    let _late = bus.alarms(Alarms::new());
    until("the task to end", || metrics.num_alive_tasks() == 0).await;
}

/// A subscriber that is full holds up what comes after, and nobody who makes it happen; then the last state is told.
#[tokio::test(start_paused = true)]
async fn a_subscriber_that_is_full_stalls_no_call_and_misses_no_last_state() {
    let bus = Bus::local();
    let registry = Registry::builder()
        .standard()
        .observer(bus.alarms(Alarms::new().hold(SECOND)))
        .build()
        .expect("good");
    let mut slow = bus.signals();
    for _ in 0..1_024 {
        bus.signal(Signal::pain(Level::Low, "filler"))
            .await
            .expect("open");
    }
    let mut quick = bus.signals();
    for _ in 0..3 {
        registry.breaker("database").force_open();
        registry.breaker("llm_api").force_open();
        registry.breaker("database").reset();
        sleep(Duration::from_millis(10)).await;
    }
    // Whoever has room is reached at once.
    assert_eq!(next(&mut quick).await.0, Feeling::Pain);
    sleep(60 * SECOND).await;
    assert!(
        quick.recv().now_or_never().is_none(),
        "the slow one is waited for"
    );
    for _ in 0..1_024 {
        assert_eq!(next(&mut slow).await.2, "filler");
    }
    let mut told = Vec::new();
    for _ in 0..3 {
        let (feeling, _, metric) = next(&mut slow).await;
        told.push((metric, feeling));
    }
    told.sort_by_key(|(metric, feeling)| (metric.clone(), *feeling == Feeling::Pleasure));
    assert_eq!(
        told,
        [
            ("breaker.database".to_owned(), Feeling::Pain),
            ("breaker.database".to_owned(), Feeling::Pleasure),
            ("breaker.llm_api".to_owned(), Feeling::Pain),
        ]
    );
    sleep(60 * SECOND).await;
    assert_eq!(slow.unread(), 0);
}
