//! Who may try again, and when, so that no message is overtaken by a later one of its key?

use std::{
    collections::{BTreeSet, VecDeque},
    pin::pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Waker},
};

use algedonic_transport::Key;
use tokio::{
    sync::Notify,
    time::{Instant, sleep_until},
};

/// Places that are remembered at the most. One that is older than all of these, and not done, is not tried again.
const REMEMBERED: usize = 8_192;

/// The messages on their way, in the order of their calls.
///
/// - While one waits to be tried again nobody is called: it would be overtaken.
/// - It is tried again when none waits before it, and everything later of its key is known to have stayed.
/// - It is not tried again where something later of its key may have left, or has not said so by the time: it would come
///   after that.
#[derive(Debug, Default)]
pub(super) struct Line {
    state: Mutex<State>,
    /// Somebody waits; changed with the state.
    held: AtomicBool,
    /// What those who wait are waiting for may have happened.
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// The number of the first place.
    first: u64,
    places: VecDeque<Message>,
    /// The numbers of those who wait.
    waiting: BTreeSet<u64>,
    /// How often those who waited were told to go at once.
    hurried: u64,
    /// Of whoever is not called meanwhile.
    wakers: Vec<Waker>,
}

#[derive(Debug)]
struct Message {
    key: Key,
    stage: Stage,
    /// One of its attempts may have left.
    left: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    UnderWay,
    Waiting,
    Done,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    Now,
    /// Others wait before it.
    Behind,
    /// A later one of its key is under way.
    Open,
    /// It would come after a later one.
    Never,
}

impl Line {
    /// Whether the next message may be called.
    #[inline]
    pub(super) fn poll_open(&self, cx: &Context<'_>) -> Poll<()> {
        if !self.held.load(Ordering::Acquire) {
            return Poll::Ready(());
        }
        let mut state = self.state();
        if state.waiting.is_empty() {
            return Poll::Ready(());
        }
        if !state.wakers.iter().any(|waker| waker.will_wake(cx.waker())) {
            state.wakers.push(cx.waker().clone());
        }
        Poll::Pending
    }

    /// The place of a message that is about to be called.
    pub(super) fn enter(self: &Arc<Self>, key: &Key) -> Place {
        let mut state = self.state();
        let number = state.first + state.places.len() as u64;
        state.places.push_back(Message {
            key: key.clone(),
            stage: Stage::UnderWay,
            left: false,
        });
        if state.places.len() > REMEMBERED {
            state.places.pop_front();
            let forgotten = state.first;
            state.first += 1;
            if state.waiting.remove(&forgotten) {
                self.tell(state);
            }
        }
        Place {
            line: Arc::clone(self),
            number,
            may_have_left: true,
            hurried: 0,
        }
    }

    /// Those who wait go now.
    pub(super) fn hurry(&self) {
        let mut state = self.state();
        if !state.waiting.is_empty() {
            state.hurried += 1;
            self.tell(state);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// After a change that somebody may wait for.
    fn tell(&self, mut state: MutexGuard<'_, State>) {
        let held = !state.waiting.is_empty();
        self.held.store(held, Ordering::Release);
        let wakers = if held {
            Vec::new()
        } else {
            std::mem::take(&mut state.wakers)
        };
        drop(state);
        self.changed.notify_waiters();
        wakers.into_iter().for_each(Waker::wake);
    }

    fn set(&self, number: u64, to: Stage, left: bool) {
        let mut state = self.state();
        let waited = state.waiting.remove(&number);
        if let Some(message) = state.message(number) {
            message.stage = to;
            message.left |= left;
            if to == Stage::Waiting {
                state.waiting.insert(number);
            }
        }
        state.forget_done();
        if waited || !state.waiting.is_empty() {
            self.tell(state);
        }
    }
}

impl State {
    fn message(&mut self, number: u64) -> Option<&mut Message> {
        let at = usize::try_from(number.checked_sub(self.first)?).ok()?;
        self.places.get_mut(at)
    }

    /// Nobody before them asks for them any more.
    fn forget_done(&mut self) {
        while let Some(Message {
            stage: Stage::Done, ..
        }) = self.places.front()
        {
            self.places.pop_front();
            self.first += 1;
        }
    }

    fn turn(&self, number: u64) -> Turn {
        let at = number.checked_sub(self.first);
        let Some(at) = at.and_then(|at| usize::try_from(at).ok()) else {
            return Turn::Never;
        };
        let mut places = self.places.iter().skip(at);
        let Some(message) = places.next() else {
            return Turn::Never;
        };
        let mut turn = if self.waiting.first() == Some(&number) {
            Turn::Now
        } else {
            Turn::Behind
        };
        for later in places.filter(|later| later.key == message.key) {
            if later.left {
                return Turn::Never;
            }
            if later.stage == Stage::UnderWay {
                turn = Turn::Open;
            }
        }
        turn
    }
}

/// The place of one message in the line. Dropped, it is done.
#[derive(Debug)]
pub(super) struct Place {
    line: Arc<Line>,
    number: u64,
    /// What is to be said of it when it is dropped.
    may_have_left: bool,
    /// How often others had been told to hurry when it began to wait.
    hurried: u64,
}

impl Place {
    /// It failed, and waits to be tried again. `left`: one of its attempts may have left.
    pub(super) fn wait(&mut self, left: bool) {
        self.may_have_left = left;
        self.hurried = self.line.state().hurried;
        self.line.set(self.number, Stage::Waiting, left);
    }

    /// Waits until `at`, or until it is told to hurry, and for its turn. False if it has none any more.
    pub(super) async fn turn(&self, at: Instant) -> bool {
        let mut timer = pin!(sleep_until(at));
        let mut due = false;
        loop {
            // Enabled before it looks: what changes after that wakes it.
            let mut changed = pin!(self.line.changed.notified());
            changed.as_mut().enable();
            let (turn, hurries) = {
                let state = self.line.state();
                (state.turn(self.number), state.hurried != self.hurried)
            };
            match turn {
                Turn::Never => return false,
                Turn::Open if due => return false,
                Turn::Now if due || hurries => return true,
                Turn::Now | Turn::Behind | Turn::Open => {}
            }
            tokio::select! {
                biased;
                () = &mut timer, if !due => due = true,
                () = changed => {}
            }
        }
    }

    /// It is about to be called again.
    pub(super) fn call(&mut self) {
        self.may_have_left = true;
    }

    /// It was called, and others may be, too.
    pub(super) fn go(&self) {
        self.line.set(self.number, Stage::UnderWay, false);
    }

    /// It is done. `left`: one of its attempts may have left.
    pub(super) fn end(mut self, left: bool) {
        self.may_have_left = left;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.line.set(self.number, Stage::Done, self.may_have_left);
    }
}
