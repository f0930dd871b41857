use futures_util::FutureExt;
use proptest::prelude::*;
use tower::{Layer, Service, ServiceExt};

use super::steps::{CASES, configs};
use crate::resilience::{
    Classify, Kind,
    breaker::{BreakerConfig, BreakerHandle, BreakerLayer, Error, State},
    contract,
    probe::{Answer, Ask, Dependency, Does, Failed, paused},
    rig::{End, Rig},
};

/// States in which no call is let through.
#[derive(Clone, Copy, Debug)]
enum Refusing {
    Open,
    ForcedOpen,
    /// With a probe in every place; they end with this.
    HalfOpen,
}

fn refusing() -> impl Strategy<Value = Refusing> {
    prop::sample::select(vec![
        Refusing::Open,
        Refusing::ForcedOpen,
        Refusing::HalfOpen,
    ])
}

type Probes = Vec<std::pin::Pin<Box<dyn Future<Output = ()>>>>;

impl Refusing {
    fn bring_about(self, breaker: &BreakerHandle) -> Probes {
        if matches!(self, Self::ForcedOpen) {
            breaker.force_open();
            return Vec::new();
        }
        while breaker.state() != State::Open {
            let _ = breaker.call_blocking(|| Err::<(), _>("lost"));
        }
        if matches!(self, Self::Open) {
            return Vec::new();
        }
        breaker.probe();
        let probe = || breaker.call(std::future::pending::<Result<(), &str>>);
        let probes = (0..breaker.config().half_open_permits).map(|_| probe());
        let probes: Probes = probes.map(|probe| probe.map(drop).boxed_local()).collect();
        assert_eq!(breaker.state(), State::HalfOpen);
        probes
    }
}

fn layer(config: BreakerConfig) -> (BreakerLayer, BreakerHandle) {
    let layer = BreakerLayer::new(config).expect("good");
    let breaker = layer.handle();
    (layer, breaker)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(CASES))]

    /// However often it is asked; the service inside may be one that is never ready.
    #[test]
    fn tc_3_while_it_rejects_the_service_inside_is_not_asked(
        config in configs(), state in refusing(), polls in 1_usize..4, calls in 1_u64..4,
    ) {
        paused().block_on(async {
            let (layer, breaker) = layer(config);
            let dependency = Dependency::with_places(0);
            let mut service = layer.layer(dependency.service());
            let _probes = state.bring_about(&breaker);
            let before = breaker.status().rejected;
            for call in 1..=calls {
                for _ in 0..polls {
                    assert!(ServiceExt::<Ask>::ready(&mut service).now_or_never().is_some());
                }
                let rejected = service.call(Ask::new(call, Does::Wait)).await;
                assert!(rejected.expect_err("open").is_open());
            }
            assert_eq!(dependency.asked(), 0);
            assert_eq!(breaker.status().rejected, before + calls);
        });
    }

    /// By the call, or by being asked again.
    #[test]
    fn tc_3_a_rejected_call_frees_what_was_reserved(config in configs(), state in refusing(), again: bool) {
        paused().block_on(async {
            let (layer, breaker) = layer(config);
            let dependency = Dependency::with_places(1);
            let mut rig = Rig::new(vec![layer.layer(dependency.service())]);
            assert!(rig.ready(0).is_ready());
            assert_eq!(dependency.reserved(), 1);
            let _probes = state.bring_about(&breaker);
            if again {
                assert!(rig.ready(0).is_ready());
            } else {
                let id = rig.call(0, Does::Wait).expect("ready");
                assert!(matches!(rig.end(id), Some(End::Result(Err(Error::Open(_))))));
            }
            assert_eq!(dependency.reserved(), 0);
            rig.close();
            dependency.assert_clean();
        });
    }

    #[test]
    fn tc_4_all_services_of_a_layer_share_its_state(config in configs(), acts in contract::shared_acts()) {
        paused().block_on(contract::is_shared(|inner| {
            let (layer, _) = layer(config.clone());
            inner.into_iter().map(|inner| layer.layer(inner)).collect()
        }, acts));
    }

    #[test]
    fn tc_5_who_waits_is_woken_and_nobody_spins(config in configs(), acts in contract::shared_acts(), places in 0_usize..4) {
        paused().block_on(contract::every_call_ends(|inner| layer(config.clone()).0.layer(inner), acts, places));
    }

    #[test]
    fn tc_6_responses_and_errors_pass_unchanged(config in configs(), kind in 0..5_usize, unready: bool) {
        let kinds = [Kind::Cancelled, Kind::Dependency, Kind::Invalid, Kind::LocalRejection, Kind::Timeout];
        let failed = Failed::of(kinds[kind]);
        let (layer, breaker) = layer(config);
        let dependency = Dependency::with_places(1);
        let mut rig = Rig::new(vec![layer.layer(dependency.service())]);
        if unready {
            dependency.set_unready(Some(failed));
            for _ in 0..2 {
                let id = rig.call(0, Does::Wait).expect("an error");
                prop_assert_eq!(rig.end(id), Some(&End::Unready(Error::Inner(failed))));
            }
            // Readiness does not count.
            prop_assert_eq!((breaker.state(), breaker.status().failed), (State::Closed, 0));
        } else {
            let id = rig.call(0, Does::Answer(Answer::Works)).expect("ready");
            prop_assert_eq!(rig.end(id), Some(&End::Result(Ok(id))));
            let id = rig.call(0, Does::Answer(Answer::Fails(failed))).expect("ready");
            prop_assert_eq!(rig.end(id), Some(&End::Result(Err(Error::Inner(failed)))));
            prop_assert_eq!(Error::Inner(failed).class(), failed.class());
        }
    }
}
