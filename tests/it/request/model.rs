use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use algedonic::{Answer, Bus, RequestError, Responder};
use futures_util::{FutureExt, future::join_all};
use proptest::prelude::*;
use tokio::task::JoinHandle;

use super::{Ask, How, balanced, obey};

#[derive(Clone, Debug)]
enum Step {
    Ask(How, Duration),
    /// Asked, polled once, and kept without a task.
    AskLazily(How),
    Cancel(prop::sample::Index),
    Respond {
        concurrency: usize,
        capacity: usize,
    },
    Drop(prop::sample::Index),
    Drain(prop::sample::Index),
    Pass(Duration),
}

fn time() -> impl Strategy<Value = Duration> {
    (0_u64..40).prop_map(Duration::from_millis)
}

fn how() -> impl Strategy<Value = How> {
    prop_oneof![
        4 => Just(How::Answer),
        1 => Just(How::Fail),
        1 => Just(How::Panic),
        3 => time().prop_map(How::Take),
        1 => Just(How::Hang),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let index = any::<prop::sample::Index>;
    prop_oneof![
        8 => (how(), time()).prop_map(|(how, timeout)| Step::Ask(how, timeout)),
        2 => how().prop_map(Step::AskLazily),
        2 => index().prop_map(Step::Cancel),
        3 => (1_usize..3, 1_usize..4)
            .prop_map(|(concurrency, capacity)| Step::Respond { concurrency, capacity }),
        1 => index().prop_map(Step::Drop),
        1 => index().prop_map(Step::Drain),
        4 => time().prop_map(Step::Pass),
    ]
}

type Outcome = Result<u64, RequestError<super::Refused>>;

#[derive(Default)]
struct World {
    begun: Arc<Mutex<Vec<u64>>>,
    asked: Vec<(u64, JoinHandle<Outcome>)>,
    lazy: Vec<Answer<Ask>>,
    responders: Vec<Responder>,
    draining: Vec<JoinHandle<()>>,
}

impl World {
    async fn take(&mut self, bus: &Bus, number: u64, step: Step) {
        match step {
            Step::Ask(how, timeout) => {
                let asking = bus.request(Ask::new(number, how)).timeout(timeout);
                let asked = tokio::spawn(asking.into_future());
                self.asked.push((number, asked));
            }
            Step::AskLazily(how) => {
                let mut answer = bus.request(Ask::new(number, how)).into_future();
                if (&mut answer).now_or_never().is_none() {
                    self.lazy.push(answer);
                }
            }
            Step::Cancel(at) if !self.lazy.is_empty() => {
                let at = at.index(self.lazy.len());
                drop(self.lazy.swap_remove(at));
            }
            Step::Cancel(at) if !self.asked.is_empty() => {
                let at = at.index(self.asked.len());
                self.asked[at].1.abort();
            }
            Step::Respond {
                concurrency,
                capacity,
            } => {
                let responder = bus.respond::<Ask>().concurrency(concurrency);
                let begun = Arc::clone(&self.begun);
                let responder = responder.capacity(capacity).with(move |asked| {
                    begun.lock().expect("whole").push(asked.number);
                    obey(asked)
                });
                self.responders.push(responder);
            }
            Step::Drop(at) if !self.responders.is_empty() => {
                let at = at.index(self.responders.len());
                drop(self.responders.swap_remove(at));
            }
            Step::Drain(at) if !self.responders.is_empty() => {
                let at = at.index(self.responders.len());
                let drained = self.responders.swap_remove(at).drain();
                self.draining.push(tokio::spawn(drained));
            }
            Step::Pass(time) => tokio::time::sleep(time).await,
            Step::Cancel(_) | Step::Drop(_) | Step::Drain(_) => {}
        }
    }
}

/// Every future resolves, a reply is that of its own request, none begins twice, or although it was
/// said not to have begun, the books balance, and no task is left.
async fn play(steps: Vec<Step>, shut_down: bool) {
    let bus = Bus::local();
    let mut world = World::default();
    for (number, step) in (0..).zip(steps) {
        world.take(&bus, number, step).await;
    }
    // They are not polled any more: their responders have to end by themselves.
    let unpolled = std::mem::take(&mut world.lazy);
    if shut_down {
        bus.shutdown(Duration::from_millis(40)).await;
    }
    let mut untouched = Vec::new();
    for (number, asked) in world.asked {
        match asked.await.map_err(|error| error.is_cancelled()) {
            Ok(Ok(reply)) => assert_eq!(reply, number),
            Ok(Err(error)) if error.may_have_begun() => {}
            Ok(Err(_)) => untouched.push(number),
            Err(cancelled) => assert!(cancelled),
        }
    }
    drop(unpolled);
    join_all(world.draining).await;
    // What was cancelled has its turn.
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert!(balanced(&bus), "{:?}", bus.counts());
    let mut begun = std::mem::take(&mut *world.begun.lock().expect("whole"));
    assert!(untouched.iter().all(|number| !begun.contains(number)));
    begun.sort_unstable();
    assert!(begun.is_sorted_by(|one, next| one < next), "none twice");
    world.responders.clear();
    drop(bus);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let metrics = tokio::runtime::Handle::current().metrics();
    assert_eq!(metrics.num_alive_tasks(), 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]
    #[test]
    fn every_request_resolves_exactly_once(
        steps in prop::collection::vec(step(), 1..60),
        shut_down: bool,
    ) {
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime")
            .block_on(play(steps, shut_down));
    }
}
