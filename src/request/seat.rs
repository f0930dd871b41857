use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{
    Request,
    desk::{Desk, Idle, Ticket},
};

/// The place of one responder at the desk of its type.
pub(super) struct Seat<R: Request> {
    desk: Arc<Desk<R>>,
    capacity: usize,
    stage: Mutex<Stage>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Open,
    /// Nothing new is accepted on its behalf; it answers what waits, if nobody else does.
    Retiring,
    Left,
}

/// A seat, whatever its type.
pub(super) trait Post: Send + Sync {
    /// Takes no new requests.
    fn retire(&self);
    /// Takes no request any more, from the moment it returns.
    fn leave(&self);
}

impl<R: Request> Seat<R> {
    /// None if the desk has ended.
    pub(super) fn at(desk: Arc<Desk<R>>, capacity: usize) -> Option<Self> {
        desk.join(capacity).then(|| Self {
            desk,
            capacity,
            stage: Mutex::new(Stage::Open),
        })
    }

    fn stage(&self) -> MutexGuard<'_, Stage> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next request to answer, or None when there will be none. May be dropped at any time.
    pub(super) async fn next(&self) -> Option<Ticket<R>> {
        loop {
            let arrival = self.desk.arrival();
            tokio::pin!(arrival);
            // Registered before the look, or a request could arrive unseen.
            arrival.as_mut().enable();
            match self.look() {
                Ok(ticket) => return Some(ticket),
                Err(Idle::End) => {
                    self.leave();
                    return None;
                }
                Err(Idle::Wait) => arrival.await,
            }
        }
    }

    fn look(&self) -> Result<Ticket<R>, Idle> {
        // Held, so that a guard that is dropped meanwhile loses no request that was just begun.
        let stage = self.stage();
        match *stage {
            Stage::Left => Err(Idle::End),
            stage => self.desk.next(stage == Stage::Retiring),
        }
    }
}

impl<R: Request> Post for Seat<R> {
    fn retire(&self) {
        let mut stage = self.stage();
        if *stage == Stage::Open {
            *stage = Stage::Retiring;
            self.desk.stop_accepting(self.capacity);
        }
    }

    fn leave(&self) {
        self.retire();
        let mut stage = self.stage();
        if *stage != Stage::Left {
            *stage = Stage::Left;
            let left = self.desk.stop_serving();
            drop(stage);
            drop(left);
        }
    }
}

/// Who sits there. Dropped, in whatever way its task ends, it leaves.
pub(super) struct Shift<R: Request>(pub(super) Arc<Seat<R>>);

impl<R: Request> Drop for Shift<R> {
    fn drop(&mut self) {
        self.0.leave();
    }
}
