//! Joins the local bus to a transport: outbound pump, inbound dispatch, fallback, de-duplication.

mod fallback;
mod inbound;
mod outbound;
mod outlet;
mod remote;
mod reply;
mod route;
mod running;
mod seen;
mod service;
mod task;

use std::{collections::HashMap, fmt, sync::Arc, time::Duration};

use algedonic_transport::{Error, Message, Transport};
use serde::{Serialize, de::DeserializeOwned};
use tower::{BoxError, Layer, Service, util::BoxCloneService};

pub use self::{
    remote::{LocalOnly, Remote},
    reply::Mirrored,
    service::{Sending, TransportService},
};
pub(crate) use self::{
    reply::{Pending, Reply},
    route::{Route, Routes},
    running::Running,
};
use crate::event::Event;

/// The stack of services between the bus and its transport, its type forgotten.
pub(crate) type Stack = BoxCloneService<Message, algedonic_transport::Outcome, BoxError>;

/// What a bus mirrors, and through which transport; for
/// [`Builder::mirror`](crate::Builder::mirror).
///
/// Signals are always mirrored, both ways. Events are mirrored by type, each registered once.
pub struct Mirror<S = TransportService> {
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) stack: S,
    pub(crate) routes: Routes,
    pub(crate) queue: usize,
    pub(crate) deadline: Duration,
    pub(crate) seen: usize,
    /// The first mistake made with the builder; told by [`Builder::build`](crate::Builder::build).
    pub(crate) mistake: Option<Error>,
}

impl Mirror {
    /// A mirror over `transport`, with no event type registered yet.
    pub fn new(transport: impl Transport) -> Self {
        let transport: Arc<dyn Transport> = Arc::new(transport);
        Self {
            stack: TransportService::new(Arc::clone(&transport)),
            transport,
            routes: HashMap::new(),
            queue: 8192,
            deadline: Duration::from_secs(10),
            seen: 65_536,
            mistake: None,
        }
    }
}

impl<S> Mirror<S> {
    /// Mirrors events of type `E` both ways.
    ///
    /// A bus that also receives a type is itself a receiver to the broker, so what it publishes of
    /// that type is never [`Remote::Unroutable`]; register with
    /// [`outbound`](Self::outbound) to learn that nobody else listens.
    pub fn event<E: Event + Serialize + DeserializeOwned>(self) -> Self {
        self.register(Route::of::<E>().map(Route::both::<E>))
    }

    /// Sends events of type `E` to other processes.
    pub fn outbound<E: Event + Serialize>(self) -> Self {
        self.register(Route::of::<E>().map(Route::outbound::<E>))
    }

    /// Receives events of type `E` from other processes.
    pub fn inbound<E: Event + DeserializeOwned>(self) -> Self {
        self.register(Route::of::<E>().map(Route::inbound::<E>))
    }

    fn register(mut self, route: Result<Route, Error>) -> Self {
        let added = route.and_then(|route| route::add(&mut self.routes, route));
        if let Err(error) = added {
            self.mistake.get_or_insert(error);
        }
        self
    }

    /// How many events may wait to be sent, on each lane; 8,192 by default, at least 1. Beyond it
    /// an event stays local ([`LocalOnly::QueueFull`]): publishing never waits for a broker.
    pub fn queue(mut self, events: usize) -> Self {
        self.queue = events.max(1);
        self
    }

    /// How long the outcome of one event may take before it counts as
    /// [`Remote::Unknown`]; 10 s by default (requirement 4.08).
    ///
    /// A guard over the whole stack; a transport has a shorter deadline of its own.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// How many ids of received messages are remembered, on each lane, to drop those that come
    /// twice; 65,536 by default.
    pub fn remember(mut self, ids: usize) -> Self {
        self.seen = ids.max(1);
        self
    }

    /// Wraps the way to the transport in a tower layer; the last one added is the outermost.
    ///
    /// The stack is called for one message after another, in order, and its futures run
    /// concurrently. Errors that are a transport's [`Error`] keep their meaning; any other error of
    /// a layer makes the outcome [`Remote::Unknown`], because nobody can tell whether the message
    /// had left.
    pub fn layer<L: Layer<S>>(self, layer: L) -> Mirror<L::Service> {
        Mirror {
            transport: self.transport,
            stack: layer.layer(self.stack),
            routes: self.routes,
            queue: self.queue,
            deadline: self.deadline,
            seen: self.seen,
            mistake: self.mistake,
        }
    }
}

impl<S> Mirror<S>
where
    S: Service<Message, Response = algedonic_transport::Outcome> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
{
    /// Forgets the type of the stack.
    pub(crate) fn boxed(self) -> Mirror<Stack> {
        Mirror {
            transport: self.transport,
            stack: BoxCloneService::new(tower::ServiceExt::map_err(self.stack, Into::into)),
            routes: self.routes,
            queue: self.queue,
            deadline: self.deadline,
            seen: self.seen,
            mistake: self.mistake,
        }
    }
}

impl<S> fmt::Debug for Mirror<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mirror")
            .field("transport", &self.transport)
            .field("types", &self.routes.len())
            .field("queue", &self.queue)
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}
