use std::{any::TypeId, fmt, sync::Arc};

use algedonic_transport::{
    BoxStream, BusId, Closed, Error, ErrorKind, Key, Lane, Link, Pattern, Transport,
};
use bytes::Bytes;
use tokio::{runtime::Handle, sync::watch, time::Instant};
use tower::{ServiceExt, util::BoxCloneService};

use super::{
    Encode, Mirror, Pending, Routes, Stack, inbound::Dispatcher, outbound::Pump, outbound::Window,
    outlet::Outlet, seen::Seen, service::TransportService,
};
use crate::{
    event::{AnyEnvelope, Envelope, codec},
    local::Local,
    observe::{Ledger, MirrorHealth},
    signal::{Signal, Signals},
    task::Task,
};

/// A mirror at work. Dropped, it ends its tasks and lets go of the transport.
pub(crate) struct Running {
    transport: Arc<dyn Transport>,
    routes: Routes,
    events: Outlet,
    signals: Outlet,
    dispatchers: Vec<Task>,
    stop: watch::Sender<bool>,
    ledger: Arc<Ledger>,
}

impl Running {
    /// # Errors
    ///
    /// Outside a tokio runtime, or when the transport refuses the interest.
    pub(crate) fn start(
        mirror: Mirror<Stack>,
        origin: BusId,
        local: &Arc<Local>,
        signals: &Arc<Signals>,
        ledger: &Arc<Ledger>,
    ) -> Result<Self, Error> {
        let runtime = Handle::try_current().map_err(|source| {
            Error::permanent(ErrorKind::Misconfigured, "start the mirror")
                .with_advice("build the bus inside a tokio runtime")
                .with_source(source)
        })?;
        let Mirror {
            transport,
            stack,
            routes,
            outbound_capacity,
            timeout,
            dedup_window,
            in_doubt,
            mistake: _,
        } = mirror;
        let capabilities = transport.capabilities();
        let window = Window {
            messages: capabilities.window.max(1),
            bytes: capabilities.window_bytes,
        };
        let outlet = |lane, stack| {
            let pump = Pump::new(lane, stack, window, timeout, Arc::clone(&in_doubt));
            Outlet::open(&runtime, pump, outbound_capacity)
        };
        // Layers may limit and delay; a signal is neither limited nor delayed.
        let bare = TransportService::new(Arc::clone(&transport), Arc::clone(&in_doubt));
        let bare = BoxCloneService::new(bare.map_err(Into::into));
        let (stop, stopping) = watch::channel(false);
        let mut dispatchers = Vec::new();
        for lane in [Lane::Event, Lane::Signal] {
            let interest = interest(lane, &routes);
            if interest.is_empty() {
                continue;
            }
            let dispatcher = Dispatcher {
                lane,
                arrivals: transport.receive(lane, interest)?,
                routes: routes
                    .values()
                    .map(|route| (route.name.clone(), route.clone()))
                    .collect(),
                origin,
                seen: Seen::new(dedup_window),
                local: Arc::clone(local),
                signals: Arc::clone(signals),
                ledger: Arc::clone(ledger),
                stop: stopping.clone(),
            };
            dispatchers.push(Task::spawn(&runtime, dispatcher.run()));
        }
        Ok(Self {
            events: outlet(Lane::Event, stack),
            signals: outlet(Lane::Signal, bare),
            transport,
            routes,
            dispatchers,
            stop,
            ledger: Arc::clone(ledger),
        })
    }

    /// How an event of this type and key leaves the process, if its type is mirrored.
    ///
    /// # Errors
    ///
    /// The event's key is outside of the pattern that its type declares: receivers would miss it.
    pub(crate) fn outbound<E: 'static>(&self, key: &Key) -> Result<Option<Encode>, Error> {
        let route = self.routes.get(&TypeId::of::<E>());
        let Some((route, encode)) = route.and_then(|route| Some((route, route.encode?))) else {
            return Ok(None);
        };
        if !route.keys.matches(key) {
            return Err(Error::permanent(ErrorKind::Malformed, "publish an event")
                .with_detail(format!(
                    "the key {key} is not covered by the keys of {}, {}",
                    route.name, route.keys
                ))
                .with_advice("widen Event::KEYS"));
        }
        Ok(Some(encode))
    }

    /// Puts an event on the way out. Never waits.
    pub(crate) fn push(&self, envelope: AnyEnvelope, encode: Encode) -> Pending {
        self.events.push(envelope, encode, &self.ledger)
    }

    /// Puts a signal on the way out. Never waits.
    pub(crate) fn send_signal(&self, signal: &Envelope<Signal>) -> Pending {
        self.signals
            .push(signal.erase(), encode_signal, &self.ledger)
    }

    pub(crate) fn health(&self) -> MirrorHealth {
        let (queued, in_flight) = [&self.events, &self.signals]
            .map(Outlet::load)
            .into_iter()
            .fold((0, 0), |sum, load| (sum.0 + load.0, sum.1 + load.1));
        MirrorHealth {
            transport: self.transport.name(),
            running: self.events.is_running()
                && self.signals.is_running()
                && !self.dispatchers.iter().any(|task| task.is_finished()),
            link: self.transport.link(),
            queued,
            in_flight,
        }
    }

    pub(crate) fn links(&self) -> BoxStream<Link> {
        self.transport.links()
    }

    /// Stops taking messages from other processes; the one being delivered is finished.
    pub(crate) async fn stop_receiving(&self, deadline: Instant) {
        self.stop.send_replace(true);
        for dispatcher in &self.dispatchers {
            dispatcher.end_by(deadline).await;
        }
    }

    /// Sends what is queued and waits for outcomes until `sent`; closes the transport until `closed`.
    pub(crate) async fn drain(&self, sent: Instant, closed: Instant) -> Closed {
        tokio::join!(self.events.drain(sent), self.signals.drain(sent));
        let left = closed.saturating_duration_since(Instant::now());
        self.transport.close(left).await
    }
}

fn encode_signal(signal: &AnyEnvelope) -> Result<Bytes, Error> {
    let signal = signal
        .downcast::<Signal>()
        .ok_or_else(|| Error::permanent(ErrorKind::Unexpected, "encode what is no signal"))?;
    codec::encode(&*signal)
}

/// What a bus with these routes wants to receive on a lane.
fn interest(lane: Lane, routes: &Routes) -> Vec<Pattern> {
    match lane {
        Lane::Signal => vec![Pattern::new("algedonic.*.*").expect("a valid pattern")],
        Lane::Event => routes
            .values()
            .filter(|route| route.dispatch.is_some())
            .map(|route| route.keys.clone())
            .collect(),
        Lane::Command => Vec::new(),
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running")
            .field("transport", &self.transport)
            .field("routes", &self.routes)
            .finish_non_exhaustive()
    }
}
