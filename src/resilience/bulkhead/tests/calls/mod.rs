mod properties;
mod slots;

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use futures_util::FutureExt;
use proptest::prelude::*;
use tokio::time::advance;
use tower::Layer;

use super::model::{Got, Model};
use crate::resilience::{
    Classify, Kind, Notice, Reason, What,
    bulkhead::{
        Bulkhead, BulkheadConfig, BulkheadHandle, BulkheadLayer, Error, Slot,
        shared::{Entry, Local},
    },
    contract,
    probe::{Answer, Ask, CASES, Dependency, Does, Failed, MILLI, Probe, call, paused, poll},
    rig::{End, Rig},
    steps::{answer, does},
};

/// What a caller may do, and what a service.
#[derive(Clone, Copy, Debug)]
enum Act {
    Answer(usize, Answer),
    Call(usize, Does),
    Checkout,
    Checkin(usize),
    Clone(usize),
    /// Lets go of a response, or of a place in the queue.
    Forget(usize),
    /// Asks for readiness, and may call later.
    Ready(usize),
    /// Asks for readiness and goes away.
    ReadyAndForget(usize),
    Resize(u32, u32),
    /// Milliseconds.
    Tick(u64),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        10 => (any::<usize>(), does(answer())).prop_map(|(service, does)| Act::Call(service, does)),
        6 => (any::<usize>(), answer()).prop_map(|(call, answer)| Act::Answer(call, answer)),
        3 => any::<usize>().prop_map(Act::Forget),
        1 => Just(Act::Checkout),
        1 => any::<usize>().prop_map(Act::Checkin),
        3 => any::<usize>().prop_map(Act::Ready),
        1 => any::<usize>().prop_map(Act::ReadyAndForget),
        1 => any::<usize>().prop_map(Act::Clone),
        1 => (1_u32..4, 0_u32..3).prop_map(|(size, overflow)| Act::Resize(size, overflow)),
        3 => (0_u64..6).prop_map(Act::Tick),
    ]
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    prop::collection::vec(act(), 1..60)
}

fn configs() -> impl Strategy<Value = BulkheadConfig> {
    (1_u32..4, 0_u32..3, 0_u32..4, 1_u64..8).prop_map(|(size, overflow, queue, wait)| {
        BulkheadConfig::default()
            .size(size)
            .overflow(overflow)
            .queue(queue)
            .max_wait(Duration::from_millis(wait))
    })
}

/// How a call ends, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Answered(Answer),
    Full,
    Panicked,
    TimedOut,
}

impl Outcome {
    fn of(id: u64, end: &End<Error<Failed>>) -> Self {
        match *end {
            End::Panic => Self::Panicked,
            End::Result(Ok(response)) => {
                assert_eq!(response, id, "the response of another");
                Self::Answered(Answer::Works)
            }
            End::Result(Err(Error::Inner(failed))) => Self::Answered(Answer::Fails(failed)),
            End::Result(Err(Error::Full(_))) => Self::Full,
            End::Result(Err(Error::Timeout(_))) => Self::TimedOut,
            End::Unready(ref error) => panic!("{error:?}"),
        }
    }
}

/// Services of one layer, and the model.
struct Pair {
    rig: Rig<Bulkhead<Probe>>,
    handle: BulkheadHandle,
    dependency: Dependency,
    notices: Arc<Mutex<Vec<Notice>>>,
    slots: Vec<(u64, Slot)>,
    model: Model,
    max_wait: u64,
    now: u64,
    made: u64,
    /// What calls do that have not ended, and until when they wait.
    calls: BTreeMap<u64, (Does, u64)>,
    ends: BTreeMap<u64, Outcome>,
    served: u64,
    overflowed: u64,
    size: usize,
}

impl Pair {
    fn new(config: &BulkheadConfig, places: usize) -> Self {
        let notices = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&notices);
        let layer = BulkheadLayer::builder(config.clone())
            .name("subject")
            .observer(move |notice| told.lock().expect("no panic").push(notice))
            .build()
            .expect("good");
        let dependency = Dependency::with_places(places);
        let services = (0..2).map(|_| layer.clone().layer(dependency.service()));
        Self {
            rig: Rig::new(services.collect()),
            handle: layer.handle(),
            dependency,
            notices,
            slots: Vec::new(),
            model: Model::new(config.slots(), config.queue),
            max_wait: u64::try_from(config.max_wait.as_millis()).expect("short"),
            now: 0,
            made: 0,
            calls: BTreeMap::new(),
            ends: BTreeMap::new(),
            served: 0,
            overflowed: 0,
            size: config.size as usize,
        }
    }

    /// In the model: it has a slot, and calls.
    fn runs(&mut self, call: u64) {
        self.served += 1;
        if self.model.running.len() > self.size {
            self.overflowed += 1;
        }
        let Some((does, _)) = self.calls.get(&call) else {
            return;
        };
        match does {
            Does::Answer(Answer::Panics) | Does::PanicInCall => self.ends(call, Outcome::Panicked),
            Does::Answer(answer) => self.ends(call, Outcome::Answered(*answer)),
            Does::Wait => {}
        }
    }

    /// In the model: it has ended, in this way.
    fn ends(&mut self, call: u64, outcome: Outcome) {
        self.ends.insert(call, outcome);
        self.gone(call);
    }

    fn gone(&mut self, call: u64) {
        self.calls.remove(&call);
        if let Some(served) = self.model.over(call) {
            self.runs(served);
        }
    }

    async fn act(&mut self, act: Act) {
        match act {
            Act::Call(service, does) => {
                let id = self.rig.call(service, does).expect("ready");
                // A checkout has a number, too.
                self.made += 1;
                self.calls.insert(id, (does, self.now + self.max_wait));
                match self.model.take(id) {
                    Got::Full => self.ends(id, Outcome::Full),
                    Got::Place => {}
                    Got::Slot => self.runs(id),
                }
            }
            Act::Answer(call, answer) => {
                let running = self.dependency.running();
                if running.is_empty() {
                    return;
                }
                let id = running[call % running.len()];
                assert!(self.dependency.answer(id, answer));
                self.rig.settle();
                self.ends(
                    id,
                    if answer == Answer::Panics {
                        Outcome::Panicked
                    } else {
                        Outcome::Answered(answer)
                    },
                );
            }
            Act::Forget(call) => {
                if let Some(id) = self.rig.forget(call) {
                    self.gone(id);
                }
            }
            Act::Checkout => {
                let slot = self.handle.try_checkout();
                let id = 1_000_000 + self.served;
                let room = self.model.running.len() < self.model.limit;
                assert_eq!(slot.is_ok(), room);
                if let Ok(slot) = slot {
                    assert_eq!(self.model.take(id), Got::Slot);
                    self.runs(id);
                    self.slots.push((id, slot));
                }
            }
            Act::Checkin(slot) => {
                if !self.slots.is_empty() {
                    let (id, slot) = self.slots.remove(slot % self.slots.len());
                    slot.checkin();
                    self.rig.settle();
                    self.gone(id);
                }
            }
            Act::Clone(service) => {
                self.rig.clone_service(service);
            }
            Act::Ready(service) => assert!(self.rig.ready(service).is_ready()),
            Act::ReadyAndForget(service) => self.rig.ready_and_forget(service),
            Act::Resize(size, overflow) => {
                self.size = size as usize;
                self.handle.resize(size, overflow).expect("good");
                self.rig.settle();
                for served in self.model.resize(size + overflow) {
                    self.runs(served);
                }
            }
            Act::Tick(millis) => {
                self.now += millis;
                self.rig.advance(millis * MILLI).await;
                let late = self.model.waiting.iter().copied();
                let late: Vec<_> = late.filter(|id| self.calls[id].1 <= self.now).collect();
                for id in late {
                    self.ends(id, Outcome::TimedOut);
                }
            }
        }
    }

    /// Everything is as the model says.
    fn check(&self) {
        let status = self.handle.status();
        let running = self.model.running.len();
        assert_eq!(status.running, running as u64);
        assert_eq!(status.available, self.size.saturating_sub(running) as u64);
        assert_eq!(status.overflow, running.saturating_sub(self.size) as u64);
        assert_eq!(status.waiting, self.model.waiting.len() as u64);
        let mut running: Vec<_> = self.model.running.clone();
        running.retain(|id| self.calls.contains_key(id));
        let mut called = self.dependency.running();
        running.sort_unstable();
        called.sort_unstable();
        assert_eq!(called, running, "whoever has a slot is called");
        let ends = self
            .rig
            .ends
            .iter()
            .map(|(&id, end)| (id, Outcome::of(id, end)));
        assert_eq!(ends.collect::<BTreeMap<_, _>>(), self.ends);
        assert_eq!(status.admitted, self.served);
        let count = |outcome| self.ends.values().filter(|&&end| end == outcome).count() as u64;
        assert_eq!(status.timed_out, count(Outcome::TimedOut));
        assert!(
            status.rejected >= count(Outcome::Full),
            "and what was checked out in vain"
        );
        self.dependency.assert_right();
    }

    /// How many calls observers were told of.
    fn told(&self, of: What) -> u64 {
        let notices = self.notices.lock().expect("no panic");
        notices
            .iter()
            .filter(|notice| notice.what == of)
            .map(|notice| notice.count)
            .sum()
    }
}
