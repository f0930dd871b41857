//! Other bulkheads, where they differ from the properties, and so from ours; and where they do not. A test here fails
//! when a new release of theirs has mended what it shows; then the comparison is to be told anew.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use proptest::prelude::*;
use tower::{Layer, Service, limit::ConcurrencyLimit};
use tower_resilience_bulkhead::BulkheadLayer as TheirLayer;

use crate::resilience::{
    bulkhead::{Bulkhead, BulkheadConfig, BulkheadLayer},
    probe::{Answer, Ask, CASES, Dependency, Does, Probe, paused},
    rig::Rig,
};

const WAIT: Duration = Duration::from_secs(60);

fn ours(slots: u32, queue: u32, dependency: &Dependency) -> Bulkhead<Probe> {
    let config = BulkheadConfig::default().size(slots).overflow(0);
    let config = config.queue(queue).max_wait(WAIT);
    BulkheadLayer::new(config)
        .expect("good")
        .layer(dependency.service())
}

type Theirs = tower_resilience_bulkhead::Bulkhead<Probe>;

fn theirs(slots: u32, waits: bool, dependency: &Dependency) -> Theirs {
    let builder = TheirLayer::builder().max_concurrent_calls(slots as usize);
    let builder = if waits {
        builder.max_wait_duration(WAIT)
    } else {
        builder.reject_when_full()
    };
    builder.build().expect("good").layer(dependency.service())
}

/// As many calls run as there are slots, and the others are refused.
fn admits_as_a_counter<S>(service: S, dependency: &Dependency, slots: usize, acts: &[(bool, usize)])
where
    S: Service<Ask, Response = u64, Error: std::fmt::Debug> + Clone,
{
    let mut rig = Rig::new(vec![service; 3]);
    let mut running = Vec::new();
    for &(begins, number) in acts {
        if begins {
            let call = rig.call(number, Does::Wait).expect("ready");
            let refused = rig.end(call).is_some();
            assert_eq!(refused, running.len() == slots);
            if !refused {
                running.push(call);
            }
        } else if !running.is_empty() {
            let call = running.swap_remove(number % running.len());
            dependency.answer(call, Answer::Works);
            rig.settle();
        }
        assert_eq!(dependency.running().len(), running.len());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(CASES))]

    /// Without a queue, all do the same.
    #[test]
    fn bh_1_so_many_calls_at_a_time_in_ours_and_theirs(
        slots in 1_u32..5, acts in prop::collection::vec(any::<(bool, usize)>(), 1..40),
    ) {
        paused().block_on(async {
            let dependency = Dependency::with_places(usize::MAX);
            admits_as_a_counter(ours(slots, 0, &dependency), &dependency, slots as usize, &acts);
            let dependency = Dependency::with_places(usize::MAX);
            admits_as_a_counter(theirs(slots, false, &dependency), &dependency, slots as usize, &acts);
        });
    }
}

/// What is reserved in the service inside by calls that wait for a slot.
fn held_by_who_waits<S>(service: S, dependency: &Dependency) -> usize
where
    S: Service<Ask, Response = u64, Error: std::fmt::Debug> + Clone,
{
    let mut rig = Rig::new(vec![service; 4]);
    for service in 0..4 {
        rig.call(service, Does::Wait).expect("ready");
    }
    assert_eq!(dependency.running().len(), 1);
    dependency.reserved()
}

/// BH-6, row 18: theirs holds a place of the service inside for each who waits.
#[tokio::test(start_paused = true)]
async fn bh_6_what_is_held_by_who_waits() {
    let dependency = Dependency::with_places(usize::MAX);
    let service = ours(1, 10, &dependency);
    assert_eq!(held_by_who_waits(service, &dependency), 0);
    let dependency = Dependency::with_places(usize::MAX);
    let service = theirs(1, true, &dependency);
    assert_eq!(held_by_who_waits(service, &dependency), 3);
}

/// Whether a call is admitted while others were asked whether they are ready, and are not called.
fn admits_beside_idle_ones<S>(service: S, idle: usize) -> bool
where
    S: Service<Ask, Response = u64, Error: std::fmt::Debug> + Clone,
{
    let mut rig = Rig::new(vec![service; idle + 1]);
    for service in 0..idle {
        assert!(rig.ready(service).is_ready());
    }
    let answers = Does::Answer(Answer::Works);
    rig.call(idle, answers)
        .is_some_and(|call| rig.end(call).is_some())
}

/// Row 37: tower's takes the slot in readiness, and who is ready and does not call keeps the others out.
#[test]
fn bh_3_who_is_ready_and_does_not_call() {
    let dependency = Dependency::with_places(usize::MAX);
    assert!(admits_beside_idle_ones(ours(2, 0, &dependency), 2));
    assert!(admits_beside_idle_ones(theirs(2, false, &dependency), 2));
    let towers = ConcurrencyLimit::new(dependency.service(), 2);
    assert!(!admits_beside_idle_ones(towers, 2));
}

/// BH-5: theirs makes a timer for a call that need not wait; where there is none to be had it panics.
#[test]
fn bh_5_a_slot_that_is_free_outside_of_a_runtime() {
    fn answers<S>(service: S) -> bool
    where
        S: Service<Ask, Response = u64, Error: std::fmt::Debug> + Clone,
    {
        let mut rig = Rig::new(vec![service]);
        let call = rig.call(0, Does::Answer(Answer::Works)).expect("ready");
        matches!(
            rig.end(call),
            Some(crate::resilience::rig::End::Result(Ok(_)))
        )
    }
    let dependency = Dependency::with_places(usize::MAX);
    assert!(answers(ours(1, 10, &dependency)));
    let theirs = theirs(1, true, &dependency);
    let answered = catch_unwind(AssertUnwindSafe(|| answers(theirs)));
    assert!(!answered.unwrap_or(false));
}
