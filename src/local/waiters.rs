use std::{collections::VecDeque, task::Waker};

/// Publishers that wait for room in one place, the one that began first in front.
#[derive(Default)]
pub(super) struct Waiters(VecDeque<(Ticket, Waker)>);

/// The place of one publish among those that wait; smaller is earlier.
pub(super) type Ticket = u64;

impl Waiters {
    /// Puts a publisher where its ticket belongs. Gives the waker that this one replaces, to be
    /// dropped after the lock: it may own anything.
    pub(super) fn register(&mut self, ticket: Ticket, waker: &Waker) -> Option<Waker> {
        let at = self.0.partition_point(|(other, _)| *other < ticket);
        match self.0.get_mut(at) {
            Some((other, known)) if *other == ticket => {
                Some(std::mem::replace(known, waker.clone()))
            }
            _ => {
                self.0.insert(at, (ticket, waker.clone()));
                None
            }
        }
    }

    /// Its waker, to be dropped after the lock. None if it was not there: then it has been woken.
    pub(super) fn remove(&mut self, ticket: Ticket) -> Option<Waker> {
        let at = self.0.iter().position(|(other, _)| *other == ticket)?;
        self.0.remove(at).map(|(_, waker)| waker)
    }

    /// Takes out the first one, to be woken after the lock.
    pub(super) fn pop(&mut self) -> Option<Waker> {
        self.0.pop_front().map(|(_, waker)| waker)
    }

    /// Takes out as many as there is room for.
    pub(super) fn pop_up_to(&mut self, room: u64) -> Vec<Waker> {
        let count = usize::try_from(room).map_or(self.0.len(), |room| room.min(self.0.len()));
        self.0.drain(..count).map(|(_, waker)| waker).collect()
    }
}
