use tokio::{
    sync::{SemaphorePermit, futures::Notified},
    time::Instant,
};

use super::{Desk, Idle, State, Ticket};
use crate::request::{Asked, Request, reply::Reply};

/// The way of a request over the desk.
impl<R: Request> Desk<R> {
    /// Waits for a place in the queue, to be filled by [`push`](Self::push) at once. False if the
    /// desk has ended.
    pub(in crate::request) async fn room(&self) -> bool {
        let permit = self.room.acquire().await;
        permit.map(SemaphorePermit::forget).is_ok()
    }

    /// The ticket's number. At a desk that has ended the reply says so, and the number means nothing.
    pub(in crate::request) fn push(&self, asked: Asked<R>, reply: Reply<R>) -> u64 {
        let mut state = self.state();
        let number = state.next;
        let ticket = Ticket {
            number,
            asked,
            reply,
        };
        if state.ended {
            drop(state);
            drop(ticket);
            return number;
        }
        state.next += 1;
        state.queue.push_back(ticket);
        drop(state);
        self.arrived.notify_one();
        number
    }

    /// Takes a request back. None if it waits no longer.
    pub(in crate::request) fn withdraw(&self, number: u64) -> Option<Ticket<R>> {
        let mut state = self.state();
        let at = state
            .queue
            .binary_search_by_key(&number, |ticket| ticket.number);
        let ticket = state.queue.remove(at.ok()?);
        self.free_place(&mut state);
        ticket
    }

    /// Resolves when [`next`](Self::next) may have something else to say; enable it before the look.
    pub(in crate::request) fn arrival(&self) -> Notified<'_> {
        self.arrived.notified()
    }

    /// What there is for a responder; one that is `leaving` leaves it to the others.
    pub(in crate::request) fn next(&self, leaving: bool) -> Result<Ticket<R>, Idle> {
        loop {
            let mut state = self.state();
            let others = leaving && state.accepting > 0;
            let ticket = if others {
                None
            } else {
                state.queue.pop_front()
            };
            if ticket.is_some() {
                self.free_place(&mut state);
            }
            let ended = others || state.ended;
            drop(state);
            match ticket {
                None if ended => return Err(Idle::End),
                None => return Err(Idle::Wait),
                Some(ticket) if ticket.reply.is_unwanted() => {}
                Some(ticket) if ticket.asked.deadline() <= Instant::now() => {
                    ticket.reply.time_out();
                }
                Some(mut ticket) => {
                    ticket.reply.begin();
                    return Ok(ticket);
                }
            }
        }
    }

    fn free_place(&self, state: &mut State<R>) {
        match state.owed.checked_sub(1) {
            Some(owed) => state.owed = owed,
            None => self.room.add_permits(1),
        }
    }
}
