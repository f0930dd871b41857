use std::{
    any::TypeId,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use algedonic_transport::{
    BoxStream, Closed, Error, ErrorKind, EventId, Lane, Link, Pattern, Transport,
};
use bytes::Bytes;
use tokio::{
    runtime::Handle,
    sync::{mpsc, watch},
    task::{AbortHandle, JoinHandle},
    time::{Instant, timeout, timeout_at},
};

use super::{
    LocalOnly, Mirror, Pending, Reply, Routes, Stack,
    inbound::Dispatcher,
    outbound::{Item, Outgoing, Pump},
    seen::Seen,
};
use crate::{
    event::{AnyEnvelope, Envelope, codec},
    local::Local,
    observe::{Ledger, MirrorHealth},
    signal::Signal,
};

/// How long an aborted task may take to get its last turn, on a runtime that is busy.
const LAST_TURN: Duration = Duration::from_millis(100);

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

/// One queue, and the pump that empties it.
struct Outlet {
    queue: mpsc::Sender<Item>,
    in_flight: Arc<AtomicUsize>,
    pump: Task,
}

/// A task that ends with its owner.
struct Task {
    abort: AbortHandle,
    done: watch::Receiver<()>,
}

impl Task {
    fn spawn(runtime: &Handle, work: impl Future<Output = ()> + Send + 'static) -> Self {
        let (finished, done) = watch::channel(());
        let handle: JoinHandle<()> = runtime.spawn(async move {
            let _finished = finished;
            work.await;
        });
        Self {
            abort: handle.abort_handle(),
            done,
        }
    }

    /// Waits for its end; at the deadline it is aborted.
    async fn end_by(&self, deadline: Instant) {
        let mut done = self.done.clone();
        if timeout_at(deadline, done.changed()).await.is_err() {
            self.abort.abort();
            // What it held answers only when it is dropped, on the task's next turn.
            let _ = timeout(LAST_TURN, done.changed()).await;
        }
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.abort.abort();
    }
}

impl Running {
    /// # Errors
    ///
    /// Outside a tokio runtime, or when the transport refuses the interest.
    pub(crate) fn start(
        mirror: Mirror<Stack>,
        origin: EventId,
        local: &Arc<Local>,
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
            queue,
            deadline,
            seen,
            ..
        } = mirror;
        let window = transport.capabilities().window.max(1);
        let outlet = |lane, stack| Outlet::open(&runtime, lane, stack, queue, window, deadline);
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
                seen: Seen::new(seen),
                local: Arc::clone(local),
                ledger: Arc::clone(ledger),
                stop: stopping.clone(),
            };
            dispatchers.push(Task::spawn(&runtime, dispatcher.run()));
        }
        Ok(Self {
            events: outlet(Lane::Event, stack.clone()),
            signals: outlet(Lane::Signal, stack),
            transport,
            routes,
            dispatchers,
            stop,
            ledger: Arc::clone(ledger),
        })
    }

    /// Puts an event on the way out, if its type is mirrored. Never waits.
    ///
    /// # Errors
    ///
    /// The event's key is outside of the pattern that its type declares: receivers would miss it.
    pub(crate) fn send<E: Send + Sync + 'static>(
        &self,
        envelope: &Envelope<E>,
    ) -> Result<Pending, Error> {
        let route = self.routes.get(&TypeId::of::<E>());
        let Some((route, encode)) = route.and_then(|route| Some((route, route.encode?))) else {
            return Ok(Pending::local_only(LocalOnly::NotMirrored));
        };
        if !route.keys.matches(envelope.key()) {
            return Err(Error::permanent(ErrorKind::Malformed, "publish an event")
                .with_detail(format!(
                    "the key {} is not covered by the keys of {}, {}",
                    envelope.key(),
                    route.name,
                    route.keys
                ))
                .with_advice("widen Event::KEYS"));
        }
        Ok(self.events.push(envelope.erase(), encode, &self.ledger))
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

    /// Sends what is queued, waits for outcomes, and closes the transport; by the deadline.
    pub(crate) async fn drain(&self, deadline: Instant) -> Closed {
        tokio::join!(self.events.drain(deadline), self.signals.drain(deadline));
        let left = deadline.saturating_duration_since(Instant::now());
        self.transport.close(left).await
    }
}

impl Outlet {
    fn open(
        runtime: &Handle,
        lane: Lane,
        stack: Stack,
        queue: usize,
        window: usize,
        deadline: Duration,
    ) -> Self {
        let (sender, receiver) = mpsc::channel(queue);
        let in_flight = Arc::new(AtomicUsize::new(0));
        let pump = Pump {
            lane,
            queue: receiver,
            stack,
            window,
            deadline,
            in_flight: Arc::clone(&in_flight),
        };
        Self {
            queue: sender,
            in_flight,
            pump: Task::spawn(runtime, pump.run()),
        }
    }

    fn push(
        &self,
        envelope: AnyEnvelope,
        encode: fn(&AnyEnvelope) -> Result<Bytes, Error>,
        ledger: &Arc<Ledger>,
    ) -> Pending {
        let (reply, pending) = Reply::new(Arc::clone(ledger));
        let outgoing = Outgoing {
            envelope,
            encode,
            reply,
        };
        match self.queue.try_send(Item::Send(outgoing)) {
            Ok(()) => pending,
            Err(refused) => {
                let why = match refused {
                    mpsc::error::TrySendError::Full(_) => LocalOnly::QueueFull,
                    mpsc::error::TrySendError::Closed(_) => LocalOnly::ShutDown,
                };
                if let Item::Send(outgoing) = refused.into_inner() {
                    outgoing.reply.send(super::Remote::LocalOnly(why));
                }
                pending
            }
        }
    }

    fn load(&self) -> (usize, usize) {
        (
            self.queue.max_capacity() - self.queue.capacity(),
            self.in_flight.load(Ordering::Relaxed),
        )
    }

    async fn drain(&self, deadline: Instant) {
        // A full queue makes room as the pump works, or the deadline ends the wait.
        let _ = timeout_at(deadline, self.queue.send(Item::Drain)).await;
        self.pump.end_by(deadline).await;
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
