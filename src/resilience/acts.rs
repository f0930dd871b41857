//! What callers do with services of few places, whatever is around them: for the tests of layers.

use proptest::prelude::*;
use tower::Service;

use super::{
    probe::{Answer, Ask, Dependency, Does, MILLI},
    rig::Rig,
    steps::does,
};

/// What a caller may do, and what a service.
#[derive(Clone, Copy, Debug)]
pub(super) enum Act {
    Answer(usize, Answer),
    Call(usize, Does),
    Clone(usize),
    /// Lets go of a response.
    Forget(usize),
    /// Asks for readiness, and may call later.
    Ready(usize),
    /// Asks for readiness, and goes away.
    ReadyAndForget(usize),
    /// So many places from now on.
    Places(usize),
    /// Milliseconds.
    Tick(u64),
}

pub(super) fn acts(
    answer: impl Strategy<Value = Answer> + Clone,
) -> impl Strategy<Value = Vec<Act>> {
    let number = any::<usize>;
    let act = prop_oneof![
        10 => (number(), does(answer.clone())).prop_map(|(service, does)| Act::Call(service, does)),
        8 => (number(), answer).prop_map(|(call, answer)| Act::Answer(call, answer)),
        3 => number().prop_map(Act::Forget),
        2 => number().prop_map(Act::Ready),
        1 => number().prop_map(Act::ReadyAndForget),
        1 => number().prop_map(Act::Clone),
        2 => (0_usize..4).prop_map(Act::Places),
        5 => (0_u64..6).prop_map(Act::Tick),
    ];
    prop::collection::vec(act, 1..60)
}

impl<S> Rig<S>
where
    S: Service<Ask, Response = u64> + Clone,
    S::Error: std::fmt::Debug,
{
    /// Does it, and asks all who were woken.
    pub(super) async fn act(&mut self, act: Act, dependency: &Dependency) {
        match act {
            Act::Call(service, does) => drop(self.call(service, does)),
            Act::Answer(call, answer) => {
                let running = dependency.running();
                if !running.is_empty() {
                    dependency.answer(running[call % running.len()], answer);
                }
            }
            Act::Forget(call) => drop(self.forget(call)),
            Act::Clone(service) => self.clone_service(service),
            // It may let go of a place that another waits for.
            Act::Ready(service) => drop(self.ready(service)),
            Act::ReadyAndForget(service) => self.ready_and_forget(service),
            Act::Places(places) => dependency.set_places(places),
            Act::Tick(millis) => self.advance(millis * MILLI).await,
        }
        self.settle();
    }
}
