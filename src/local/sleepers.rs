use std::{mem, task::Waker};

use super::sync::wake;

/// Readers of one lane that have read everything and wait for more. All of them wait for the same
/// event, the next one; so it wakes all, and costs those nothing that are awake.
#[derive(Default)]
pub(super) struct Sleepers {
    /// By far the most often there is one at most: it needs no list.
    first: Option<(u64, Waker)>,
    more: Vec<(u64, Waker)>,
    /// How often all were woken.
    round: u64,
}

/// The place of one reader among those that sleep.
#[derive(Clone, Copy)]
pub(super) struct Bed {
    pub(super) reader: u64,
    /// The round in which it lay down.
    round: Option<u64>,
}

impl Bed {
    pub(super) fn new(reader: u64) -> Self {
        Self {
            reader,
            round: None,
        }
    }
}

/// The wakers of those that slept, to be woken after the lock.
#[must_use = "dropped, it loses wake-ups"]
pub(super) struct Alarm {
    first: Option<(u64, Waker)>,
    more: Vec<(u64, Waker)>,
}

impl Sleepers {
    pub(super) fn is_empty(&self) -> bool {
        self.first.is_none() && self.more.is_empty()
    }

    pub(super) fn count(&self) -> usize {
        usize::from(self.first.is_some()) + self.more.len()
    }

    /// Gives the waker that this one replaces, to be dropped after the lock: it may own anything.
    pub(super) fn lie_down(&mut self, bed: &mut Bed, waker: &Waker) -> Option<Waker> {
        if bed.round == Some(self.round) {
            let mut known = self.first.iter_mut().chain(&mut self.more);
            if let Some((_, known)) = known.find(|(id, _)| *id == bed.reader) {
                return Some(mem::replace(known, waker.clone()));
            }
        }
        bed.round = Some(self.round);
        let sleeper = (bed.reader, waker.clone());
        match &mut self.first {
            none @ None => *none = Some(sleeper),
            Some(_) => self.more.push(sleeper),
        }
        None
    }

    /// Gives the waker, to be dropped after the lock.
    pub(super) fn leave(&mut self, bed: Bed) -> Option<Waker> {
        if bed.round != Some(self.round) {
            return None;
        }
        let first = self.first.take_if(|(id, _)| *id == bed.reader);
        let own = first.or_else(|| {
            let at = self.more.iter().position(|(id, _)| *id == bed.reader)?;
            Some(self.more.swap_remove(at))
        });
        own.map(|(_, waker)| waker)
    }

    /// None if nobody sleeps.
    #[inline]
    pub(super) fn take(&mut self) -> Option<Alarm> {
        if self.is_empty() {
            return None;
        }
        self.round += 1;
        Some(Alarm {
            first: self.first.take(),
            more: mem::take(&mut self.more),
        })
    }

    /// Gives the list's room back for the next round.
    pub(super) fn reuse(&mut self, alarm: Alarm) {
        if self.more.capacity() == 0 {
            self.more = alarm.more;
        }
    }
}

impl Alarm {
    /// Wakes them all. Says whether a list is left, empty, whose room can be used again.
    #[inline]
    pub(super) fn ring(&mut self) -> bool {
        let sleepers = self.first.take().into_iter().chain(self.more.drain(..));
        for (_, waker) in sleepers {
            wake(waker);
        }
        self.more.capacity() > 0
    }
}
