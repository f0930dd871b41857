use std::{collections::BTreeMap, time::Duration};

use algedonic::{Buffer, Bus, LinkState, Subscription, memory::Broker};
use proptest::prelude::*;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};

use super::{
    Kept, Shelf, link_is,
    patience::{until, within},
    receiver, sender,
};

/// So many publish at once.
const CALLERS: u64 = 8;
const SECOND: Duration = Duration::from_secs(1);

/// Publishes until then, each event as soon as the last is safe; gives how many, and how many of the last second went
/// without the disk.
async fn publish(here: Bus, caller: u64, until: Instant) -> (u64, u64, u64) {
    let (mut count, mut direct) = (0, 0);
    while Instant::now() < until {
        let number = caller + CALLERS * count;
        let receipt = here.publish(Kept { number }).await.expect("open");
        let remote = within("the outcome", receipt.remote()).await;
        assert!(remote.is_safe(), "{number}: {remote}");
        direct += u64::from(remote.is_confirmed() && Instant::now() + SECOND > until);
        count += 1;
        // The broker of these tests answers at once.
        sleep(Duration::from_micros(200)).await;
    }
    (caller, count, direct)
}

/// Publishes until an event is not safe, as it is when the bus is shut down; gives how many were.
async fn publish_to_the_end(here: Bus, caller: u64) -> (u64, u64) {
    let mut count = 0;
    while let Ok(receipt) = here
        .publish(Kept {
            number: caller + CALLERS * count,
        })
        .await
    {
        if !within("the outcome", receipt.remote()).await.is_safe() {
            break;
        }
        count += 1;
        sleep(Duration::from_micros(200)).await;
    }
    (caller, count)
}

/// Of each caller all, in order.
async fn all_arrive(events: &mut Subscription<Kept>, counts: &[u64]) {
    let mut next = vec![0; counts.len()];
    for _ in 0..counts.iter().sum::<u64>() {
        let event = within("the event", events.recv()).await;
        let number = event.expect("open").expect("no gap").number;
        let caller = usize::try_from(number % CALLERS).expect("few");
        assert_eq!(number / CALLERS, next[caller], "of caller {caller}");
        next[caller] += 1;
    }
    assert_eq!(next, counts);
}

/// What befalls the broker, one after another: after a pause, for so long.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Away(Duration, Duration),
    Silent(Duration, Duration),
}

async fn befall(broker: &Broker, fates: &[Fate]) {
    for fate in fates {
        match *fate {
            Fate::Away(pause, time) => {
                sleep(pause).await;
                broker.stop();
                sleep(time).await;
                broker.start();
            }
            Fate::Silent(pause, time) => {
                sleep(pause).await;
                broker.hold_confirms();
                sleep(time).await;
                broker.release_confirms();
            }
        }
    }
}

/// Callers publish through all of it, and two seconds longer. Gives how many of the last second went without the disk.
async fn through(fates: &[Fate], latency: Duration) -> u64 {
    let (broker, shelf) = (Broker::new(), Shelf::default());
    let (here, there) = (sender(&broker, &shelf), receiver(&broker));
    shelf.set_latency(latency);
    link_is(&here, LinkState::Up).await;
    link_is(&there, LinkState::Up).await;
    let mut events = there.subscribe_with::<Kept>(Buffer::block(100_000));
    let length = |fate: &Fate| match *fate {
        Fate::Away(pause, time) | Fate::Silent(pause, time) => pause + time,
    };
    let end = Instant::now() + fates.iter().map(length).sum::<Duration>() + 2 * SECOND;
    let mut callers: JoinSet<_> = (0..CALLERS)
        .map(|caller| publish(here.clone(), caller, end))
        .collect();
    befall(&broker, fates).await;
    let mut counts = vec![0; usize::try_from(CALLERS).expect("few")];
    let mut direct = 0;
    while let Some(published) = callers.join_next().await {
        let (caller, count, without) = published.expect("no panic");
        counts[usize::try_from(caller).expect("few")] = count;
        direct += without;
    }
    all_arrive(&mut events, &counts).await;
    until("the disk is empty", || shelf.len() == 0).await;
    direct
}

/// The bus is shut down so long after the callers have begun, amid all of it; the next life sends what is left.
async fn ended_amid(fates: &[Fate], latency: Duration, lived: Duration) {
    let (broker, shelf) = (Broker::new(), Shelf::default());
    let (here, there) = (sender(&broker, &shelf), receiver(&broker));
    shelf.set_latency(latency);
    link_is(&here, LinkState::Up).await;
    link_is(&there, LinkState::Up).await;
    let mut events = there.subscribe_with::<Kept>(Buffer::block(100_000));
    let mut callers: JoinSet<_> = (0..CALLERS)
        .map(|caller| publish_to_the_end(here.clone(), caller))
        .collect();
    let end = async {
        sleep(lived).await;
        here.shutdown(SECOND).await;
    };
    tokio::join!(befall(&broker, fates), end);
    let mut safe = BTreeMap::new();
    while let Some(published) = callers.join_next().await {
        let (caller, count) = published.expect("no panic");
        safe.insert(caller, count);
    }
    drop(here);
    let _next_life = sender(&broker, &shelf);
    until("the disk is empty", || shelf.len() == 0).await;
    // Whoever had the last one not confirmed may find it arrived all the same.
    let mut next: BTreeMap<u64, u64> = BTreeMap::new();
    while safe
        .iter()
        .any(|(caller, count)| next.get(caller).is_none_or(|next| next < count))
    {
        let event = within("the event", events.recv()).await;
        let number = event.expect("open").expect("no gap").number;
        let next = next.entry(number % CALLERS).or_default();
        assert_eq!(number / CALLERS, *next, "of caller {}", number % CALLERS);
        *next += 1;
    }
}

#[tokio::test(start_paused = true)]
async fn the_disk_is_out_of_the_way_soon_after_an_outage_though_the_load_goes_on() {
    let direct = through(&[Fate::Away(SECOND, SECOND)], Duration::from_millis(2)).await;
    assert!(direct > 1_000, "{direct} went without the disk");
}

fn fate() -> impl Strategy<Value = Fate> {
    let milliseconds = |most| (0..most).prop_map(Duration::from_millis);
    prop_oneof![
        (milliseconds(300_u64), milliseconds(800_u64))
            .prop_map(|(pause, time)| Fate::Away(pause, time)),
        (milliseconds(300_u64), milliseconds(800_u64))
            .prop_map(|(pause, time)| Fate::Silent(pause, time)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn outages_under_a_steady_load_lose_nothing_and_keep_the_order_of_each_caller(
        fates in prop::collection::vec(fate(), 1..5),
        latency in prop::sample::select(vec![0_u64, 1, 5, 40]),
    ) {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().start_paused(true).build().expect("a runtime");
        runtime.block_on(through(&fates, Duration::from_millis(latency)));
    }

    #[test]
    fn what_was_safe_when_the_bus_was_shut_down_amid_it_all_comes(
        fates in prop::collection::vec(fate(), 1..4),
        latency in prop::sample::select(vec![0_u64, 1, 5, 40]),
        lived in 1_u64..1_500,
    ) {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().start_paused(true).build().expect("a runtime");
        let (latency, lived) = (Duration::from_millis(latency), Duration::from_millis(lived));
        runtime.block_on(ended_amid(&fates, latency, lived));
    }
}
