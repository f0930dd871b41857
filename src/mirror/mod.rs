//! Joins the local bus to a transport: outbound pump, inbound dispatch, fallback, de-duplication.

mod failed;
mod fallback;
mod feed;
mod inbound;
mod intake;
mod keeping;
mod latest;
mod outage;
mod outbound;
mod outlet;
mod reply;
mod route;
mod running;
mod seen;
mod service;
mod spooling;
mod stack;

use std::{collections::HashMap, fmt, sync::Arc, time::Duration};

use algedonic_transport::{Error, ErrorKind, Message, Transport};
use serde::{Serialize, de::DeserializeOwned};
use tower::{BoxError, Layer, Service, ServiceExt, util::BoxCloneService};

use self::service::InDoubt;
pub use self::{
    failed::PublishFailed,
    outage::Outage,
    reply::Mirrored,
    service::{Sending, TransportService},
    stack::{MirrorStack, MirrorStackHandle, Passing},
};
pub(crate) use self::{
    reply::{Pending, Reply},
    route::{Route, Routes},
    running::Running,
    stack::{Settings, Standard},
};
use crate::{
    Alarms,
    event::Event,
    resilience::{breaker::BreakerConfig, retry::RetryConfig},
    spool::Spool,
};

/// The stack of services between the bus and its transport, its type forgotten.
pub(crate) type Boxed = BoxCloneService<Message, algedonic_transport::Outcome, BoxError>;

/// What a bus mirrors, and through which transport; for
/// [`Builder::mirror`](crate::Builder::mirror).
///
/// Signals are always mirrored, both ways. Events are mirrored by type, each registered once.
///
/// # What an event passes on its way out
///
/// `fallback(retry(breaker(bulkhead(timeout(transport)))))`, from the outside to the inside, as
/// [`resilience`](crate::resilience) has them:
///
/// | layer | by default |
/// |---|---|
/// | fallback | whatever goes wrong becomes the [`Remote`](crate::Remote) outcome of the event, which its local subscribers had before; cannot be replaced |
/// | [retry](Self::retry) | up to 3 more attempts (requirement 0.15), in the order of each key |
/// | [breaker](Self::breaker) | opens after 5 failures in a row, for 60 s (requirement 0.05), or until the link comes up |
/// | [bulkhead](Self::in_flight) | as many as the transport takes await their outcome |
/// | [timeout](Self::attempt_timeout) | 6 s for one attempt |
///
/// While the breaker is open the transport is not called: an event is
/// [`LocalOnly::Away`](crate::LocalOnly::Away), with an error that names the breaker and whose source is a
/// [`Rejection`](crate::resilience::Rejection). It raises pain when it opens, and pleasure when it is closed again:
/// [`alarms`](Self::alarms). [`Bus::mirror_stack`](crate::Bus::mirror_stack) sees and controls the layers.
///
/// [`layer`](Self::layer) puts more layers around these, [`stack`](Self::stack) replaces all but the fallback.
///
/// ```
/// # #[cfg(feature = "memory")]
/// # async fn example() -> Result<(), algedonic::Error> {
/// # use std::time::Duration;
/// # use algedonic::{Bus, Event, Mirror, memory::Broker};
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Serialize, Deserialize)] struct Temperature { celsius: f64 }
/// # impl Event for Temperature { const NAME: &'static str = "plant.temperature"; }
/// use algedonic::resilience::{breaker::{BreakerConfig, State}, retry::RetryConfig};
///
/// # let transport = Broker::new().transport("boiler-3");
/// let mirror = Mirror::new(transport)
///     .breaker(BreakerConfig::amqp().reset_timeout(Duration::from_secs(20)))
///     .retry(RetryConfig::default().max_retries(1))
///     .event::<Temperature>();
/// let bus = Bus::builder().mirror(mirror).build()?;
///
/// let stack = bus.mirror_stack().expect("it was not replaced");
/// assert_eq!(stack.breaker().state(), State::Closed);
/// stack.breaker().force_open(); // local-only, until it is reset
/// # Ok(())
/// # }
/// ```
///
/// **Signals pass none of these layers.** Each is tried at once, whatever became of others, and takes no place of an event:
/// a signal that a breaker refuses would be lost when it matters most. So what hurts the breaker is told even through
/// a link that it has given up, and does not hurt it again.
pub struct Mirror<S = MirrorStack> {
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) stack: S,
    pub(crate) routes: Routes,
    pub(crate) outbound_capacity: usize,
    pub(crate) timeout: Duration,
    pub(crate) dedup_window: usize,
    pub(crate) in_doubt: Arc<InDoubt>,
    pub(crate) settings: Settings,
    /// None where the stack was replaced.
    pub(crate) standard: Option<Standard>,
    pub(crate) alarms: Option<Alarms>,
    pub(crate) spool: Option<Arc<dyn Spool>>,
    pub(crate) spool_after: Duration,
    pub(crate) reports_failures: bool,
    /// The first mistake made with the builder; told by [`Builder::build`](crate::Builder::build).
    pub(crate) mistake: Option<Error>,
}

impl Mirror {
    /// A mirror over `transport`, with no event type registered yet.
    pub fn new(transport: impl Transport) -> Self {
        let transport: Arc<dyn Transport> = Arc::new(transport);
        let in_doubt = Arc::new(InDoubt::default());
        let settings = Settings::default();
        let (stack, standard) = MirrorStack::standard(&transport, &in_doubt);
        Self {
            stack,
            standard: Some(standard),
            settings,
            transport,
            routes: HashMap::new(),
            outbound_capacity: 8192,
            timeout: Duration::from_secs(10),
            dedup_window: 65_536,
            in_doubt,
            alarms: Some(Alarms::default()),
            spool: None,
            spool_after: Duration::from_millis(250),
            reports_failures: false,
            mistake: None,
        }
    }

    /// When the breaker opens, and how it closes again; default [`BreakerConfig::amqp`]: 5 failures in a row open it for 60 s
    /// and up to a tenth more. Its name is that of the transport, such as `amqp`.
    ///
    /// Failures are what the transport refuses because it does not reach the other side, and outcomes that are not known; a
    /// message that is confirmed, returned or rejected was answered, and is a success.
    ///
    /// Where the transport says how its link is, that counts too: a link that comes up closes the breaker at once, and a link
    /// of which a part is back lets probes through. The open period is for links that say that they are up, and are
    /// not.
    ///
    /// A configuration that cannot work is an error of [`Builder::build`](crate::Builder::build).
    pub fn breaker(self, config: BreakerConfig) -> Self {
        self.configure(|settings| settings.breaker = config)
    }

    /// How often an event is tried again, and after which delays; default: up to 3 times, after up to 100, 200 and 400 ms,
    /// within a budget of a fifth of the events and 10 a second. With `max_retries(0)` never.
    ///
    /// Tried again is what was refused for now, and also what may have left and was not confirmed, with the same id: a receiver
    /// drops what it has.
    ///
    /// **The order of each key holds.** While one event waits for its next attempt no other is sent, for no longer
    /// than that; and none is tried again where a later one of its key may have left already: then its last outcome is
    /// final. A link that comes up ends the delay.
    ///
    /// It ends in time: no attempt begins after the mirror's [`timeout`](Self::timeout).
    pub fn retry(self, config: RetryConfig) -> Self {
        self.configure(|settings| settings.retry = config)
    }

    /// How many events may await their outcome at once, the size of the bulkhead; at least 1, at most 1,000,000. Default: what the
    /// transport takes ([`Capabilities::window`](crate::transport::Capabilities::window)), which is the most in any case. More
    /// wait in their lanes, up to [`outbound_capacity`](Self::outbound_capacity).
    ///
    /// One that was [resized](crate::resilience::bulkhead::BulkheadHandle::resize) to less refuses what is beyond it
    /// ([`Busy`](crate::ErrorKind::Busy)).
    pub fn in_flight(self, events: u32) -> Self {
        self.configure(|settings| settings.in_flight = Some(events))
    }

    /// How long one attempt may take; default 6 s (ours): longer than the 5 s that the transports here wait for a confirm, so that
    /// what they say is heard. An attempt that is given up may have left, and counts as a failure to the breaker.
    ///
    /// For all attempts together there is [`timeout`](Self::timeout).
    pub fn attempt_timeout(self, limit: Duration) -> Self {
        self.configure(|settings| settings.attempt = limit)
    }

    fn configure(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(&mut self.settings);
        match MirrorStack::new(&self.transport, &self.in_doubt, &self.settings) {
            Ok((stack, standard)) => {
                self.stack = stack;
                self.standard = Some(standard);
            }
            Err(source) => {
                let error = Error::permanent(ErrorKind::Misconfigured, "set up the mirror")
                    .with_detail(source.to_string())
                    .with_source(source);
                self.mistake.get_or_insert(error);
            }
        }
        self
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
    /// A guard over the whole way, all attempts included; a transport has a shorter timeout of its own.
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

    /// Raises pain when the breaker opens and pleasure when it has been closed for the hold, each once: `breaker.amqp`, on this
    /// bus and to other processes. By default with [`Alarms::new`], 5 s of hold.
    ///
    /// Also what the [spool](Self::spool) has to tell: `spool.lost` (`High`, with how many), `spool.damaged` and `spool.disk`
    /// (`Critical`). The pain of a loss or of a disk is raised at once, again ever more seldom while it goes on, and its pleasure
    /// when it has been well for the hold. What it has to tell when the bus is built waits up to a second for the first
    /// subscriber.
    ///
    /// A [stack](Self::stack) of your own has none; give its layers the observer of [`Bus::alarms`](crate::Bus::alarms).
    pub fn alarms(mut self, alarms: Alarms) -> Self {
        self.alarms = Some(alarms);
        self
    }

    /// Raises no signals about the breaker and the spool.
    pub fn without_alarms(mut self) -> Self {
        self.alarms = None;
        self
    }

    /// Publishes a [`PublishFailed`] on this bus, once, for each event that was to be sent and was not confirmed, after all
    /// attempts (requirement 0.15). By default nobody is told but who has the receipt.
    ///
    /// None is published for what found its lane full ([`LocalOnly::QueueFull`](crate::LocalOnly::QueueFull)) or could not be
    /// encoded: that is counted ([`Counts`](crate::Counts)). The mirror waits for no subscriber of it: a report that finds one
    /// full that chose [`Lag::Block`](crate::Lag::Block) is counted as undelivered. With the broker away each event makes
    /// another: mind what it costs.
    pub fn report_failures(mut self) -> Self {
        self.reports_failures = true;
        self
    }

    /// Wraps the way to the transport in one more tower layer, around the [default layers](Self#what-an-event-passes-on-its-way-out)
    /// or those of your own; the last one added is the outermost. To be called after what configures the default
    /// layers.
    ///
    /// The stack is called for one event after another, in order, and its futures run
    /// concurrently. An error says that the event stayed if it is a transport's [`Error`] or a layer's
    /// [`Rejection`](crate::resilience::Rejection), or has one among its sources, unless an earlier attempt with the event
    /// has been left in doubt; any other error of a layer, or a panic, makes
    /// the outcome [`Remote::Unknown`](crate::Remote::Unknown), because nobody can tell whether the event had left.
    ///
    /// Signals do not pass through layers: these may limit, delay and refuse.
    pub fn layer<L: Layer<S>>(self, layer: L) -> Mirror<L::Service> {
        self.with_stack(|stack| layer.layer(stack))
    }

    /// Replaces all layers by a stack of your own around the transport; all but the fallback, which tells outcomes.
    ///
    /// What it calls first has its place in the order first: a layer that tries again may let an event be overtaken by a later
    /// one, unlike the [retry](Self::retry) that it replaces.
    ///
    /// ```
    /// # #[cfg(feature = "memory")]
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// # use std::time::Duration;
    /// # use algedonic::{Bus, Event, Mirror, memory::Broker};
    /// # use serde::{Deserialize, Serialize};
    /// # #[derive(Serialize, Deserialize)] struct Temperature { celsius: f64 }
    /// # impl Event for Temperature { const NAME: &'static str = "plant.temperature"; }
    /// use algedonic::resilience::timeout::{TimeoutConfig, TimeoutLayer};
    /// use tower::ServiceBuilder;
    ///
    /// # let transport = Broker::new().transport("boiler-3");
    /// let timeout = TimeoutLayer::new(TimeoutConfig::attempt(Duration::from_secs(2)))?;
    /// let mirror = Mirror::new(transport)
    ///     .event::<Temperature>()
    ///     .stack(|transport| ServiceBuilder::new().layer(timeout).service(transport));
    /// let bus = Bus::builder().mirror(mirror).build()?;
    /// assert!(bus.mirror_stack().is_none());
    /// # Ok(())
    /// # }
    /// ```
    pub fn stack<T>(mut self, stack: impl FnOnce(TransportService) -> T) -> Mirror<T> {
        self.standard = None;
        let (transport, in_doubt) = (Arc::clone(&self.transport), Arc::clone(&self.in_doubt));
        self.with_stack(|_| stack(TransportService::new(transport, in_doubt)))
    }

    /// The transport without any layer but the fallback.
    pub fn bare(self) -> Mirror<TransportService> {
        self.stack(|transport| transport)
    }

    fn with_stack<T>(self, stack: impl FnOnce(S) -> T) -> Mirror<T> {
        Mirror {
            transport: self.transport,
            stack: stack(self.stack),
            routes: self.routes,
            outbound_capacity: self.outbound_capacity,
            timeout: self.timeout,
            dedup_window: self.dedup_window,
            in_doubt: self.in_doubt,
            settings: self.settings,
            standard: self.standard,
            alarms: self.alarms,
            spool: self.spool,
            spool_after: self.spool_after,
            reports_failures: self.reports_failures,
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
    pub(crate) fn boxed(self) -> Mirror<Boxed> {
        self.with_stack(|stack| BoxCloneService::new(stack.map_err(Into::into)))
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
