use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use proptest::prelude::*;
use tower::Layer;

use super::model::Model;
use crate::resilience::{
    Notice,
    probe::{Answer, Dependency, Does, MILLI, Probe},
    rate_limit::{Error, RateLimit, RateLimitConfig, RateLimitHandle, RateLimitLayer},
    rig::{End, Rig},
    steps::{answer, does},
};

/// What a caller may do, and what a service.
#[derive(Clone, Copy, Debug)]
pub(super) enum Act {
    Answer(usize, Answer),
    Call(usize, Does),
    Clone(usize),
    Forget(usize),
    Ready(usize),
    ReadyAndForget(usize),
    /// Milliseconds.
    Tick(u64),
    TryAcquire,
}

pub(super) fn acts() -> impl Strategy<Value = Vec<Act>> {
    let number = any::<usize>;
    let act = prop_oneof![
        12 => (number(), does(answer())).prop_map(|(service, does)| Act::Call(service, does)),
        4 => (number(), answer()).prop_map(|(call, answer)| Act::Answer(call, answer)),
        3 => number().prop_map(Act::Forget),
        2 => number().prop_map(Act::Ready),
        1 => number().prop_map(Act::ReadyAndForget),
        1 => number().prop_map(Act::Clone),
        1 => Just(Act::TryAcquire),
        6 => (0_u64..8).prop_map(Act::Tick),
    ];
    prop::collection::vec(act, 1..60)
}

/// In milliseconds: the interval, the burst, and the longest wait.
pub(super) fn limits() -> impl Strategy<Value = (u64, u32, u64)> {
    (1_u64..6, 1_u32..4, prop_oneof![Just(0), 1_u64..20])
}

pub(super) fn config((interval, burst, max_wait): (u64, u32, u64)) -> RateLimitConfig {
    RateLimitConfig::default()
        .limit(1)
        .period(Duration::from_millis(interval))
        .burst(burst)
        .max_wait(Duration::from_millis(max_wait))
}

/// Services of one layer, and the model.
pub(super) struct Pair {
    pub(super) rig: Rig<RateLimit<Probe>>,
    pub(super) handle: RateLimitHandle,
    pub(super) dependency: Dependency,
    pub(super) notices: Arc<Mutex<Vec<Notice>>>,
    pub(super) model: Model,
    max_wait: u64,
    now: u64,
    /// Those that wait: their time, and its number in the model.
    pub(super) waiting: BTreeMap<u64, (u64, usize, Does)>,
    running: BTreeSet<u64>,
    /// How long those that were refused are told to wait.
    limited: BTreeMap<u64, u64>,
    /// Those that were admitted, and what they did.
    admitted: u64,
    refused: u64,
    pub(super) made: u64,
}

impl Pair {
    pub(super) fn new((interval, burst, max_wait): (u64, u32, u64)) -> Self {
        let notices = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&notices);
        let layer = RateLimitLayer::builder(config((interval, burst, max_wait)))
            .name("subject")
            .observer(move |notice| told.lock().expect("no panic").push(notice))
            .build()
            .expect("good");
        let dependency = Dependency::with_places(usize::MAX);
        let services = (0..2).map(|_| layer.clone().layer(dependency.service()));
        Self {
            rig: Rig::new(services.collect()),
            handle: layer.handle(),
            dependency,
            notices,
            model: Model::new(interval * MILLI, burst),
            max_wait: max_wait * MILLI,
            now: 0,
            waiting: BTreeMap::new(),
            running: BTreeSet::new(),
            limited: BTreeMap::new(),
            admitted: 0,
            refused: 0,
            made: 0,
        }
    }

    fn admit(&mut self, id: u64, does: Does) {
        self.admitted += 1;
        if does == Does::Wait {
            self.running.insert(id);
        }
    }

    pub(super) async fn act(&mut self, act: Act) {
        match act {
            Act::Call(service, does) => {
                let id = self.rig.call(service, does).expect("ready");
                self.made += 1;
                match self.model.take(self.now, self.max_wait) {
                    Ok(at) if at == self.now => self.admit(id, does),
                    Ok(at) => {
                        let number = self.model.times.len() - 1;
                        self.waiting.insert(id, (at, number, does));
                    }
                    Err(wait) => {
                        self.limited.insert(id, wait);
                    }
                }
            }
            Act::Answer(call, answer) => {
                let running = self.dependency.running();
                if !running.is_empty() {
                    let id = running[call % running.len()];
                    assert!(self.dependency.answer(id, answer));
                    self.rig.settle();
                    self.running.remove(&id);
                }
            }
            Act::Forget(call) => {
                if let Some(id) = self.rig.forget(call) {
                    self.running.remove(&id);
                    if let Some((_, number, _)) = self.waiting.remove(&id) {
                        self.model.give_back(number);
                    }
                }
            }
            Act::Clone(service) => self.rig.clone_service(service),
            Act::Ready(service) => assert!(self.rig.ready(service).is_ready()),
            Act::ReadyAndForget(service) => self.rig.ready_and_forget(service),
            Act::TryAcquire => {
                let acquired = self.handle.try_acquire();
                let expected = self.model.take(self.now, 0);
                let told = acquired.map_err(|rejection| rejection.retry_after());
                let wait = |wait| Some(Duration::from_nanos(wait));
                assert_eq!(told, expected.map(drop).map_err(wait));
                self.admitted += u64::from(told.is_ok());
                self.refused += u64::from(told.is_err());
            }
            Act::Tick(millis) => {
                self.rig.advance(millis * MILLI).await;
                self.now += millis * MILLI;
                let due = |(_, (at, _, _)): &(&u64, &(u64, usize, Does))| *at <= self.now;
                let due: Vec<_> = self.waiting.iter().filter(due).map(|(id, _)| *id).collect();
                for id in due {
                    let (_, _, does) = self.waiting.remove(&id).expect("it waited");
                    self.admit(id, does);
                }
            }
        }
    }

    pub(super) fn check(&self) {
        for (id, end) in &self.rig.ends {
            match end {
                End::Result(Err(Error::Limited(rejection))) => {
                    let wait = self.limited.get(id).copied().map(Duration::from_nanos);
                    assert!(
                        wait.is_some() && rejection.retry_after() == wait,
                        "{id}: {end:?}"
                    );
                }
                End::Unready(error) => panic!("{error:?}"),
                End::Panic | End::Result(_) => assert!(!self.limited.contains_key(id)),
            }
        }
        let mut running = self.dependency.running();
        running.sort_unstable();
        assert!(
            running.iter().eq(&self.running),
            "{running:?}, {:?}",
            self.running
        );
        let ended = self.made - (self.running.len() + self.waiting.len()) as u64;
        assert!(self.rig.ends.len() as u64 <= ended);
        let status = self.handle.status();
        assert_eq!(status.available, self.model.available(self.now));
        assert_eq!(status.waiting, self.waiting.len() as u64);
        assert_eq!(status.admitted, self.admitted);
        assert_eq!(status.rejected, self.limited.len() as u64 + self.refused);
        self.dependency.assert_right();
    }
}
