use std::{cell::RefCell, collections::BTreeMap, rc::Rc, time::Duration};

use proptest::prelude::*;
use tokio::sync::oneshot;

use super::*;

/// lapin's side of a confirm channel, as its sources have it: one queue of returns, popped by
/// whichever publish completes next.
#[derive(Default)]
struct Lapin {
    pending: BTreeMap<u64, oneshot::Sender<Answer>>,
    returns: VecDeque<EventId>,
}

impl Lapin {
    fn publish(&mut self, tag: u64) -> Publish {
        let (answer, answered) = oneshot::channel();
        self.pending.insert(tag, answer);
        Box::pin(async move { answered.await.unwrap_or(Answer::Failed("cut".into())) })
    }

    fn complete(&mut self, tag: u64) {
        if let Some(answer) = self.pending.remove(&tag) {
            let returned = self.returns.pop_front();
            answer.send(Answer::Ack(returned)).expect("window holds it");
        }
    }
}

fn id(tag: u64) -> EventId {
    EventId::from_u128(tag.into())
}

fn later() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

fn routed(tag: u64) -> bool {
    !tag.is_multiple_of(2)
}

#[derive(Clone, Debug)]
enum Step {
    Publish,
    /// The return of the oldest unroutable message that has none yet arrives.
    Return,
    /// These completions, drawn from those allowed, in this order.
    Complete(Vec<prop::sample::Index>),
    Drain,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(
        prop_oneof![
            5 => Just(Step::Publish),
            3 => Just(Step::Return),
            2 => prop::collection::vec(any::<prop::sample::Index>(), 1..6).prop_map(Step::Complete),
            2 => Just(Step::Drain),
        ],
        0..300,
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn no_fate_is_ever_wrong_whatever_the_order(steps in steps()) {
        let lapin = Rc::new(RefCell::new(Lapin::default()));
        let mut lapin = lapin.borrow_mut();
        let mut window = Window::new();
        let mut fates = Vec::new();
        let mut published = 0;
        let mut unreturned = VecDeque::new();
        for step in steps {
            match step {
                Step::Publish => {
                    published += 1;
                    let publish = lapin.publish(published);
                    window.push(id(published), later(), publish, published);
                    if !routed(published) {
                        unreturned.push_back(published);
                    }
                }
                Step::Return => {
                    if let Some(tag) = unreturned.pop_front() {
                        lapin.returns.push_back(id(tag));
                    }
                }
                Step::Complete(picks) => for pick in picks {
                    // An unroutable message completes after its return, never before.
                    let ready: Vec<u64> =
                        lapin.pending.keys().copied().filter(|tag| !unreturned.contains(tag)).collect();
                    if !ready.is_empty() {
                        lapin.complete(ready[pick.index(ready.len())]);
                    }
                },
                Step::Drain => fates.extend(window.drain()),
            }
        }
        lapin.returns.extend(unreturned.drain(..).map(id));
        let rest: Vec<u64> = lapin.pending.keys().copied().collect();
        for tag in rest { lapin.complete(tag); }
        fates.extend(window.drain());
        prop_assert!(window.is_empty() && window.returned.is_empty());
        prop_assert_eq!(fates.len() as u64, published);
        for (tag, fate) in fates {
            let expected = if routed(tag) { Fate::Confirmed } else { Fate::NotRouted };
            prop_assert_eq!(fate, expected, "message {}", tag);
        }
    }
}

#[test]
fn what_was_decided_before_the_channel_failed_stays_and_the_rest_is_unknown() {
    let mut lapin = Lapin::default();
    let mut window = Window::new();
    for tag in 1..=4 {
        window.push(id(tag), later(), lapin.publish(tag), tag);
    }
    lapin.returns.extend([id(2), id(4)]);
    lapin.complete(1); // takes the return of 2, and might have one of its own waiting
    drop(lapin);
    let mut fates = window.finish(&"cut".into());
    fates.sort_by_key(|(tag, _)| *tag);
    assert!(
        fates
            .iter()
            .all(|(_, fate)| *fate == Fate::Unknown("cut".into())),
        "{fates:?}"
    );
    assert_eq!(fates.len(), 4);
}

#[test]
fn a_deadline_shows_once_and_its_publish_stays() {
    let mut lapin = Lapin::default();
    let mut window = Window::new();
    let now = Instant::now();
    window.push(id(1), now, lapin.publish(1), 1);
    window.push(id(3), later(), lapin.publish(3), 3);
    let mut late = Vec::new();
    window.expire(now, |tag| late.push(*tag));
    window.expire(now, |tag| late.push(*tag));
    assert_eq!(late, [1]);
    assert!(window.deadline().is_some_and(|deadline| deadline > now));
    lapin.complete(1);
    assert_eq!(window.drain(), [(1, Fate::Confirmed)]);
}
