use std::{any::TypeId, collections::HashSet, fmt, sync::Arc};

use algedonic_transport::{
    BoxStream, BusId, Closed, Error, ErrorKind, Key, Lane, Link, Pattern, Transport,
};
use tokio::{runtime::Handle, sync::watch, time::Instant};
use tower::{ServiceExt, util::BoxCloneService};
use tracing::warn;

use super::{
    Boxed, Mirror, MirrorStackHandle, Outage, Pending, Routes, Standard,
    failed::Failures,
    inbound::Dispatcher,
    outbound::{Pump, Window},
    outlet::{Outlet, SignalOutlet},
    seen::Seen,
    service::TransportService,
    spooling::{Keeper, Keeps, Replay},
};
use crate::{
    event::Envelope,
    local::{Local, Merge, Taps},
    observe::{Ledger, MirrorHealth, Remote},
    signal::{Alarms, Notices, Signal, Signals, SpoolAlarms},
    spool::{Spool, SpoolStatus},
    task::Task,
};

/// A mirror at work. Dropped, it ends its tasks and lets go of the transport.
pub(crate) struct Running {
    transport: Arc<dyn Transport>,
    routes: Routes,
    /// None where no type is sent.
    events: Option<Outlet>,
    signals: SignalOutlet,
    dispatchers: Vec<Task>,
    replays: Vec<Task>,
    spool: Option<Arc<dyn Spool>>,
    stop: watch::Sender<bool>,
    ledger: Arc<Ledger>,
    /// None where the user has a stack of their own.
    standard: Option<Standard>,
    /// Tells the breaker of the link.
    _watch: Option<Task>,
}

impl Running {
    /// # Errors
    ///
    /// Outside a tokio runtime, or when the transport refuses the interest.
    pub(crate) fn start(
        mirror: Mirror<Boxed>,
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
            standard,
            settings,
            alarms: _,
            spool,
            spool_after,
            reports_failures,
            mistake: _,
        } = mirror;
        let capabilities = transport.capabilities();
        let in_flight = standard.as_ref().and(settings.in_flight);
        let window = Window::of(&capabilities, in_flight);
        let pump = |stack| Pump::new(stack, window, timeout, Arc::clone(&in_doubt));
        // Before anything is received: then the lanes are used.
        let outward = routes
            .values()
            .filter_map(|route| Some((route, route.open?)));
        let count = outward.clone().count();
        let taps = Taps::new(count, outbound_capacity as u64, ledger);
        let feeds = outward
            .enumerate()
            .map(|(index, (route, open))| open(route, local, &taps, index, timeout))
            .collect::<Vec<_>>();
        // Layers limit, delay and refuse; a signal is tried at once, whatever became of others.
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
        let kept = kept(&routes, spool.is_some())?;
        let mut replays = Vec::new();
        let mut keeper = |keeps| {
            let (keeper, behind) = Keeper::new(spool.as_ref()?, keeps, &transport, ledger);
            let tasks = behind.into_iter().map(Replay::run);
            replays.extend(tasks.map(|replay| Task::spawn(&runtime, replay)));
            Some(keeper)
        };
        let of_signals = keeper(Keeps::Signals(spool_after));
        // Also where no type is kept any more: what lies there is sent.
        let of_events = keeper(Keeps::Events(kept.into()));
        let watch = standard
            .as_ref()
            .filter(|_| count > 0)
            .map(|standard| Task::spawn(&runtime, Arc::clone(&standard.recovery).watch()));
        let events = (count > 0).then(|| {
            let merge = Merge::new(feeds, Arc::clone(&taps.bells));
            let mut pump = pump(stack);
            pump.keeper = of_events;
            pump.failures = reports_failures.then(|| Failures::new(local, ledger));
            Outlet::open(&runtime, pump, merge)
        });
        let mut of_all_signals = pump(bare);
        of_all_signals.keeper = of_signals;
        Ok(Self {
            events,
            signals: SignalOutlet::open(&runtime, of_all_signals, outbound_capacity, timeout),
            replays,
            spool,
            transport,
            routes,
            dispatchers,
            stop,
            ledger: Arc::clone(ledger),
            standard,
            _watch: watch,
        })
    }

    /// The layers, unless the user has others.
    pub(crate) fn stack(&self) -> Option<&MirrorStackHandle> {
        self.standard.as_ref().map(|standard| &standard.handle)
    }

    /// What is noticed of the breaker; None where there is none that events pass.
    pub(crate) fn notices(&self, alarms: &Alarms) -> Option<Notices> {
        let standard = self.standard.as_ref().filter(|_| self.events.is_some())?;
        let (observer, notices) = Notices::new(alarms.clone());
        standard.alarm(observer);
        Some(notices)
    }

    /// What the spool has to tell, if there is one.
    pub(crate) fn spool_alarms(&self, alarms: &Alarms) -> Option<SpoolAlarms> {
        let spool = self.spool.as_ref()?;
        Some(SpoolAlarms::new(spool, alarms))
    }

    /// Whether an event of this type may have this key.
    ///
    /// # Errors
    ///
    /// The event's key is outside of the pattern that its type declares: receivers would miss it.
    pub(crate) fn check<E: 'static>(&self, key: &Key) -> Result<(), Error> {
        let route = self.routes.get(&TypeId::of::<E>());
        let Some(route) = route.filter(|route| route.open.is_some()) else {
            return Ok(());
        };
        if !route.keys.matches(key) {
            return Err(Error::permanent(ErrorKind::Malformed, "publish an event")
                .with_detail(format!(
                    "the key {key} is not covered by the keys of {}, {}",
                    route.name, route.keys
                ))
                .with_advice("widen Event::KEYS"));
        }
        Ok(())
    }

    /// Puts a signal on the way out. Never waits.
    pub(crate) fn send_signal(&self, signal: &Envelope<Signal>) -> Pending {
        self.signals.push(signal.clone(), &self.ledger)
    }

    /// Puts a signal on the way out, and waits until it is confirmed or on the disk. None where nothing is kept: then it
    /// is to be [sent](Self::send_signal).
    pub(crate) fn secure_signal(
        &self,
        signal: &Envelope<Signal>,
    ) -> Option<impl Future<Output = Remote> + use<>> {
        self.spool.as_ref()?;
        Some(self.signals.secure(signal.clone(), &self.ledger))
    }

    /// How the spool is, if there is one.
    pub(crate) fn spool(&self) -> Option<SpoolStatus> {
        self.spool.as_ref().map(|spool| spool.status())
    }

    /// `untold` events and signals were to be mirrored, and their outcome is not known.
    pub(crate) fn health(&self, untold: u64) -> MirrorHealth {
        let outlets = || self.events.iter().chain([&self.signals.outlet]);
        let in_flight = outlets().map(Outlet::in_flight).sum();
        let untold = usize::try_from(untold).unwrap_or(usize::MAX);
        let breaker = self.standard.as_ref().map(|standard| {
            // What the link says now counts, also where the task that watches it had no turn yet.
            standard.recovery.look();
            standard.handle.breaker().state()
        });
        MirrorHealth {
            transport: self.transport.name(),
            running: outlets().all(Outlet::is_running)
                && !self.dispatchers.iter().any(|task| task.is_finished()),
            link: self.transport.link(),
            breaker,
            queued: untold.saturating_sub(in_flight),
            in_flight,
            spool: self.spool(),
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
        let events = async {
            if let Some(events) = &self.events {
                events.drain(sent).await;
            }
        };
        tokio::join!(events, self.signals.drain(sent));
        for replay in &self.replays {
            replay.abort();
        }
        let left = closed.saturating_duration_since(Instant::now());
        let transport = self.transport.close(left);
        let Some(spool) = &self.spool else {
            return transport.await;
        };
        let (closed, spool) = tokio::join!(transport, spool.close(left));
        if let Err(error) = spool {
            warn!(%error, "the spool is not closed");
        }
        closed
    }
}

/// The names of the types that are kept.
///
/// # Errors
///
/// One is not sent, or there is nothing to keep it.
fn kept(routes: &Routes, is_kept: bool) -> Result<HashSet<Key>, Error> {
    let kept = routes
        .values()
        .filter(|route| route.outage == Outage::Spool)
        .map(|route| match route.open {
            Some(_) => Ok(route.name.clone()),
            None => Err(misfit("an event type that is to be spooled is not sent")
                .with_advice("register it with Mirror::event or Mirror::outbound")),
        })
        .collect::<Result<HashSet<_>, _>>()?;
    if kept.is_empty() || is_kept {
        Ok(kept)
    } else {
        Err(misfit("there are event types to be spooled, but no spool"))
    }
}

fn misfit(detail: &'static str) -> Error {
    Error::permanent(ErrorKind::Misconfigured, "start the mirror").with_detail(detail)
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
