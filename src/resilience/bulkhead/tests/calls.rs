use std::{
    collections::BTreeMap,
    pin::pin,
    sync::{Arc, Mutex},
    task::Poll,
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
    probe::{Answer, Ask, CASES, Dependency, Does, Failed, MILLI, Probe, call, paused, poll},
    rig::{End, Rig},
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

fn answer() -> impl Strategy<Value = Answer> {
    prop_oneof![
        16 => Just(Answer::Works),
        12 => Just(Answer::FAILS),
        1 => Just(Answer::Panics),
    ]
}

fn does() -> impl Strategy<Value = Does> {
    prop_oneof![
        20 => Just(Does::Wait),
        10 => answer().prop_map(Does::Answer),
        1 => Just(Does::PanicInCall),
    ]
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        10 => (any::<usize>(), does()).prop_map(|(service, does)| Act::Call(service, does)),
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
                let id = 1_000_000 + self.slots.len() as u64 + self.served;
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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(CASES))]

    /// Over all services of the layer and their clones; and who is not woken is not asked again (TC-4, TC-5).
    #[test]
    fn bh_1_the_layer_and_the_model_agree(config in configs(), acts in acts(), order: usize) {
        paused().block_on(async {
            let mut pair = Pair::new(&config, usize::MAX);
            for act in acts {
                pair.act(act).await;
                pair.check();
            }
            // Once to begin with, when it is served, when it is answered.
            assert!(pair.rig.polls <= 3 * pair.made, "{} polls of {} calls", pair.rig.polls, pair.made);
            // What is told of is never more than what happened, and what comes first is told at once.
            for (what, happened) in [
                (What::Rejected(Reason::BulkheadTimeout), pair.handle.status().timed_out),
                (What::Rejected(Reason::BulkheadFull), pair.handle.status().rejected),
                (What::Overflow, pair.overflowed),
            ] {
                let told = pair.told(what);
                assert!(told <= happened && (told > 0) == (happened > 0), "{what:?}: {told} of {happened}");
            }
            pair.rig.forget_all(order);
            pair.slots.clear();
            let status = pair.handle.status();
            assert_eq!((status.running, status.waiting), (0, 0));
            pair.rig.close();
            pair.dependency.assert_clean();
        });
    }

    /// The service inside has few places itself. Whatever is dropped whenever: nothing is left (TC-1, TC-2).
    #[test]
    fn bh_2_nothing_is_left_in_a_service_that_is_seldom_ready(
        config in configs(), places in 0_usize..4, acts in acts(), order: usize,
    ) {
        paused().block_on(async {
            let mut pair = Pair::new(&config, places);
            for act in acts {
                match act {
                    Act::Call(service, does) => {
                        pair.rig.call(service, does);
                    }
                    Act::Answer(call, answer) => {
                        let running = pair.dependency.running();
                        if !running.is_empty() {
                            pair.dependency.answer(running[call % running.len()], answer);
                            pair.rig.settle();
                        }
                    }
                    Act::Forget(call) => drop(pair.rig.forget(call)),
                    Act::Ready(service) => {
                        // It may let go of a place that another waits for.
                        let _ = pair.rig.ready(service);
                        pair.rig.settle();
                    }
                    Act::ReadyAndForget(service) => pair.rig.ready_and_forget(service),
                    Act::Tick(millis) => pair.rig.advance(millis * MILLI).await,
                    Act::Resize(places, _) => {
                        pair.dependency.set_places(places as usize);
                        pair.rig.settle();
                    }
                    Act::Checkout | Act::Checkin(_) | Act::Clone(_) => {}
                }
                let status = pair.handle.status();
                assert!(status.running <= u64::from(config.slots()));
                assert!(status.waiting <= u64::from(config.queue));
                let called = pair.dependency.running().len() as u64;
                assert!(called <= status.running);
                // Those with a slot wait for the service inside, each in its own place, and nobody else does but
                // the services themselves.
                let late = status.running - called;
                let asleep = pair.dependency.asleep() as u64;
                assert!((late..=late + pair.rig.services() as u64).contains(&asleep));
                pair.dependency.assert_right();
            }
            pair.rig.forget_all(order);
            let status = pair.handle.status();
            assert_eq!((status.running, status.waiting), (0, 0));
            pair.rig.close();
            pair.dependency.assert_clean();
        });
    }

    /// Who waits is served or rejected at the time that it was told, and not before.
    #[test]
    fn bh_5_a_wait_ends_at_its_time(nanos in 1_u64..20 * MILLI, at in 0_u64..3 * MILLI) {
        paused().block_on(async {
            let config = BulkheadConfig::default().size(1).overflow(0).max_wait(Duration::from_nanos(nanos));
            let mut pair = Pair::new(&config, usize::MAX);
            pair.rig.advance(at).await;
            pair.rig.call(0, Does::Wait);
            let id = pair.rig.call(1, Does::Wait).expect("ready");
            let mut waited = 0;
            while pair.rig.end(id).is_none() {
                assert!(waited <= nanos + MILLI, "too late");
                waited += MILLI / 4;
                pair.rig.advance(MILLI / 4).await;
            }
            assert!(waited >= nanos, "after {waited} of {nanos}");
            assert_eq!(Outcome::of(id, &pair.rig.ends[&id]), Outcome::TimedOut);
        });
    }

    /// There is no runtime, so that a timer would panic, and a clock is not asked either.
    #[test]
    fn bh_5_without_a_queue_it_is_decided_in_the_call(size in 1_u32..5, more in 1_usize..5) {
        let config = BulkheadConfig::default().size(size).overflow(0).queue(0);
        let mut pair = Pair::new(&config, usize::MAX);
        for _ in 0..size {
            pair.rig.call(0, Does::Wait);
        }
        for _ in 0..more {
            let asked = pair.dependency.asked();
            let ask = Ask::new(0, Does::Wait);
            let Poll::Ready(Ok(future)) = call(pair.rig.service(1), ask) else {
                panic!("it is ready to reject");
            };
            assert_eq!(pair.handle.status().waiting, 0);
            let error = future.now_or_never().expect("at once").expect_err("rejected");
            assert!(error.is_full() && error.class().kind() == Kind::LocalRejection);
            assert_eq!(pair.dependency.asked(), asked, "TC-3: the service inside was not asked");
        }
    }

    /// A service inside with one place: who waits here does not keep others from it (BH-6, TC-3).
    #[test]
    fn bh_6_who_waits_holds_nothing_of_the_service_inside(waiting in 1_usize..5, was_ready: bool) {
        paused().block_on(async {
            let config = BulkheadConfig::default().size(1).overflow(0);
            let mut pair = Pair::new(&config, 2);
            // Ready before the bulkhead is full, or only when it is.
            if was_ready {
                assert!(pair.rig.ready(1).is_ready());
                assert_eq!(pair.dependency.reserved(), 1);
            }
            pair.rig.call(0, Does::Wait);
            for _ in 0..waiting {
                // Without asking for readiness again, which would free it, too.
                let future = tower::Service::call(pair.rig.service(1), Ask::new(9, Does::Wait));
                assert_eq!(pair.dependency.reserved(), 0);
                let mut future = pin!(future);
                assert!(poll(future.as_mut()).is_pending());
                assert_eq!((pair.dependency.reserved(), pair.dependency.asleep()), (0, 0));
            }
            // Somebody else, beside the bulkhead, who needs the second place.
            let mut other = pair.dependency.service();
            assert!(call(&mut other, Ask::new(10, Does::Answer(Answer::Works))).is_ready());
        });
    }

    #[test]
    fn tc_6_responses_and_errors_pass_unchanged(kind in 0..5_usize, unready: bool) {
        let kinds = [Kind::Cancelled, Kind::Dependency, Kind::Invalid, Kind::LocalRejection, Kind::Timeout];
        let failed = Failed::of(kinds[kind]);
        let mut pair = Pair::new(&BulkheadConfig::default(), usize::MAX);
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
        assert_eq!(pair.handle.status().running, 0);
    }
}

/// A call has its slot until its response is ready, not until that is dropped.
#[test]
fn bh_3_a_slot_is_free_as_soon_as_the_response_is_there() {
    let mut pair = one_slot();
    for was_ready in [true, false] {
        let held = (!was_ready).then(|| pair.handle.try_checkout());
        assert!(pair.rig.ready(0).is_ready());
        drop(held);
        let ask = Ask::new(1, Does::Answer(Answer::Works));
        let mut future = pin!(tower::Service::call(pair.rig.service(0), ask));
        assert_eq!(poll(future.as_mut()), Poll::Ready(Ok(1)));
        assert_eq!(pair.handle.status().running, 0);
    }
    let mut scope = pin!(pair.handle.call(|| async { Ok::<_, Failed>(7) }));
    assert_eq!(poll(scope.as_mut()), Poll::Ready(Ok(7)));
    assert_eq!(pair.handle.status().running, 0);
}

/// Served by another thread between its last look and the end of its wait.
#[tokio::test(start_paused = true)]
async fn bh_4_who_was_served_does_not_time_out() {
    let pair = one_slot();
    let slot = pair.handle.try_checkout().expect("a slot");
    let local = Local::new(&pair.handle.local().shared);
    let Entry::Queued(mut queued) = local.enter() else {
        panic!("it has to wait")
    };
    slot.checkin();
    let held = queued.give_up().expect("it has the slot");
    drop(queued);
    assert_eq!(pair.handle.status().running, 1);
    drop(held);
    assert_eq!(pair.handle.status().running, 0);
}

fn one_slot() -> Pair {
    Pair::new(&BulkheadConfig::default().size(1).overflow(0), usize::MAX)
}

/// It was woken because its time is up, and is served before it looks.
#[tokio::test(start_paused = true)]
async fn bh_4_a_slot_that_comes_with_the_end_of_the_wait_is_taken() {
    let mut pair = one_slot();
    let first = pair.rig.call(0, Does::Wait).expect("ready");
    let second = pair.rig.call(0, Does::Wait).expect("ready");
    advance(Duration::from_secs(5)).await;
    pair.dependency.answer(first, Answer::Works);
    // The first is asked first.
    pair.rig.settle();
    assert_eq!(pair.rig.end(second), None);
    assert_eq!(pair.dependency.running(), [second]);
}

/// It is served, and dropped before it looks: the next has the slot.
#[tokio::test(start_paused = true)]
async fn bh_4_a_slot_that_was_given_to_who_is_dropped_goes_to_the_next() {
    let pair = one_slot();
    let slot = pair.handle.try_checkout().expect("a slot");
    let mut second = Box::pin(pair.handle.checkout());
    let mut third = Box::pin(pair.handle.checkout());
    assert!(poll(second.as_mut()).is_pending() && poll(third.as_mut()).is_pending());
    slot.checkin();
    assert_eq!(pair.handle.status().running, 1);
    drop(second);
    let Poll::Ready(Ok(slot)) = poll(third.as_mut()) else {
        panic!("the slot was lost")
    };
    drop(slot);
    assert_eq!(pair.handle.status().running, 0);
}

/// Requirement 1.09: checked out and in, and the form that always returns it: when the work is done, fails, panics, and
/// when it is dropped.
#[tokio::test(start_paused = true)]
async fn a_slot_comes_back_whatever_happens() {
    let pair = one_slot();
    let free = || pair.handle.status().available;
    let slot = pair.handle.checkout().await.expect("a slot");
    assert_eq!(free(), 0);
    slot.checkin();
    assert_eq!(free(), 1);

    assert_eq!(
        pair.handle.call(|| async { Ok::<_, Failed>(7) }).await,
        Ok(7)
    );
    let fails = || async { Err::<(), _>(Failed::of(Kind::Timeout)) };
    let failed = pair.handle.call(fails).await;
    assert_eq!(failed, Err(Error::Inner(Failed::of(Kind::Timeout))));
    let panics = || async { panic!("planted") };
    let panicked = std::panic::AssertUnwindSafe(pair.handle.call::<_, _, (), Failed>(panics));
    assert!(panicked.catch_unwind().await.is_err());
    let panics = || -> std::future::Ready<Result<(), Failed>> { panic!("planted") };
    let panicked = std::panic::AssertUnwindSafe(pair.handle.call(panics));
    assert!(panicked.catch_unwind().await.is_err());
    assert_eq!(free(), 1);

    let mut hangs = Box::pin(pair.handle.call(std::future::pending::<Result<(), Failed>>));
    assert!(poll(hangs.as_mut()).is_pending());
    assert_eq!(free(), 0);
    let mut waits = Box::pin(pair.handle.call(|| async { Ok::<_, Failed>(8) }));
    assert!(poll(waits.as_mut()).is_pending());
    assert_eq!(pair.handle.status().waiting, 1);
    drop(hangs);
    assert_eq!(waits.await, Ok(8));

    assert_eq!(pair.handle.call_blocking(|| Ok::<_, Failed>(9)), Ok(9));
    let slot = pair.handle.try_checkout().expect("a slot");
    let full = pair.handle.call_blocking(|| Ok::<_, Failed>(9));
    assert!(full.is_err_and(|error| error.is_full()));
    drop(slot);
    assert_eq!(free(), 1);
}

/// Requirement 1.10: full and waited too long are two errors, and say so.
#[tokio::test(start_paused = true)]
async fn full_and_too_late_are_kept_apart() {
    let config = BulkheadConfig::llm_worker().size(1).overflow(0).queue(1);
    let llm = BulkheadLayer::named("llm_worker", config)
        .expect("good")
        .handle();
    let _slot = llm.try_checkout().expect("a slot");
    let start = tokio::time::Instant::now();
    let waits = tokio::spawn(llm.checkout());
    let full = llm.checkout().await.expect_err("nowhere to wait");
    assert_eq!(full.reason(), Reason::BulkheadFull);
    assert_eq!(
        full.to_string(),
        "llm_worker: the bulkhead and its queue are full"
    );
    assert!(start.elapsed().is_zero(), "at once");
    let late = waits.await.expect("no panic").expect_err("too late");
    assert_eq!(late.reason(), Reason::BulkheadTimeout);
    assert_eq!(
        late.to_string(),
        "llm_worker: no slot of the bulkhead became free in time"
    );
    assert_eq!(start.elapsed(), Duration::from_secs(30));
    assert_eq!(Error::<Failed>::rejected(full), Error::Full(full));
    assert_eq!(Error::<Failed>::rejected(late), Error::Timeout(late));
}
