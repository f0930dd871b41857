use super::{Inbox, lagged, lock};
use crate::{event::Event, handler::account::Account, local::Subscription};

/// Some of a group are keyed, and others are not.
#[derive(Debug)]
pub(in crate::handler) struct Mixed;

impl<E: Event> Inbox<E> {
    /// One more member. False if it takes no more events.
    ///
    /// # Errors
    ///
    /// [`Mixed`] if it would be keyed in part.
    pub(in crate::handler) fn join(&self, keyed: bool) -> Result<bool, Mixed> {
        let mut queue = self.queue();
        let open = queue.members > 0 && !queue.ended;
        if open && keyed != self.order.is_keyed() {
            return Err(Mixed);
        }
        queue.members += usize::from(open);
        Ok(open)
    }

    /// One member less, if others stay to go on. False for the last.
    pub(in crate::handler) fn leave_to_others(&self) -> bool {
        let mut queue = self.queue();
        let others = queue.members > 1;
        queue.members -= usize::from(others);
        others
    }

    /// As [`leave_to_others`](Self::leave_to_others); the last one lets nobody join any more.
    pub(in crate::handler) fn leave_or_end(&self) -> bool {
        let mut queue = self.queue();
        let others = queue.members > 1;
        queue.members -= usize::from(others);
        queue.ended |= !others;
        others
    }

    /// One member less; the last one gives up what is left.
    pub(in crate::handler) fn leave(&self, account: &Account) {
        let left = {
            let mut queue = self.queue();
            queue.members = queue.members.saturating_sub(1);
            if queue.members > 0 {
                return;
            }
            queue.ended = true;
            queue.clear()
        };
        account.abandoned(left.len() as u64);
        // Dropped without the lock: events may do anything then.
        let subscription = lock(&self.subscription).take();
        let rest = subscription.map(Subscription::finish);
        account.abandoned(rest.map_or(0, |rest| rest.items.len() as u64));
    }

    /// Leaves the bus, after the end, and keeps what is buffered.
    pub(in crate::handler) fn unsubscribe(&self) {
        // Held until all have their places.
        let mut slot = lock(&self.subscription);
        let rest = slot.take().map(Subscription::finish);
        let Some(rest) = rest else { return };
        if rest.missed > 0 {
            lagged::<E>(rest.missed);
        }
        for envelope in rest.items {
            let job = self.job(envelope, false);
            self.queue().keep(job);
        }
    }
}
