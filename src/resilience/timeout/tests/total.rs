use std::{collections::BTreeMap, time::Duration};

use proptest::prelude::*;
use tokio::time::Instant;
use tower::Layer;

use super::calls::{config, covers};
use crate::resilience::{
    probe::{Answer, CASES, Dependency, Does, MILLI, Probe, paused},
    rig::{End, Rig},
    timeout::{Covers, Error, Timeout, TimeoutLayer},
};

#[derive(Clone, Copy, Debug)]
enum Act {
    Answer(usize, bool),
    Call(usize, bool),
    Forget(usize),
    Ready(usize),
    ReadyAndForget(usize),
    /// So many places from now on.
    Places(usize),
    /// Milliseconds.
    Tick(u64),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        8 => (any::<usize>(), any::<bool>()).prop_map(|(service, waits)| Act::Call(service, waits)),
        5 => (any::<usize>(), any::<bool>()).prop_map(|(call, works)| Act::Answer(call, works)),
        3 => any::<usize>().prop_map(Act::Forget),
        2 => any::<usize>().prop_map(Act::Ready),
        1 => any::<usize>().prop_map(Act::ReadyAndForget),
        2 => (0_usize..4).prop_map(Act::Places),
        4 => (0_u64..6).prop_map(Act::Tick),
    ];
    prop::collection::vec(act, 1..60)
}

fn rig(covers: Covers, limit: u64, places: usize) -> (Rig<Timeout<Probe>>, Dependency) {
    let layer = TimeoutLayer::new(config(covers, Duration::from_millis(limit))).expect("good");
    let dependency = Dependency::with_places(places);
    let services = (0..3).map(|_| layer.layer(dependency.service()));
    (Rig::new(services.collect()), dependency)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(CASES))]

    /// The service inside has few places. Whatever is dropped whenever, nothing is left, and it is called when it is
    /// ready (TC-1, TC-2); and no call is under way for longer than it may, also while it waits for readiness.
    #[test]
    fn to_4_no_call_outlives_its_time_in_a_service_that_is_seldom_ready(
        covers in covers(), limit in 1_u64..10, places in 0_usize..4, acts in acts(), order: usize,
    ) {
        paused().block_on(async {
            let (mut rig, dependency) = rig(covers, limit, places);
            let mut begun = BTreeMap::new();
            for act in acts {
                match act {
                    Act::Call(service, waits) => {
                        let does = if waits { Does::Wait } else { Does::Answer(Answer::Works) };
                        let id = rig.call(service, does);
                        assert!(id.is_some() || covers == Covers::Attempt, "a total is ready at once");
                        begun.extend(id.map(|id| (id, Instant::now())));
                    }
                    Act::Answer(call, works) => {
                        let running = dependency.running();
                        if !running.is_empty() {
                            let answer = if works { Answer::Works } else { Answer::FAILS };
                            dependency.answer(running[call % running.len()], answer);
                            rig.settle();
                        }
                    }
                    Act::Forget(call) => {
                        if let Some(id) = rig.forget(call) {
                            begun.remove(&id);
                        }
                    }
                    Act::Ready(service) => {
                        let _ = rig.ready(service);
                        rig.settle();
                    }
                    Act::ReadyAndForget(service) => rig.ready_and_forget(service),
                    Act::Places(places) => {
                        dependency.set_places(places);
                        rig.settle();
                    }
                    Act::Tick(millis) => rig.advance(millis * MILLI).await,
                }
                for (id, begun) in &begun {
                    let late = begun.elapsed() >= Duration::from_millis(limit);
                    assert!(rig.end(*id).is_some() || !late, "call {id} is still under way");
                }
                dependency.assert_right();
            }
            rig.forget_all(order);
            rig.close();
            dependency.assert_clean();
        });
    }

    /// It is ready after some time, and answers after some more. A total has time for both together, and an attempt for
    /// the second, each anew.
    #[test]
    fn to_4_a_total_begins_before_readiness_and_an_attempt_after_it(
        covers in covers(), limit in 1_u64..10, unready in 0_u64..10, answered in 0_u64..10, calls in 1_u64..4,
    ) {
        paused().block_on(async {
            let (mut rig, dependency) = rig(covers, limit, 0);
            for _ in 0..calls {
                dependency.set_places(0);
                let early = rig.call(0, Does::Wait);
                assert_eq!(early.is_some(), covers == Covers::Total);
                rig.advance(unready * MILLI).await;
                dependency.set_places(1);
                rig.settle();
                let id = early.or_else(|| rig.call(0, Does::Wait)).expect("ready");
                rig.advance(answered * MILLI).await;
                dependency.answer(id, Answer::Works);
                rig.settle();
                let taken = if covers == Covers::Total { unready + answered } else { answered };
                match rig.end(id).expect("it has ended") {
                    End::Result(Ok(_)) => assert!(taken < limit),
                    End::Result(Err(Error::Elapsed(_))) => assert!(taken >= limit),
                    other => panic!("{other:?}"),
                }
            }
        });
    }

    /// Who waits for a service that is not ready keeps the place where it waits: it is not asked anew at the end of a
    /// queue.
    #[test]
    fn to_4_the_service_that_was_asked_is_the_one_that_waits(asked in 1_usize..4) {
        paused().block_on(async {
            let (mut rig, dependency) = rig(Covers::Total, 5, 0);
            for _ in 0..asked {
                assert!(rig.ready(0).is_ready());
                assert_eq!(dependency.asleep(), 1);
            }
            rig.call(0, Does::Wait).expect("ready");
            assert_eq!(dependency.asleep(), 1, "no second one");
            dependency.set_places(1);
            rig.settle();
            assert_eq!(dependency.running(), [1]);
        });
    }
}
