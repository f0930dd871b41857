use std::task::Poll;

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
        account.abandoned(subscription.map_or(0, |subscription| subscription.unread()));
    }

    /// Leaves the bus, and keeps what is buffered.
    pub(in crate::handler) fn unsubscribe(&self, account: &Account) {
        let mut slot = lock(&self.subscription);
        self.queue().ended = true;
        // What comes from now on is not for this handler any more.
        let mut left = slot.as_ref().map_or(0, Subscription::unread);
        while left > 0 {
            match self.poll(slot.as_mut()) {
                Poll::Ready(Some(Ok(envelope))) => {
                    left -= 1;
                    let job = self.job(envelope);
                    self.queue().keep(job);
                }
                Poll::Ready(Some(Err(gap))) => lagged::<E>(gap),
                Poll::Ready(None) | Poll::Pending => break,
            }
        }
        let subscription = slot.take();
        drop(slot);
        account.abandoned(subscription.map_or(0, |subscription| subscription.unread()));
    }
}
