use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use proptest::prelude::*;
use tower::Layer;

use crate::resilience::{
    Classify, Kind, Notice, Reason, What, contract,
    load_shed::{Error, LoadShed, LoadShedConfig, LoadShedHandle, LoadShedLayer},
    probe::{Answer, Ask, CASES, Dependency, Does, Failed, Probe, paused},
    rig::{End, Rig},
    steps::{answer, does},
};

/// What a caller may do, and what a service.
#[derive(Clone, Copy, Debug)]
enum Act {
    Answer(usize, Answer),
    /// Of an exempt request, or of another.
    Call(usize, Does, bool),
    Clone(usize),
    Forget(usize),
    /// So many places from now on.
    Places(usize),
    Ready(usize),
    ReadyAndForget(usize),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let number = any::<usize>;
    let act = prop_oneof![
        10 => (number(), does(answer()), any::<bool>()).prop_map(|(service, does, exempt)| Act::Call(service, does, exempt)),
        6 => (number(), answer()).prop_map(|(call, answer)| Act::Answer(call, answer)),
        3 => number().prop_map(Act::Forget),
        2 => number().prop_map(Act::Ready),
        1 => number().prop_map(Act::ReadyAndForget),
        1 => number().prop_map(Act::Clone),
        3 => (0_usize..4).prop_map(Act::Places),
    ];
    prop::collection::vec(act, 1..60)
}

type Rule = fn(&Ask) -> bool;

/// Services of one layer, around one with a number of places, and what is to come of their calls.
struct Pair {
    rig: Rig<LoadShed<Probe, Rule>>,
    handle: LoadShedHandle,
    dependency: Dependency,
    notices: Arc<Mutex<Vec<Notice>>>,
    places: usize,
    /// Services that have said that they are ready: whether the one inside is, and has a place reserved.
    ready: BTreeMap<usize, bool>,
    made: u64,
    shed: BTreeSet<u64>,
    /// Exempt calls that found no place.
    waited: BTreeSet<u64>,
}

const EXEMPT: u64 = 1 << 32;

impl Pair {
    fn new(places: usize) -> Self {
        let notices = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&notices);
        let exempt: Rule = |ask| ask.id >= EXEMPT;
        let layer = LoadShedLayer::builder(LoadShedConfig::default())
            .name("subject")
            .observer(move |notice| told.lock().expect("no panic").push(notice))
            .exempt(exempt)
            .build()
            .expect("good");
        let dependency = Dependency::with_places(places);
        let services = (0..2).map(|_| layer.clone().layer(dependency.service()));
        Self {
            rig: Rig::new(services.collect()),
            handle: layer.handle(),
            dependency,
            notices,
            places,
            ready: BTreeMap::new(),
            made: 0,
            shed: BTreeSet::new(),
            waited: BTreeSet::new(),
        }
    }

    /// Whether the service inside has a place, for one that has none reserved.
    fn has_room(&self) -> bool {
        self.dependency.reserved() + self.dependency.running().len() < self.places
    }

    fn ready(&mut self, service: usize) {
        let service = service % self.rig.services();
        let reserved = self.ready.get(&service) == Some(&true);
        let room = reserved || self.has_room();
        assert!(self.rig.ready(service).is_ready());
        self.ready.insert(service, room);
    }

    fn act(&mut self, act: Act) {
        match act {
            Act::Call(service, does, exempt) => {
                let service = service % self.rig.services();
                let room = self.ready.remove(&service);
                let room = room.unwrap_or_else(|| self.has_room());
                self.made += 1;
                let id = self.made + if exempt { EXEMPT } else { 0 };
                let asked = self.rig.start_as(service, Ask::new(id, does));
                assert_eq!(asked, Some(id), "it is always ready");
                if !room {
                    let into = if exempt {
                        &mut self.waited
                    } else {
                        &mut self.shed
                    };
                    into.insert(id);
                }
                self.rig.settle();
            }
            Act::Answer(call, answer) => {
                let running = self.dependency.running();
                if !running.is_empty() {
                    let id = running[call % running.len()];
                    assert!(self.dependency.answer(id, answer));
                    self.rig.settle();
                }
            }
            Act::Forget(call) => {
                self.rig.forget(call);
            }
            Act::Clone(service) => self.rig.clone_service(service),
            Act::Places(places) => {
                self.places = places;
                self.dependency.set_places(places);
                self.rig.settle();
            }
            Act::Ready(service) => self.ready(service),
            Act::ReadyAndForget(service) => self.rig.ready_and_forget(service),
        }
    }

    fn check(&self) {
        for (id, end) in &self.rig.ends {
            if let End::Unready(error) = end {
                panic!("{error:?}");
            }
            let shed = matches!(end, End::Result(Err(Error::Shed(_))));
            assert_eq!(shed, self.shed.contains(id), "call {id}: {end:?}");
            // LS-2.
            assert!(!shed || *id < EXEMPT, "an exempt call was shed");
        }
        assert!(
            self.shed.iter().all(|id| self.rig.end(*id).is_some()),
            "at once"
        );
        let status = self.handle.status();
        assert_eq!(status.shed, self.shed.len() as u64);
        assert_eq!(status.exempted, self.waited.len() as u64);
        // LS-3: who waits in the service is an exempt call under way, and nobody else.
        let ended = |id: &&u64| self.rig.end(**id).is_none();
        let waiting = self.waited.iter().filter(ended).count();
        assert!(self.dependency.asleep() <= waiting);
        // Those that were asked and are not called hold what they have reserved, while there is room.
        let reserved = self.ready.values().filter(|room| **room).count();
        assert_eq!(self.dependency.reserved(), reserved);
        self.dependency.assert_right();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(CASES))]

    /// Over clones, with any number of places; LS-2 and LS-3 with it. Who is not woken is not asked again (TC-5), and
    /// nothing is left (TC-2).
    #[test]
    fn ls_1_it_sheds_exactly_when_the_service_inside_is_not_ready(
        places in 0_usize..4, acts in acts(), order: usize,
    ) {
        let mut pair = Pair::new(places);
        for act in acts {
            pair.act(act);
            pair.check();
        }
        let notices = pair.notices.lock().expect("no panic").clone();
        let told: u64 = notices.iter().map(|notice| notice.count).sum();
        let shed = pair.handle.status().shed;
        assert!(told <= shed && (told > 0) == (shed > 0), "told of {told} of {shed}");
        assert!(notices.iter().all(|notice| notice.what == What::Rejected(Reason::Shed)));
        pair.rig.forget_all(order);
        pair.rig.close();
        pair.dependency.assert_clean();
    }

    /// Whatever the others do, each of the exempt is answered.
    #[test]
    fn ls_2_what_is_exempt_is_never_shed(calls in prop::collection::vec((any::<usize>(), any::<bool>()), 1..40)) {
        let mut pair = Pair::new(1);
        let mut exempt = BTreeSet::new();
        for (service, is_exempt) in calls {
            pair.act(Act::Call(service, Does::Wait, is_exempt));
            if is_exempt {
                exempt.insert(pair.made + EXEMPT);
            }
        }
        while let Some(id) = pair.dependency.running().first().copied() {
            assert!(pair.dependency.answer(id, Answer::Works));
            pair.rig.settle();
            pair.check();
        }
        for id in exempt {
            assert_eq!(pair.rig.end(id), Some(&End::Result(Ok(id))));
        }
    }

    /// A service that is full keeps no trace of who is refused, or is asked and goes no further.
    #[test]
    fn ls_3_who_is_shed_leaves_no_waker_and_no_reservation(acts in prop::collection::vec((0_usize..4, any::<bool>()), 1..40)) {
        let mut pair = Pair::new(0);
        for (service, calls) in acts {
            if calls {
                pair.act(Act::Call(service, Does::Wait, false));
            } else {
                pair.act(Act::Ready(service));
            }
            prop_assert_eq!((pair.dependency.asleep(), pair.dependency.reserved()), (0, 0));
        }
        // Also not of those who are still there when there is room again.
        pair.dependency.set_places(1);
        prop_assert_eq!(pair.dependency.reserved(), 0);
    }

    #[test]
    fn tc_4_all_services_of_a_layer_share_its_state(acts in contract::shared_acts()) {
        paused().block_on(contract::is_shared(|inner| {
            let layer = LoadShedLayer::new(LoadShedConfig::default()).expect("good");
            inner.into_iter().map(|inner| layer.layer(inner)).collect()
        }, acts));
    }

    #[test]
    fn tc_5_who_waits_is_woken_and_nobody_spins(acts in contract::shared_acts(), places in 0_usize..4) {
        paused().block_on(contract::every_call_ends(|inner| {
            let layer = LoadShedLayer::new(LoadShedConfig::default()).expect("good");
            layer.layer(inner)
        }, acts, places));
    }

    #[test]
    fn tc_1_and_2_the_contract_is_kept(acts in contract::acts()) {
        paused().block_on(contract::is_kept(|inner| {
            let layer = LoadShedLayer::builder(LoadShedConfig::default())
                .exempt_if(|request: &u64| request % 2 == 1)
                .build()
                .expect("good");
            layer.layer(inner)
        }, acts));
    }

    #[test]
    fn tc_6_responses_and_errors_pass_unchanged(kind in 0..5_usize, unready: bool) {
        let kinds = [Kind::Cancelled, Kind::Dependency, Kind::Invalid, Kind::LocalRejection, Kind::Timeout];
        let failed = Failed::of(kinds[kind]);
        let mut pair = Pair::new(1);
        if unready {
            pair.dependency.set_unready(Some(failed));
            for _ in 0..2 {
                let id = pair.rig.call(0, Does::Wait).expect("an error");
                assert_eq!(pair.rig.end(id), Some(&End::Unready(Error::Inner(failed))));
            }
        } else {
            let id = pair.rig.call(0, Does::Answer(Answer::Fails(failed))).expect("ready");
            assert_eq!(pair.rig.end(id), Some(&End::Result(Err(Error::Inner(failed)))));
            assert_eq!(Error::Inner(failed).class(), failed.class());
        }
    }
}

#[test]
fn what_is_shed_says_who_refused_it() {
    let mut pair = Pair::new(0);
    let id = pair.rig.call(0, Does::Wait).expect("ready");
    let Some(End::Result(Err(error))) = pair.rig.end(id) else {
        panic!("it is shed");
    };
    assert_eq!(error.to_string(), "subject: the service was not ready");
    assert_eq!(error.class().kind(), Kind::LocalRejection);
    let boxed: Box<dyn std::error::Error + Send + Sync> = Box::new(*error);
    assert_eq!(boxed.class().kind(), Kind::LocalRejection);
    assert_eq!(error.into_inner(), None);
}
