use std::{
    mem,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use super::Bells;
use crate::{
    local::{
        log::MOST,
        sync::{AtomicU8, Mutex, Ordering, lock, wake},
    },
    observe::{Ledger, LocalOnly, Remote},
};

/// What becomes elsewhere of the events of one segment. Each is told once, and counted then.
///
/// Whoever has [taken](Self::take) an event tells its outcome; until it is taken, it may be [refused](Self::refuse).
pub(crate) struct Outcomes {
    states: [AtomicU8; MOST],
    side: Mutex<Side>,
    ledger: Arc<Ledger>,
    /// None where nobody has to be called for the outcome.
    bells: Option<Arc<Bells>>,
}

/// What is rare.
#[derive(Default)]
struct Side {
    awaiting: Vec<(usize, Waker)>,
    /// Outcomes that say more than their name.
    told: Vec<(usize, Remote)>,
}

/// One state is these bits, and a [`Name`] above them once the outcome is told.
const TAKEN: u8 = 1;
const AWAITED: u8 = 2;
const NAME: u32 = 2;

/// The name of an outcome, as far as a byte can say it.
#[derive(Clone, Copy)]
#[repr(u8)]
enum Name {
    Confirmed = 1,
    Unroutable,
    QueueFull,
    ShutDown,
    /// At the side.
    Told,
    /// It came from elsewhere: there is nothing to tell.
    Foreign,
}

impl Name {
    fn of(remote: &Remote) -> Self {
        match remote {
            Remote::Confirmed => Self::Confirmed,
            Remote::Unroutable => Self::Unroutable,
            Remote::LocalOnly(LocalOnly::QueueFull) => Self::QueueFull,
            Remote::LocalOnly(LocalOnly::ShutDown) => Self::ShutDown,
            _ => Self::Told,
        }
    }

    fn bits(self) -> u8 {
        (self as u8) << NAME
    }
}

/// Why an event is not sent that nobody has taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    QueueFull,
    ShutDown,
}

impl From<Refusal> for LocalOnly {
    fn from(why: Refusal) -> Self {
        match why {
            Refusal::QueueFull => Self::QueueFull,
            Refusal::ShutDown => Self::ShutDown,
        }
    }
}

fn is_told(state: u8) -> bool {
    state >> NAME != 0
}

impl Outcomes {
    pub(crate) fn new(ledger: &Arc<Ledger>, bells: Option<&Arc<Bells>>) -> Self {
        Self {
            states: std::array::from_fn(|_| AtomicU8::new(0)),
            side: Mutex::default(),
            ledger: Arc::clone(ledger),
            bells: bells.map(Arc::clone),
        }
    }

    /// Says that this one came from elsewhere. Before anybody else can look at it.
    pub(crate) fn set_foreign(&self, at: usize) {
        self.states[at].store(Name::Foreign.bits(), Ordering::Relaxed);
    }

    /// Whether this one may still be taken.
    pub(crate) fn is_open(&self, at: usize) -> bool {
        !is_told(self.states[at].load(Ordering::Relaxed))
    }

    /// Takes an event, to send it. False if it was refused before, or came from elsewhere.
    pub(crate) fn take(&self, at: usize) -> bool {
        let before = self.states[at].fetch_or(TAKEN, Ordering::AcqRel);
        before & TAKEN == 0 && !is_told(before)
    }

    /// Tells the outcome of an event that the caller has taken. Who learns of it finds it counted.
    pub(crate) fn tell(&self, at: usize, remote: Remote) {
        remote.count(&self.ledger);
        let name = Name::of(&remote);
        if matches!(name, Name::Told) {
            lock(&self.side).told.push((at, remote));
        }
        let before = self.states[at].swap(name.bits() | TAKEN, Ordering::AcqRel);
        debug_assert!(!is_told(before), "an outcome is told once");
        self.wake_awaiting(at, before);
    }

    /// Refuses those of the first `count` events that nobody has taken: takes them, and tells why they stay.
    pub(crate) fn refuse(&self, count: usize, why: Refusal) {
        for (at, state) in self.states[..count].iter().enumerate() {
            let state = state.load(Ordering::Relaxed);
            // Most have been taken long ago.
            if state & TAKEN == 0 && !is_told(state) && self.take(at) {
                self.tell(at, Remote::LocalOnly(why.into()));
            }
        }
    }

    fn wake_awaiting(&self, at: usize, before: u8) {
        if before & AWAITED != 0 {
            let waker = self.forget(at);
            waker.into_iter().for_each(wake);
        }
    }

    /// Waits for the outcome. Told, it is given once.
    pub(crate) fn poll(&self, at: usize, cx: &mut Context<'_>) -> Poll<Remote> {
        let state = self.states[at].load(Ordering::Acquire);
        if is_told(state) {
            return Poll::Ready(self.give(at, state));
        }
        let waker = cx.waker().clone();
        let mut side = lock(&self.side);
        let known = side.awaiting.iter_mut().find(|(known, _)| *known == at);
        let replaced = if let Some((_, known)) = known {
            Some(mem::replace(known, waker))
        } else {
            side.awaiting.push((at, waker));
            None
        };
        drop(side);
        // It may own anything.
        drop(replaced);
        // After it is there: who tells the outcome finds it, or has told it before.
        let state = self.states[at].fetch_or(AWAITED, Ordering::AcqRel);
        if is_told(state) {
            drop(self.forget(at));
            return Poll::Ready(self.give(at, state));
        }
        if state & TAKEN == 0
            && let Some(bells) = &self.bells
        {
            bells.call();
        }
        Poll::Pending
    }

    /// Awaits it no more. Gives the waker, to be dropped or woken after the lock.
    pub(crate) fn forget(&self, at: usize) -> Option<Waker> {
        let mut side = lock(&self.side);
        let known = side.awaiting.iter().position(|(known, _)| *known == at)?;
        Some(side.awaiting.swap_remove(known).1)
    }

    fn give(&self, at: usize, state: u8) -> Remote {
        let name = state >> NAME;
        if name == Name::Confirmed as u8 {
            Remote::Confirmed
        } else if name == Name::Unroutable as u8 {
            Remote::Unroutable
        } else if name == Name::QueueFull as u8 {
            Remote::LocalOnly(LocalOnly::QueueFull)
        } else if name == Name::ShutDown as u8 {
            Remote::LocalOnly(LocalOnly::ShutDown)
        } else {
            let mut side = lock(&self.side);
            let told = side.told.iter().position(|(told, _)| *told == at);
            let told = told.expect("told, and given once");
            side.told.swap_remove(told).1
        }
    }
}
