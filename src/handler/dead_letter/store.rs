use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tracing::warn;

use super::{DeadLetter, LetterId, NewLetter, RedriveError, Redriven};
use crate::{handler::groups::Groups, observe::Ledger};

/// The dead letters of one bus, the oldest first; made by
/// [`Bus::dead_letters`](crate::Bus::dead_letters). Cloning it copies a pointer.
///
/// They are in memory, and of this process. When the store is full
/// ([`Builder::dead_letter_capacity`](crate::Builder::dead_letter_capacity), 1,024 letters by
/// default), the oldest makes room, logged and counted
/// ([`Counts::dead_letters_lost`](crate::Counts::dead_letters_lost)).
///
/// They can be read after the bus was shut down, too, but not redriven.
#[derive(Clone)]
pub struct DeadLetters(Arc<Store>);

struct Store {
    letters: Mutex<Letters>,
    capacity: usize,
    groups: Arc<Groups>,
    ledger: Arc<Ledger>,
}

#[derive(Default)]
struct Letters {
    /// In order of their ids.
    kept: VecDeque<DeadLetter>,
    last: u64,
}

impl DeadLetters {
    pub(in crate::handler) fn new(
        capacity: usize,
        groups: Arc<Groups>,
        ledger: Arc<Ledger>,
    ) -> Self {
        Self(Arc::new(Store {
            letters: Mutex::default(),
            capacity,
            groups,
            ledger,
        }))
    }

    /// All of them as they are now, the oldest first.
    pub fn list(&self) -> Vec<DeadLetter> {
        self.letters().kept.iter().cloned().collect()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.letters().kept.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes a letter out, for good; none if there is none of this id.
    pub fn remove(&self, id: LetterId) -> Option<DeadLetter> {
        let mut letters = self.letters();
        let index = letters.position(id).ok()?;
        letters.kept.remove(index)
    }

    /// Gives the event of a letter back to the handler that it comes from, or to its group, and to
    /// no other subscriber. Its attempts begin anew; if the handler is keyed, it comes behind the
    /// events of its key that are there already. Counted in
    /// [`Counts::redriven`](crate::Counts::redriven).
    ///
    /// A handler without a group is the same only as long as it runs; a group is the same by its
    /// event type and its name.
    ///
    /// # Errors
    ///
    /// See [`RedriveError`]; the letter stays.
    pub fn redrive(&self, id: LetterId) -> Result<(), RedriveError> {
        // Out of the store first, so that no other can redrive it, too.
        let letter = self.remove(id).ok_or(RedriveError::NotFound)?;
        let taken_back = self.give_back(&letter);
        match taken_back {
            Ok(()) => self.0.ledger.redriven.add(1),
            Err(_) => self.keep(|_| letter),
        }
        taken_back
    }

    /// Redrives every letter that is selected, the oldest first.
    pub fn redrive_where(&self, mut selects: impl FnMut(&DeadLetter) -> bool) -> Redriven {
        let mut done = Redriven::default();
        for letter in self.list().iter().filter(|letter| selects(letter)) {
            match self.redrive(letter.id) {
                Ok(()) => done.redriven += 1,
                // Somebody was faster.
                Err(RedriveError::NotFound) => {}
                Err(_) => done.refused += 1,
            }
        }
        done
    }

    pub(in crate::handler) fn add(&self, letter: NewLetter) {
        self.keep(|letters| {
            letters.last += 1;
            letter.sealed(LetterId(letters.last))
        });
    }

    fn keep(&self, letter: impl FnOnce(&mut Letters) -> DeadLetter) {
        let mut letters = self.letters();
        let letter = letter(&mut letters);
        let index = letters.position(letter.id).unwrap_or_else(|index| index);
        letters.kept.insert(index, letter);
        let lost = if letters.kept.len() > self.0.capacity {
            letters.kept.pop_front()
        } else {
            None
        };
        drop(letters);
        if let Some(lost) = lost {
            self.0.ledger.dead_letters_lost.add(1);
            warn!(
                event = lost.name, id = %lost.event.id(), handler = &*lost.handler,
                "a dead letter was lost: the store is full",
            );
        }
    }

    fn give_back(&self, letter: &DeadLetter) -> Result<(), RedriveError> {
        let mut result = Err(RedriveError::HandlerEnded);
        if let Some(inbox) = letter.route.inbox.upgrade() {
            result = inbox.take_back(&letter.event);
        }
        // The group may have begun again since.
        if result == Err(RedriveError::HandlerEnded)
            && let Some(group) = &letter.group
            && let Some(inbox) = self.0.groups.find(letter.route.event_type, group)
        {
            result = inbox.take_back(&letter.event);
        }
        result
    }

    fn letters(&self) -> MutexGuard<'_, Letters> {
        let letters = self.0.letters.lock();
        letters.unwrap_or_else(PoisonError::into_inner)
    }
}

impl Letters {
    fn position(&self, id: LetterId) -> Result<usize, usize> {
        self.kept.binary_search_by_key(&id, |letter| letter.id)
    }
}

impl fmt::Debug for DeadLetters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeadLetters")
            .field("len", &self.len())
            .field("capacity", &self.0.capacity)
            .finish_non_exhaustive()
    }
}
