//! Storms of a real component, and the task of the alarms, on paused time.

use std::time::Duration;

use proptest::prelude::*;
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep},
};

use super::{HOLD, alarms};
use crate::{
    Feeling, Signal,
    resilience::bulkhead::{BulkheadConfig, BulkheadHandle, BulkheadLayer, Slot},
    signal::alarm::Notices,
};

const HOLDS: Duration = Duration::from_secs(HOLD);
const SECOND: Duration = Duration::from_secs(1);

/// A bulkhead that is full, and who hears of it.
struct Scene {
    pool: BulkheadHandle,
    slot: Slot,
    said: JoinHandle<Vec<Said>>,
}

/// When something was said, what, and the count.
type Said = (Instant, Feeling, u64);

fn said(signal: &Signal) -> Said {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "small"
    )]
    let count = signal.value.expect("a count") as u64;
    (Instant::now(), signal.feeling, count)
}

impl Scene {
    fn new() -> Self {
        let (observer, notices) = Notices::new(alarms());
        let config = BulkheadConfig::default().size(1).overflow(0).queue(0);
        let layer = BulkheadLayer::builder(config).observer(observer);
        let pool = layer.build().expect("good").handle();
        let slot = pool.try_checkout().expect("free");
        let said = tokio::spawn(async move {
            let mut all = Vec::new();
            while let Some(signal) = notices.next().await {
                all.push(said(&signal));
            }
            all
        });
        Self { pool, slot, said }
    }

    fn refuse(&self, calls: u64) {
        for _ in 0..calls {
            self.pool.try_checkout().expect_err("full");
        }
    }

    /// All that was said, when the component is gone.
    async fn end(self) -> Vec<Said> {
        drop((self.pool, self.slot));
        self.said.await.expect("no panic")
    }
}

/// What is refused within a second of the last notice is told by nobody who calls.
#[tokio::test(start_paused = true)]
async fn the_tail_of_a_storm_is_told_when_it_ends_and_not_with_the_next() {
    let scene = Scene::new();
    let began = Instant::now();
    for _ in 0..10 {
        scene.refuse(100);
        sleep(SECOND / 20).await;
    }
    sleep(86_400 * SECOND).await;
    let again = Instant::now();
    scene.refuse(1);
    sleep(60 * SECOND).await;
    assert_eq!(
        scene.end().await,
        [
            (began, Feeling::Pain, 1),
            (began + SECOND + HOLDS, Feeling::Pleasure, 1_000),
            (again, Feeling::Pain, 1),
            (again + HOLDS, Feeling::Pleasure, 1),
        ]
    );
}

/// The task has not looked yet when the component goes.
#[tokio::test(start_paused = true)]
async fn a_component_that_goes_tells_what_is_left() {
    let scene = Scene::new();
    scene.refuse(1_000);
    assert!(matches!(scene.end().await[..], [(_, Feeling::Pain, 1_000)]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Of each pair the pleasure has all that were refused since the pleasure before, and comes when none was for the
    /// hold, or as much later as refusals are told.
    #[test]
    fn he_4_the_counts_of_storms_are_those_of_the_calls(
        bursts in prop::collection::vec((1_u64..15_000, 1_u64..20), 1..20),
    ) {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_time().start_paused(true).build();
        let (refusals, all) = runtime.expect("a runtime").block_on(async {
            let scene = Scene::new();
            let mut refusals = Vec::new();
            for (gap, calls) in bursts {
                sleep(Duration::from_millis(gap)).await;
                scene.refuse(calls);
                refusals.push((Instant::now(), calls));
            }
            sleep(HOLDS + 2 * SECOND).await;
            (refusals, scene.end().await)
        });
        let clashes = |at: Instant| all.iter().any(|said| said.1 == Feeling::Pleasure && said.0 == at);
        prop_assume!(!refusals.iter().any(|(at, _)| clashes(*at)));
        let mut refusals = refusals.into_iter().peekable();
        for pair in all.chunks(2) {
            let [(began, Feeling::Pain, _), (ended, Feeling::Pleasure, count)] = *pair else {
                return Err(TestCaseError::fail(format!("{pair:?}")));
            };
            prop_assert_eq!(refusals.peek().map(|(at, _)| *at), Some(began));
            let (mut last, mut sum) = (began, 0);
            while let Some((at, calls)) = refusals.next_if(|(at, _)| *at < ended) {
                (last, sum) = (at, sum + calls);
            }
            prop_assert_eq!(sum, count);
            let rest = ended - last;
            prop_assert!(rest >= HOLDS && rest <= HOLDS + SECOND, "{:?}", rest);
        }
        prop_assert_eq!(refusals.next(), None);
    }
}
