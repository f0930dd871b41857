use std::{
    any::{Any, TypeId},
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use super::{Request, RequestError, desk::Desk, entry::Books, seat::Seat};
use crate::observe::Ledger;

/// The requests of one bus. Dropped, it ends them.
pub(crate) struct Requests(Arc<Registry>);

/// Which types have somebody who answers.
pub(super) struct Registry {
    desks: RwLock<HashMap<TypeId, Arc<dyn AnyDesk>>>,
    /// Closed under the lock of the desks.
    pub(super) books: Arc<Books>,
}

trait AnyDesk: Any + Send + Sync {
    fn close(&self);
}

impl<R: Request> AnyDesk for Desk<R> {
    fn close(&self) {
        // Dropped here, they answer their askers.
        drop(Self::close(self));
    }
}

impl Requests {
    pub(crate) fn new(ledger: &Arc<Ledger>) -> Self {
        Self(Arc::new(Registry {
            desks: RwLock::default(),
            books: Books::new(ledger),
        }))
    }

    pub(super) fn registry(&self) -> &Arc<Registry> {
        &self.0
    }

    /// Ends what waits, and refuses what comes; what a responder has in hand goes on.
    pub(crate) fn close(&self) {
        let desks = {
            let mut desks = self.0.desks.write().unwrap_or_else(PoisonError::into_inner);
            self.0.books.close();
            std::mem::take(&mut *desks)
        };
        for desk in desks.values() {
            desk.close();
        }
    }
}

impl Drop for Requests {
    fn drop(&mut self) {
        self.close();
    }
}

impl Registry {
    /// Where to ask; an error if nobody answers.
    pub(super) fn desk<R: Request>(&self) -> Result<Arc<Desk<R>>, RequestError<R::Error>> {
        let desks = self.desks.read().unwrap_or_else(PoisonError::into_inner);
        desks
            .get(&TypeId::of::<R>())
            .map(downcast)
            .filter(|desk| !desk.is_ended())
            .ok_or_else(|| self.refusal())
    }

    /// A place for a responder; None once the bus ends.
    pub(super) fn seat<R: Request>(&self, capacity: usize) -> Option<Seat<R>> {
        let mut desks = self.desks.write().unwrap_or_else(PoisonError::into_inner);
        if self.books.is_closing() {
            return None;
        }
        let known = desks.get(&TypeId::of::<R>()).map(downcast);
        if let Some(seat) = known.and_then(|desk| Seat::at(desk, capacity)) {
            return Some(seat);
        }
        let desk = Arc::new(Desk::<R>::new());
        desks.insert(TypeId::of::<R>(), Arc::clone(&desk) as Arc<dyn AnyDesk>);
        Seat::at(desk, capacity)
    }

    /// Why a request is not even queued.
    pub(super) fn refusal<E>(&self) -> RequestError<E> {
        if self.books.is_closing() {
            RequestError::Closing { begun: false }
        } else {
            RequestError::NoResponder
        }
    }
}

fn downcast<R: Request>(desk: &Arc<dyn AnyDesk>) -> Arc<Desk<R>> {
    let desk: Arc<dyn Any + Send + Sync> = Arc::clone(desk) as _;
    desk.downcast()
        .expect("the map's key is the type of the desk")
}
