use std::{
    collections::BTreeMap,
    pin::Pin,
    sync::atomic::{AtomicBool, Ordering},
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use proptest::{prelude::*, sample::Index};
use tokio::sync::oneshot;

use super::*;

type Confirm = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// lapin's side of a confirm channel, as its sources have it: what is published first is written first,
/// and there is one queue of returns, popped by whichever publish completes next.
#[derive(Default)]
struct Lapin {
    unwritten: VecDeque<(u64, oneshot::Sender<()>)>,
    pending: BTreeMap<u64, oneshot::Sender<Answer>>,
    returns: VecDeque<EventId>,
}

impl Lapin {
    fn publish(
        &mut self,
        tag: u64,
    ) -> impl Future<Output = Result<Confirm, Answer>> + Send + use<> {
        let (written, write) = oneshot::channel();
        let (answer, answered) = oneshot::channel();
        self.unwritten.push_back((tag, written));
        self.pending.insert(tag, answer);
        let failed = || Answer::Failed("cut".into());
        async move {
            write.await.map_err(|_| failed())?;
            let confirm = async move { answered.await.unwrap_or_else(|_| failed()) };
            Ok(Box::pin(confirm) as Confirm)
        }
    }

    fn write(&mut self, count: usize) {
        let count = count.min(self.unwritten.len());
        for (_, written) in self.unwritten.drain(..count) {
            written.send(()).expect("the window holds it");
        }
    }

    fn write_all(&mut self) {
        self.write(usize::MAX);
    }

    /// Those that are written and have no answer.
    fn written(&self) -> impl Iterator<Item = u64> {
        let unwritten = self.unwritten.front().map_or(u64::MAX, |(tag, _)| *tag);
        self.pending
            .keys()
            .copied()
            .take_while(move |tag| *tag < unwritten)
    }

    fn complete(&mut self, tag: u64) {
        if let Some(answer) = self.pending.remove(&tag) {
            let returned = self.returns.pop_front();
            answer
                .send(Answer::Ack(returned))
                .expect("the window holds it");
        }
    }

    /// The channel fails: whoever waits is told so, in this order.
    fn fail(mut self, order: &[Index]) {
        let mut waiting: Vec<u64> = self.pending.keys().copied().collect();
        for pick in order {
            if !waiting.is_empty() {
                let tag = waiting.swap_remove(pick.index(waiting.len()));
                self.unwritten.retain(|(unwritten, _)| *unwritten != tag);
                self.pending.remove(&tag);
            }
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

/// A task that looks when it is called, and at no other time.
struct Looker {
    called: Arc<Called>,
    fates: Vec<(u64, Fate)>,
}

struct Called(AtomicBool);

impl Wake for Called {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl Looker {
    fn new() -> Self {
        Self {
            called: Arc::new(Called(AtomicBool::new(true))),
            fates: Vec::new(),
        }
    }

    fn run(&mut self, window: &mut Window<u64, Confirm>) {
        if !self.called.0.swap(false, Ordering::SeqCst) {
            return;
        }
        let waker = Waker::from(self.called.clone());
        while window.calls().poll(&Context::from_waker(&waker)).is_ready() {
            self.fates.extend(window.drain());
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Publish,
    /// So many more are written.
    Write(usize),
    /// The return of the oldest unroutable message that has none yet arrives.
    Return,
    /// These completions, drawn from those allowed, in this order.
    Complete(Vec<Index>),
    /// The task that looks gets its turn.
    Look,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(
        prop_oneof![
            5 => Just(Step::Publish),
            3 => (0_usize..8).prop_map(Step::Write),
            3 => Just(Step::Return),
            2 => prop::collection::vec(any::<Index>(), 1..6).prop_map(Step::Complete),
            2 => Just(Step::Look),
        ],
        0..300,
    )
}

/// Plays the steps; gives what is left: lapin, and how many were published.
fn play(steps: Vec<Step>, window: &mut Window<u64, Confirm>, looker: &mut Looker) -> (Lapin, u64) {
    let mut lapin = Lapin::default();
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
            Step::Write(count) => lapin.write(count),
            Step::Return => {
                let written = |tag: &u64| lapin.written().any(|written| written == *tag);
                if unreturned.front().is_some_and(written)
                    && let Some(tag) = unreturned.pop_front()
                {
                    lapin.returns.push_back(id(tag));
                }
            }
            Step::Complete(picks) => {
                for pick in picks {
                    // An unroutable message completes after its return, never before.
                    let ready: Vec<u64> = lapin
                        .written()
                        .filter(|tag| !unreturned.contains(tag))
                        .collect();
                    if !ready.is_empty() {
                        lapin.complete(ready[pick.index(ready.len())]);
                    }
                }
            }
            Step::Look => looker.run(window),
        }
    }
    lapin.returns.extend(unreturned.drain(..).map(id));
    (lapin, published)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn no_fate_is_ever_wrong_whatever_the_order(steps in steps()) {
        let (mut window, mut looker) = (Window::new(), Looker::new());
        let (mut lapin, published) = play(steps, &mut window, &mut looker);
        lapin.write_all();
        let rest: Vec<u64> = lapin.pending.keys().copied().collect();
        for tag in rest {
            lapin.complete(tag);
        }
        looker.run(&mut window);
        prop_assert!(window.is_empty() && window.returned.is_empty());
        prop_assert_eq!(window.in_flight(), 0);
        prop_assert_eq!(looker.fates.len() as u64, published);
        for (tag, fate) in looker.fates {
            let expected = if routed(tag) { Fate::Confirmed } else { Fate::NotRouted };
            prop_assert_eq!(fate, expected, "message {}", tag);
        }
    }

    /// lapin tells those that are written and those that are not from two threads.
    #[test]
    fn a_channel_that_fails_leaves_nobody_waiting_whoever_is_told_first(
        steps in steps(),
        order in prop::collection::vec(any::<Index>(), 0..20),
    ) {
        let (mut window, mut looker) = (Window::new(), Looker::new());
        let (lapin, published) = play(steps, &mut window, &mut looker);
        let answered = published - lapin.pending.len() as u64;
        lapin.fail(&order);
        looker.run(&mut window);
        // Whose ack came with somebody else's return may have lost its own with the channel.
        let undecided = window.undecided.len();
        prop_assert_eq!(looker.fates.len() + undecided, usize::try_from(published).expect("few"));
        let known = looker.fates.iter().filter(|(_, fate)| !matches!(fate, Fate::Unknown(_)));
        prop_assert_eq!(known.count() + undecided, usize::try_from(answered).expect("few"));
        for (tag, fate) in looker.fates {
            let expected = if routed(tag) { Fate::Confirmed } else { Fate::NotRouted };
            prop_assert!(matches!(fate, Fate::Unknown(_)) || fate == expected, "message {}", tag);
        }
    }
}

/// All that goes out at once takes one call of the task's waker.
#[test]
fn what_is_answered_before_it_is_pushed_calls_for_a_look() {
    let mut window = Window::<_, Confirm>::new();
    let context = Context::from_waker(Waker::noop());
    for answer in [Answer::Ack(None), Answer::Failed("cut".into())] {
        assert_eq!(window.calls().poll(&context), Poll::Pending);
        let written = Box::pin(std::future::ready(answer.clone())) as Confirm;
        window.push(id(1), later(), std::future::ready(Ok(written)), 1);
        assert_eq!(window.calls().poll(&context), Poll::Ready(()), "{answer:?}");
        assert_eq!(window.drain().len(), 1);
        window.push(id(2), later(), std::future::ready(Err(answer)), 2);
        assert_eq!(window.calls().poll(&context), Poll::Ready(()));
        assert_eq!(window.drain().len(), 1);
    }
}

#[test]
fn of_those_that_are_not_written_one_is_watched() {
    let mut lapin = Lapin::default();
    let (mut window, mut looker) = (Window::new(), Looker::new());
    for tag in 1..=9 {
        window.push(id(tag), later(), lapin.publish(tag), tag);
    }
    looker.run(&mut window);
    lapin.write(3);
    assert!(looker.called.0.load(Ordering::SeqCst));
    looker.run(&mut window);
    lapin.write(1);
    assert!(
        looker.called.0.load(Ordering::SeqCst),
        "the fourth is watched by now"
    );
    // Nobody looks meanwhile; those after the fourth are written, and answered.
    lapin.write_all();
    for tag in [9, 1, 5, 2, 8, 3, 7, 4, 6] {
        lapin.complete(tag);
    }
    looker.run(&mut window);
    assert_eq!(looker.fates.len(), 9);
}

#[test]
fn what_was_decided_before_the_channel_failed_stays_and_the_rest_is_unknown() {
    let mut lapin = Lapin::default();
    let mut window = Window::new();
    for tag in 1..=4 {
        window.push(id(tag), later(), lapin.publish(tag), tag);
    }
    lapin.write(3);
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
    lapin.write_all();
    lapin.complete(1);
    assert!(window.drain().eq([(1, Fate::Confirmed)]));
}
