use algedonic_transport::Key;

use super::{Bus, PublishOptions};
use crate::request::{Asking, Request, ResponderBuilder};

impl Bus {
    /// Sets up a responder to requests of type `R`: a function that the bus calls. Several of one
    /// type compete: each request goes to exactly one, the first that is free.
    ///
    /// After [`shutdown`](Self::shutdown) it never begins.
    pub fn respond<R: Request>(&self) -> ResponderBuilder<'_, R> {
        ResponderBuilder::new(&self.shared.requests, &self.shared.handlers)
    }

    /// Asks, when it is awaited: one responder of this process answers, with a reply or with its
    /// own error, or the caller learns why not.
    ///
    /// Every request resolves exactly once, by its deadline ([`Request::TIMEOUT`], or
    /// [`Asking::timeout`]), which covers everything, the wait for room in the responders' queue too.
    /// What the responder publishes carries the request as its cause; the request that is asked
    /// inside a handler or a responder carries theirs.
    ///
    /// # Errors
    ///
    /// Of the future: [`RequestError`](crate::RequestError). `NoResponder` comes at once, not after
    /// the deadline. From the beginning of a [`shutdown`](Self::shutdown), or when the bus is
    /// dropped, what waits gets `Closing`; what a responder has in hand may still be answered, until
    /// three quarters of the shutdown's time.
    pub fn request<R: Request>(&self, request: R) -> Asking<R> {
        let name = const { Key::from_static(R::NAME) };
        let metadata = self
            .shared
            .metadata(name.clone(), name, PublishOptions::new());
        Asking::new(&self.shared.requests, request, metadata)
    }
}
