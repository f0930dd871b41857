//! Pain that goes up a chain, on a bus and over a broker.

use std::time::Duration;

use algedonic::{
    Bus, Chain, Escalation, Feeling, Level, LinkState, Mirror, SeatSubscription, Signal,
    memory::Broker,
};
use futures_util::FutureExt;
use tokio::time::{Instant, sleep};

use super::{link_is, patience::within};

const SECOND: Duration = Duration::from_secs(1);

fn chain(bus: &Bus) -> (Chain, [SeatSubscription; 3]) {
    let escalation = Escalation::new()
        .seat("s3", 10 * SECOND)
        .seat("s4", 20 * SECOND)
        .seat("s5", 30 * SECOND)
        .from(Level::Medium);
    let chain = bus.escalate(escalation).expect("good");
    let seats = ["s3", "s4", "s5"].map(|seat| chain.seat(seat).expect("there is one"));
    (chain, seats)
}

fn pain(level: Level) -> Signal {
    Signal::pain(level, "queue_depth").source("s1.worker")
}

#[tokio::test(start_paused = true)]
async fn a_pain_that_nobody_takes_is_raised_one_level_higher_at_each_seat() {
    let bus = Bus::local();
    let (chain, mut seats) = chain(&bus);
    let mut heard = bus.signals();
    let start = Instant::now();
    let receipt = bus.signal(pain(Level::Medium)).await.expect("open");
    let levels = [Level::Medium, Level::High, Level::Critical];
    for (step, (seat, (level, after))) in seats
        .iter_mut()
        .zip(levels.into_iter().zip([0, 10, 30]))
        .enumerate()
    {
        let at_seat = within("the pain", seat.recv()).await.expect("open");
        assert_eq!(start.elapsed().as_secs(), after);
        assert_eq!((at_seat.level, at_seat.step as usize), (level, step));
        // For everybody, and as a signal of the same conversation.
        let signal = within("the signal", heard.recv()).await;
        let signal = signal.expect("open").expect("no gap");
        assert_eq!(signal.id(), at_seat.signal().id());
        assert_eq!((signal.source.as_str(), signal.level), ("s1.worker", level));
        if step > 0 {
            assert_eq!(signal.metadata().causation, Some(receipt.id()));
            assert_eq!(
                signal.metadata().correlation.to_string(),
                receipt.id().to_string()
            );
        }
    }
    assert_eq!(chain.counts().open, 1);
    sleep(31 * SECOND).await;
    let counts = chain.counts();
    assert_eq!((counts.opened, counts.unanswered, counts.open), (1, 1, 0));
    assert_eq!(counts.raised, 2);
    // Then it is over: it is not raised for ever.
    sleep(1_000 * SECOND).await;
    assert!(heard.recv().now_or_never().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_pain_that_is_taken_relieved_or_too_mild_goes_no_higher() {
    let bus = Bus::local();
    let (chain, [mut s3, mut s4, _s5]) = chain(&bus);
    // Too mild.
    bus.signal(pain(Level::Low)).await.expect("open");
    // Taken by its holder; a second time there is nothing to take.
    bus.signal(pain(Level::High)).await.expect("open");
    let taken = within("the pain", s3.recv()).await.expect("open");
    assert_eq!(taken.level, Level::High);
    assert!(taken.acknowledge());
    assert!(!taken.acknowledge());
    // Taken by its first id, when it is at the second seat.
    let receipt = bus.signal(pain(Level::High)).await.expect("open");
    let second = within("the pain", s4.recv()).await.expect("open");
    assert_eq!(second.step, 1);
    assert!(chain.acknowledge(receipt.id()));
    assert!(!second.acknowledge());
    // Relieved.
    bus.signal(pain(Level::High)).await.expect("open");
    sleep(SECOND).await;
    let well = Signal::pleasure(Level::Low, "queue_depth").source("s1.worker");
    bus.signal(well).await.expect("open");
    sleep(100 * SECOND).await;
    assert!(s4.recv().now_or_never().is_none());
    let counts = chain.counts();
    assert_eq!((counts.opened, counts.acknowledged), (3, 2));
    assert_eq!((counts.relieved, counts.unanswered), (1, 0));
}

/// Another process has the chain; what it raises again comes back as a signal, and begins no second chain.
#[tokio::test(start_paused = true)]
async fn a_pain_of_another_process_goes_up_the_chain_of_the_process_that_has_one() {
    let broker = Broker::new();
    let bus = |name: &str| {
        let mirror = Mirror::new(broker.transport(name));
        let bus = Bus::builder().source(name.to_owned()).mirror(mirror);
        bus.build().expect("good")
    };
    let (here, there) = (bus("s1"), bus("s3"));
    link_is(&here, LinkState::Up).await;
    link_is(&there, LinkState::Up).await;
    let (theirs, [mut s3, mut s4, _s5]) = chain(&there);
    // A second one, which takes nothing of the other's.
    let (ours, _seats) = chain(&here);
    let own = here
        .escalate(Escalation::new().seat("own", SECOND).own_only())
        .expect("good");
    let mut heard = here.signals();
    here.signal(pain(Level::High)).await.expect("open");
    let first = within("the pain", s3.recv()).await.expect("open");
    assert_eq!(first.source, "s1.worker");
    assert!(ours.acknowledge(first.signal().id()));
    let again = within("the pain", s4.recv()).await.expect("open");
    assert_eq!((again.level, again.step), (Level::Critical, 1));
    assert!(again.acknowledge());
    let mut steps = Vec::new();
    for _ in 0..2 {
        let signal = within("the signal", heard.recv()).await;
        let signal = signal.expect("open").expect("no gap");
        assert_eq!(signal.feeling, Feeling::Pain);
        steps.push(signal.step);
    }
    assert_eq!(steps, [0, 1]);
    assert_eq!(theirs.counts().acknowledged, 1);
    assert_eq!((ours.counts().opened, ours.counts().acknowledged), (1, 1));
    assert_eq!(own.counts().opened, 1);
}

/// A subscriber that is full holds up no time, and nobody in the chain.
#[tokio::test(start_paused = true)]
async fn a_subscriber_that_does_not_read_does_not_stop_the_chain() {
    let bus = Bus::local();
    let (chain, [_s3, mut s4, _s5]) = chain(&bus);
    let _full = bus.signals();
    for number in 0..1_024 {
        let metric = format!("metric.{number}");
        bus.signal(Signal::pain(Level::Medium, metric))
            .await
            .expect("open");
    }
    let first = within("the pain", s4.recv()).await.expect("open");
    assert!(first.acknowledge());
    sleep(100 * SECOND).await;
    let counts = chain.counts();
    assert_eq!((counts.opened, counts.acknowledged), (1_024, 1));
    assert_eq!(counts.unanswered, 1_023);
}

#[tokio::test(start_paused = true)]
async fn it_ends_with_the_bus_and_does_not_keep_it() {
    let bus = Bus::local();
    let (chain, [mut s3, ..]) = chain(&bus);
    bus.signal(pain(Level::High)).await.expect("open");
    let taken = within("the pain", s3.recv()).await.expect("open");
    drop(bus);
    assert!(within("the end", s3.recv()).await.is_none());
    let late = chain.seat("s4").expect("there is one").recv().await;
    assert!(late.is_none());
    let _ = taken.acknowledge();
    assert!(chain.seat("s9").is_err());
}
