//! Joins the local bus to a transport: outbound pump, inbound dispatch, fallback, de-duplication.

mod fallback;
mod feed;
mod inbound;
mod intake;
mod latest;
mod outbound;
mod outlet;
mod reply;
mod route;
mod running;
mod seen;
mod service;

use std::{collections::HashMap, fmt, sync::Arc, time::Duration};

use algedonic_transport::{Error, Message, Transport};
use serde::{Serialize, de::DeserializeOwned};
use tower::{BoxError, Layer, Service, util::BoxCloneService};

use self::service::InDoubt;
pub use self::{
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
    pub(crate) outbound_capacity: usize,
    pub(crate) timeout: Duration,
    pub(crate) dedup_window: usize,
    pub(crate) in_doubt: Arc<InDoubt>,
    /// The first mistake made with the builder; told by [`Builder::build`](crate::Builder::build).
    pub(crate) mistake: Option<Error>,
}

impl Mirror {
    /// A mirror over `transport`, with no event type registered yet.
    pub fn new(transport: impl Transport) -> Self {
        let transport: Arc<dyn Transport> = Arc::new(transport);
        let in_doubt = Arc::new(InDoubt::default());
        Self {
            stack: TransportService::new(Arc::clone(&transport), Arc::clone(&in_doubt)),
            transport,
            routes: HashMap::new(),
            outbound_capacity: 8192,
            timeout: Duration::from_secs(10),
            dedup_window: 65_536,
            in_doubt,
            mistake: None,
        }
    }
}

impl<S> Mirror<S> {
    /// Mirrors events of type `E` both ways.
    ///
    /// A bus that also receives a type is itself a receiver to the broker, so what it publishes of
    /// that type is never [`Remote::Unroutable`](crate::Remote::Unroutable); register with
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

    /// How many events of each type, and how many signals, may wait to be sent; 8,192 by default, at least 1. Beyond it
    /// the oldest event of the type stays local ([`LocalOnly::QueueFull`](crate::LocalOnly::QueueFull)), of signals the
    /// newest: publishing never waits for a broker. Events that wait take no room of their own: they lie where local
    /// subscribers read them, in pieces of up to 64 that go as a whole, so up to 127 more may wait. Where events of the type also come from other
    /// processes, those take no room, and as many again may wait while the mirror's task does not get its turn.
    pub fn outbound_capacity(mut self, events: usize) -> Self {
        self.outbound_capacity = events.max(1);
        self
    }

    /// How long the outcome of one event may take, from `publish` on; 10 s by default (requirement
    /// 4.08). Then it is [`Remote::Unknown`](crate::Remote::Unknown), or
    /// [`Remote::LocalOnly`](crate::Remote::LocalOnly) if its turn had not come.
    ///
    /// A guard over the whole way; a transport has a shorter timeout of its own.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How many ids of received messages are remembered, on each lane, to drop those that come
    /// twice; 65,536 by default, at least 1.
    pub fn dedup_window(mut self, ids: usize) -> Self {
        self.dedup_window = ids.max(1);
        self
    }

    /// Wraps the way to the transport in a tower layer; the last one added is the outermost.
    ///
    /// The stack is called for one event after another, in order, and its futures run
    /// concurrently. Errors that are a transport's [`Error`] keep their meaning, unless an earlier
    /// attempt with the event has been left in doubt; any other error of a layer, or a panic, makes
    /// the outcome [`Remote::Unknown`](crate::Remote::Unknown), because nobody can tell whether the event had left.
    ///
    /// Signals do not pass through layers: these may limit and delay.
    pub fn layer<L: Layer<S>>(self, layer: L) -> Mirror<L::Service> {
        Mirror {
            transport: self.transport,
            stack: layer.layer(self.stack),
            routes: self.routes,
            outbound_capacity: self.outbound_capacity,
            timeout: self.timeout,
            dedup_window: self.dedup_window,
            in_doubt: self.in_doubt,
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
            outbound_capacity: self.outbound_capacity,
            timeout: self.timeout,
            dedup_window: self.dedup_window,
            in_doubt: self.in_doubt,
            mistake: self.mistake,
        }
    }
}

impl<S> fmt::Debug for Mirror<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mirror")
            .field("transport", &self.transport)
            .field("types", &self.routes.len())
            .field("outbound_capacity", &self.outbound_capacity)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}
