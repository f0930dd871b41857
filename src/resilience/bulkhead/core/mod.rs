//! Who has a slot, and who waits for one: without a service, a timer or a clock.
//!
//! A call that finds a slot takes it with one atomic step, and gives it back with another. Only who has to
//! wait, and who gives back a slot while others wait, takes the lock.

mod queue;
mod word;

use std::task::Waker;

pub(super) use self::word::MOST;
use self::{
    queue::{Queue, Seen},
    word::Word,
};
use crate::resilience::sync::{Apart, AtomicU64, Mutex, Ordering, lock};

/// The slots of one bulkhead, and the queue before them.
#[derive(Debug)]
pub(in crate::resilience) struct Core {
    /// The waiting in it are those in the queue; they change under its lock only.
    word: Apart<AtomicU64>,
    queue: Mutex<Queue>,
    /// So many may wait.
    places: u64,
}

/// What a call gets.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::resilience) enum Taken {
    /// Neither a slot nor a place.
    Full,
    /// A place in the queue. To be [followed](Core::follow) until it is served, or [left](Core::leave).
    Place(Place),
    /// A slot; so many calls have one now. To be [given back](Core::give_back), once.
    Slot(u64),
}

/// A place in the queue of one core.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::resilience) struct Place(usize);

/// Whether somebody was given a slot.
#[derive(Debug)]
#[must_use = "somebody may have to be woken"]
pub(in crate::resilience) enum Served {
    /// Nobody waits, or no slot is free.
    Nobody,
    /// Somebody who was not asleep.
    Awake,
    /// Somebody who is to be woken, with no lock held.
    Asleep(Waker),
}

/// How many calls there are, at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::resilience) struct Snapshot {
    pub(in crate::resilience) running: u64,
    pub(in crate::resilience) waiting: u64,
    pub(in crate::resilience) limit: u64,
}

impl Core {
    /// With so many slots, and places to wait.
    pub(in crate::resilience) fn new(slots: u32, places: u32) -> Self {
        Self {
            word: Apart(AtomicU64::new(Word::new(slots.into()).into())),
            queue: Mutex::default(),
            places: places.into(),
        }
    }

    #[inline]
    fn word(&self) -> Word {
        self.word.load(Ordering::Relaxed).into()
    }

    /// Acquire: what was done under a slot happened before what is done under it next.
    #[inline]
    fn exchange(&self, old: Word, new: Word) -> Result<(), Word> {
        self.word
            .compare_exchange_weak(old.into(), new.into(), Ordering::Acquire, Ordering::Relaxed)
            .map(drop)
            .map_err(Word::from)
    }

    /// Whether a call would find no slot now.
    #[inline]
    pub(in crate::resilience) fn is_full(&self) -> bool {
        !self.word().admits()
    }

    /// A slot, if one is free and nobody waits for it; so many calls have one now.
    #[inline]
    pub(in crate::resilience) fn try_take(&self) -> Option<u64> {
        let mut word = self.word();
        while word.admits() {
            match self.exchange(word, word.one_more_running()) {
                Ok(()) => return Some(word.running() + 1),
                Err(other) => word = other,
            }
        }
        None
    }

    /// A slot, or else a place in the queue.
    #[inline]
    pub(in crate::resilience) fn take(&self) -> Taken {
        match self.try_take() {
            Some(running) => Taken::Slot(running),
            None if self.places == 0 => Taken::Full,
            None => self.queue_up(),
        }
    }

    #[cold]
    fn queue_up(&self) -> Taken {
        let mut queue = lock(&self.queue);
        let mut word = self.word();
        loop {
            let new = if word.admits() {
                word.one_more_running()
            } else if word.waiting() < self.places {
                word.one_more_waiting()
            } else {
                return Taken::Full;
            };
            match self.exchange(word, new) {
                Ok(()) if word.admits() => return Taken::Slot(new.running()),
                Ok(()) => return Taken::Place(Place(queue.push())),
                Err(other) => word = other,
            }
        }
    }

    /// Gives a slot back. It goes to who waits first, if anybody does.
    #[inline]
    pub(in crate::resilience) fn give_back(&self) -> Served {
        let before = self.word.fetch_sub(1, Ordering::Release);
        if Word::from(before).waiting() == 0 {
            return Served::Nobody;
        }
        self.serve()
    }

    /// Gives a slot to who waits first, if one is free.
    #[cold]
    pub(in crate::resilience) fn serve(&self) -> Served {
        let mut queue = lock(&self.queue);
        let mut word = self.word();
        while word.waiting() > 0 && word.has_room() {
            let served = word.one_less_waiting().one_more_running();
            match self.exchange(word, served) {
                Ok(()) => return queue.serve_first().map_or(Served::Awake, Served::Asleep),
                Err(other) => word = other,
            }
        }
        Served::Nobody
    }

    /// True if it was served: the place has become a slot, and is to be forgotten. Else a waker was left there.
    ///
    /// The place is the caller's until then: what a waker does may panic.
    pub(in crate::resilience) fn follow(&self, place: &Place, waker: &Waker) -> bool {
        // No waker is cloned or dropped under the lock: that is another's code, and may drop a task that waits here.
        let seen = lock(&self.queue).see(place.0, waker);
        match seen {
            Seen::Served => true,
            Seen::WaitingAsleep => false,
            Seen::Waiting => {
                let waker = waker.clone();
                let left = lock(&self.queue).leave_waker(place.0, waker);
                left.is_err()
            }
        }
    }

    /// Leaves the queue. True if it was served before: then the place has become a slot.
    #[expect(clippy::needless_pass_by_value, reason = "a place is left once")]
    pub(in crate::resilience) fn leave(&self, place: Place) -> bool {
        let removed = {
            let mut queue = lock(&self.queue);
            let removed = queue.remove(place.0);
            if removed.is_ok() {
                self.one_less_waiting();
            }
            removed
        };
        removed.is_err()
    }

    /// Under the lock of the queue.
    fn one_less_waiting(&self) {
        let mut word = self.word();
        while let Err(other) = self.exchange(word, word.one_less_waiting()) {
            word = other;
        }
    }

    /// From now on there are so many slots; those that are taken stay so. If there are more, those who wait
    /// are to be [served](Self::serve).
    pub(in crate::resilience) fn resize(&self, slots: u32) {
        let mut word = self.word();
        while let Err(other) = self.exchange(word, word.with_limit(slots.into())) {
            word = other;
        }
    }

    pub(in crate::resilience) fn snapshot(&self) -> Snapshot {
        let word = self.word();
        Snapshot {
            running: word.running(),
            waiting: word.waiting(),
            limit: word.limit(),
        }
    }

    /// How many have waited at a time, at most.
    #[cfg(test)]
    pub(super) fn queue_size(&self) -> usize {
        lock(&self.queue).size()
    }
}
