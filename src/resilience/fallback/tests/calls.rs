use std::{
    collections::BTreeSet,
    pin::pin,
    sync::{Arc, Mutex},
    task::Poll,
};

use proptest::prelude::*;
use tower::{Layer, ServiceExt};
use tower_resilience_core::testing::ControlledServiceClosed;

use super::model::{Ended, Model};
use crate::resilience::{
    Kind, Notice, What, contract,
    fallback::{Another, ByKind, Error, Fallback, FallbackConfig, FallbackHandle, FallbackLayer},
    probe::{Answer, Ask, CASES, Dependency, Does, Failed, Probe, call, paused, poll},
    rig::{End, Rig},
    steps::does,
};

/// What a caller may do, and what the services.
#[derive(Clone, Copy, Debug)]
enum Act {
    /// Of the service, or of the fallback.
    Answer(usize, bool, Answer),
    Call(usize, Does),
    Clone(usize),
    Forget(usize),
    Ready(usize),
    ReadyAndForget(usize),
}

pub(super) const KINDS: [Kind; 5] = [
    Kind::Cancelled,
    Kind::Dependency,
    Kind::Invalid,
    Kind::LocalRejection,
    Kind::Timeout,
];

pub(super) fn kinds() -> impl Strategy<Value = BTreeSet<Kind>> {
    prop::sample::subsequence(KINDS.to_vec(), 1..=5).prop_map(|kinds| kinds.into_iter().collect())
}

fn answer() -> impl Strategy<Value = Answer> {
    let fails = prop::sample::select(&KINDS).prop_map(|kind| Answer::Fails(Failed::of(kind)));
    prop_oneof![
        12 => Just(Answer::Works),
        16 => fails,
        1 => Just(Answer::Panics),
    ]
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let number = any::<usize>;
    let act = prop_oneof![
        10 => (number(), does(answer())).prop_map(|(service, does)| Act::Call(service, does)),
        10 => (number(), any::<bool>(), answer())
            .prop_map(|(call, backup, answer)| Act::Answer(call, backup, answer)),
        3 => number().prop_map(Act::Forget),
        2 => number().prop_map(Act::Ready),
        1 => number().prop_map(Act::ReadyAndForget),
        1 => number().prop_map(Act::Clone),
    ];
    prop::collection::vec(act, 1..60)
}

type Subject = Fallback<Probe, Another<Probe>, ByKind>;

/// Services of one layer, and the model.
struct Pair {
    rig: Rig<Subject>,
    handle: FallbackHandle,
    primary: Dependency,
    backup: Dependency,
    notices: Arc<Mutex<Vec<Notice>>>,
    model: Model,
}

impl Pair {
    fn new(kinds: BTreeSet<Kind>) -> Self {
        let notices = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&notices);
        let [primary, backup] = [(); 2].map(|()| Dependency::with_places(usize::MAX));
        let layer = FallbackLayer::builder(FallbackConfig::default().kinds(kinds.clone()))
            .name("subject")
            .observer(move |notice| told.lock().expect("no panic").push(notice))
            .service(backup.service())
            .build()
            .expect("good");
        let services = (0..2).map(|_| layer.clone().layer(primary.service()));
        Self {
            rig: Rig::new(services.collect()),
            handle: layer.handle(),
            primary,
            backup,
            notices,
            model: Model::new(kinds),
        }
    }

    fn act(&mut self, act: Act) {
        match act {
            Act::Call(service, does) => {
                let id = self.rig.call(service, does).expect("ready");
                self.model.call(id, does);
            }
            Act::Answer(call, backup, answer) => {
                let running = self.model.running(backup);
                if running.is_empty() {
                    return;
                }
                let id = running[call % running.len()];
                let dependency = if backup { &self.backup } else { &self.primary };
                assert!(dependency.answer(id, answer), "it is there");
                self.rig.settle();
                if backup {
                    self.model.backup(id, answer);
                } else {
                    self.model.primary(id, answer);
                }
            }
            Act::Forget(call) => {
                if let Some(id) = self.rig.forget(call) {
                    self.model.calls.remove(&id);
                }
            }
            Act::Clone(service) => self.rig.clone_service(service),
            Act::Ready(service) => assert!(self.rig.ready(service).is_ready()),
            Act::ReadyAndForget(service) => self.rig.ready_and_forget(service),
        }
    }

    fn check(&self) {
        let ends = self.rig.ends.iter();
        let ends: std::collections::BTreeMap<_, _> =
            ends.map(|(&id, end)| (id, self.ended(id, end))).collect();
        assert_eq!(ends, self.model.ends);
        for (dependency, is_backup) in [(&self.primary, false), (&self.backup, true)] {
            let mut running = dependency.running();
            running.sort_unstable();
            assert_eq!(running, self.model.running(is_backup));
            dependency.assert_right();
        }
        let status = self.handle.status();
        let count = |is: fn(&Ended) -> bool| ends.values().filter(|end| is(end)).count() as u64;
        assert_eq!(status.taken, self.model.taken);
        assert_eq!(status.answered, count(|end| *end == Ended::BackupAnswered));
        assert_eq!(status.failed, count(|end| matches!(end, Ended::Both(..))));
    }

    fn ended(&self, id: u64, end: &End<Error<Failed, Failed>>) -> Ended {
        match *end {
            End::Panic => Ended::Panicked,
            End::Result(Ok(response)) => {
                assert_eq!(response, id, "the response of another");
                match self.model.ends.get(&id) {
                    // Both services answer alike; which one did is seen by where the call was.
                    Some(Ended::BackupAnswered) => Ended::BackupAnswered,
                    _ => Ended::Answered,
                }
            }
            End::Result(Err(Error::Inner(failed))) => Ended::Inner(failed),
            End::Result(Err(Error::Both { primary, backup })) => Ended::Both(primary, backup),
            End::Unready(ref error) => panic!("{error:?}"),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(CASES))]

    /// With any set of kinds, over clones; who is not woken is not asked again (TC-5), and nothing is left (TC-2).
    #[test]
    fn fb_2_the_layer_and_the_model_agree(kinds in kinds(), acts in acts(), order: usize) {
        let mut pair = Pair::new(kinds);
        for act in acts {
            pair.act(act);
            pair.check();
        }
        let notices = pair.notices.lock().expect("no panic").clone();
        let told: u64 = notices.iter().map(|notice| notice.count).sum();
        let taken = pair.handle.status().taken;
        assert!(told <= taken && (told > 0) == (taken > 0), "told of {told} of {taken}");
        assert!(notices.iter().all(|notice| notice.what == What::FellBack));
        pair.rig.forget_all(order);
        pair.rig.close();
        pair.primary.assert_clean();
        pair.backup.assert_clean();
    }

    #[test]
    fn fb_1_while_the_service_works_the_fallback_is_not_asked(calls in prop::collection::vec(any::<bool>(), 1..20)) {
        let mut pair = Pair::new(KINDS.into());
        // It would fail to become ready, if anybody asked.
        pair.backup.set_unready(Some(Failed::of(Kind::Dependency)));
        for waits in calls {
            let does = if waits { Does::Wait } else { Does::Answer(Answer::Works) };
            let id = pair.rig.call(0, does).expect("ready");
            if waits {
                assert!(pair.primary.answer(id, Answer::Works));
                pair.rig.settle();
            }
            assert_eq!(pair.rig.end(id), Some(&End::Result(Ok(id))));
        }
        assert_eq!(pair.backup.asked(), 0);
        assert_eq!(pair.handle.status().taken, 0);
    }

    /// The fallback has few places: who needs it waits until there is one, and may go away meanwhile.
    #[test]
    fn fb_4_the_fallback_is_called_when_it_is_ready_and_waiting_for_it_leaves_nothing(
        places in prop::collection::vec((0_usize..3, any::<usize>(), any::<bool>()), 1..30), order: usize,
    ) {
        let mut pair = Pair::new(KINDS.into());
        pair.backup.set_places(0);
        for (places, call, goes) in places {
            pair.rig.call(0, Does::Answer(Answer::Works)).expect("ready");
            let id = pair.rig.call(1, Does::Wait).expect("ready");
            assert!(pair.primary.answer(id, Answer::FAILS));
            pair.rig.settle();
            if goes {
                pair.rig.forget(call);
            }
            pair.backup.set_places(places);
            pair.rig.settle();
            assert!(pair.backup.running().len() + pair.backup.reserved() <= 2);
            if let Some(&id) = pair.backup.running().first() {
                assert!(pair.backup.answer(id, Answer::Works));
                pair.rig.settle();
                assert_eq!(pair.rig.end(id), Some(&End::Result(Ok(id))));
            }
            pair.backup.assert_right();
        }
        pair.rig.forget_all(order);
        pair.rig.close();
        pair.primary.assert_clean();
        pair.backup.assert_clean();
    }

    #[test]
    fn tc_4_all_services_of_a_layer_share_its_state(acts in contract::shared_acts()) {
        paused().block_on(contract::is_shared(|inner| {
            let layer = FallbackLayer::builder(FallbackConfig::default()).respond(|_: &Failed| 7).build().expect("good");
            inner.into_iter().map(|inner| layer.layer(inner)).collect()
        }, acts));
    }

    #[test]
    fn tc_5_who_waits_is_woken_and_nobody_spins(acts in contract::shared_acts(), places in 0_usize..4) {
        paused().block_on(contract::every_call_ends(|inner| {
            let layer = FallbackLayer::builder(FallbackConfig::default()).respond(|_: &Failed| 7).build().expect("good");
            layer.layer(inner)
        }, acts, places));
    }

    #[test]
    fn tc_1_and_2_the_contract_is_kept(acts in contract::acts()) {
        paused().block_on(contract::is_kept(|inner| {
            let fails = inner.map_result(|result| match result {
                Ok(request) if request % 2 == 1 => Err(ControlledServiceClosed),
                other => other,
            });
            let layer = FallbackLayer::builder(FallbackConfig::default())
                .recover(|request: u64, _: &ControlledServiceClosed| async move {
                    tokio::task::yield_now().await;
                    Ok::<_, Failed>(request)
                })
                .every_error()
                .build()
                .expect("good");
            layer.layer(fails)
        }, acts));
    }

    #[test]
    fn tc_6_errors_of_readiness_and_those_that_are_not_taken_pass_unchanged(kind in 0..5_usize, unready: bool) {
        let failed = Failed::of(KINDS[kind]);
        let others = KINDS.into_iter().filter(|other| *other != KINDS[kind]).collect();
        if unready {
            let mut pair = Pair::new(KINDS.into());
            pair.primary.set_unready(Some(failed));
            for _ in 0..2 {
                let id = pair.rig.call(0, Does::Wait).expect("an error");
                assert_eq!(pair.rig.end(id), Some(&End::Unready(Error::Inner(failed))));
            }
        } else {
            let mut pair = Pair::new(others);
            let id = pair.rig.call(0, Does::Answer(Answer::Fails(failed))).expect("ready");
            assert_eq!(pair.rig.end(id), Some(&End::Result(Err(Error::Inner(failed)))));
            assert_eq!(pair.backup.asked(), 0);
        }
    }
}

/// An error of readiness is the last word of a service; here it is that of the fallback.
#[test]
fn fb_4_a_fallback_that_cannot_become_ready_has_failed() {
    let [primary, backup] = [(); 2].map(|()| Dependency::with_places(1));
    let layer = FallbackLayer::builder(FallbackConfig::default())
        .service(backup.service())
        .build()
        .expect("good");
    let mut service = layer.layer(primary.service());
    backup.set_unready(Some(Failed::of(Kind::Invalid)));
    let Poll::Ready(Ok(future)) = call(&mut service, Ask::new(1, Does::Answer(Answer::FAILS)))
    else {
        panic!("it is ready");
    };
    let both = Error::Both {
        primary: Failed::of(Kind::Dependency),
        backup: Failed::of(Kind::Invalid),
    };
    assert_eq!(poll(pin!(future)), Poll::Ready(Err(both)));
}
