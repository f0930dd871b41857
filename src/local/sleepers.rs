use std::{mem, task::Waker};

use super::sync::wake;

/// Readers of one lane that have read everything and wait for more. All of them wait for the same
/// event, the next one; so it wakes all, and costs those nothing that are awake.
#[derive(Default)]
pub(super) struct Sleepers {
    wakers: Vec<(u64, Waker)>,
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
pub(super) struct Alarm(Vec<(u64, Waker)>);

impl Sleepers {
    pub(super) fn is_empty(&self) -> bool {
        self.wakers.is_empty()
    }

    pub(super) fn count(&self) -> usize {
        self.wakers.len()
    }

    /// Gives the waker that this one replaces, to be dropped after the lock: it may own anything.
    pub(super) fn lie_down(&mut self, bed: &mut Bed, waker: &Waker) -> Option<Waker> {
        if bed.round == Some(self.round) {
            let known = self.wakers.iter_mut().find(|(id, _)| *id == bed.reader);
            if let Some((_, known)) = known {
                return Some(mem::replace(known, waker.clone()));
            }
        }
        bed.round = Some(self.round);
        self.wakers.push((bed.reader, waker.clone()));
        None
    }

    /// Gives the waker, to be dropped after the lock.
    pub(super) fn leave(&mut self, bed: Bed) -> Option<Waker> {
        if bed.round != Some(self.round) {
            return None;
        }
        let at = self.wakers.iter().position(|(id, _)| *id == bed.reader)?;
        Some(self.wakers.swap_remove(at).1)
    }

    /// None if nobody sleeps.
    #[inline]
    pub(super) fn take(&mut self) -> Option<Alarm> {
        if self.wakers.is_empty() {
            return None;
        }
        self.round += 1;
        Some(Alarm(mem::take(&mut self.wakers)))
    }

    /// Gives the room back for the next round.
    pub(super) fn reuse(&mut self, alarm: Alarm) {
        if self.wakers.capacity() == 0 {
            self.wakers = alarm.0;
        }
    }
}

impl Alarm {
    /// Wakes them all. What is left is an empty list with its room.
    pub(super) fn ring(&mut self) {
        for (_, waker) in self.0.drain(..) {
            wake(waker);
        }
    }
}
