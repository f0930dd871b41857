//! How does the bus drive all of it?

use std::{
    fmt,
    future::ready,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use algedonic_transport::{
    Arrival, BoxFuture, BoxStream, Capabilities, Closed, Error, ErrorKind, Lane, Link, Message,
    Outcome, Pattern, Transport,
};
use tokio::{
    runtime::Handle,
    sync::{Semaphore, TryAcquireError, mpsc, oneshot, watch},
    task::JoinHandle,
    time::{Instant, timeout_at},
};

use crate::{
    AmqpConfig,
    arrivals::{Arrivals, Interest},
    lanes::index,
    link::Board,
    phase::Phase,
    publisher::{self, Job},
    supervisor::{self, Shared, Side},
    tally::{Tally, Ticket},
    wire,
};

/// RabbitMQ as a [`Transport`].
///
/// At work from the moment it is made; never waits for a broker. Dropped without
/// [`close`](Transport::close) it ends its tasks and cuts its connections.
pub struct Amqp {
    shared: Arc<Shared>,
    tally: Arc<Tally>,
    lanes: [LaneDoor; 2],
    received: Mutex<[bool; 2]>,
    runtime: Handle,
    /// None once closing has begun.
    tasks: Mutex<Option<Tasks>>,
    closed: watch::Sender<Option<Closed>>,
}

/// Where messages of one lane enter.
struct LaneDoor {
    jobs: mpsc::Sender<Job>,
    window: Arc<Semaphore>,
}

/// The tasks of a transport; dropped, they end.
struct Tasks {
    supervisors: [JoinHandle<()>; 2],
    lanes: [JoinHandle<()>; 2],
}

impl Drop for Tasks {
    fn drop(&mut self) {
        for task in self.supervisors.iter().chain(&self.lanes) {
            task.abort();
        }
    }
}

impl Amqp {
    /// Starts a transport: its tasks run from now on, and connect by themselves.
    ///
    /// # Errors
    ///
    /// `Misconfigured` when the settings cannot work together, naming the setting, and when called
    /// outside of a tokio runtime (which needs its time and I/O drivers enabled).
    pub fn new(config: AmqpConfig) -> Result<Self, Error> {
        config.validate()?;
        let runtime = Handle::try_current().map_err(|error| {
            Error::permanent(ErrorKind::Misconfigured, "start the AMQP transport")
                .with_detail("there is no tokio runtime here")
                .with_advice("call it from inside of one")
                .with_source(error)
        })?;
        let shared = Arc::new(Shared {
            config: Arc::new(config),
            board: Board::new(),
            gates: Default::default(),
            phase: watch::Sender::new(Phase::Open),
            interests: watch::Sender::new([None, None]),
        });
        let (events, events_attach, events_task) = open_lane(&shared, &runtime);
        let (signals, signals_attach, signals_task) = open_lane(&shared, &runtime);
        let publish = Side::Publish([events_attach, signals_attach]);
        let tasks = Tasks {
            supervisors: [publish, Side::Consume]
                .map(|side| runtime.spawn(supervisor::run(shared.clone(), side))),
            lanes: [events_task, signals_task],
        };
        Ok(Self {
            shared,
            tally: Arc::default(),
            lanes: [events, signals],
            received: Mutex::default(),
            runtime,
            tasks: Mutex::new(Some(tasks)),
            closed: watch::Sender::new(None),
        })
    }

    fn accept(&self, message: Message) -> Result<oneshot::Receiver<Result<Outcome, Error>>, Error> {
        if self.tally.is_closed() {
            return Err(self.tally.refusal());
        }
        let most = self.shared.config.max_body_bytes;
        if message.body.len() > most {
            return Err(
                send_error(Error::permanent, ErrorKind::TooLarge).with_detail(format!(
                    "a body of {} bytes; at most {most} are sent",
                    message.body.len()
                )),
            );
        }
        let lane = index(message.lane);
        let door = &self.lanes[lane];
        let encoded = wire::encode(message)?;
        if !self.shared.gates[lane].is_open() {
            return Err(self.tally.refusal());
        }
        let permit = door
            .window
            .clone()
            .try_acquire_owned()
            .map_err(|error| match error {
                TryAcquireError::NoPermits => send_error(Error::transient, ErrorKind::Busy)
                    .with_detail(format!("{} await their outcome", self.shared.config.window)),
                TryAcquireError::Closed => self.tally.refusal(),
            })?;
        let (ticket, answer) = Ticket::new(&self.tally);
        let deadline = Instant::now() + self.shared.config.confirm_timeout;
        // The queue has as many places as there are permits. If the lane has ended, the ticket
        // refuses as it is dropped.
        let _ = door.jobs.try_send(Job {
            encoded,
            ticket,
            permit,
            deadline,
        });
        Ok(answer)
    }
}

fn open_lane(
    shared: &Shared,
    runtime: &Handle,
) -> (LaneDoor, mpsc::Sender<publisher::Attach>, JoinHandle<()>) {
    let config = &shared.config;
    let (jobs, queue) = mpsc::channel(config.window);
    let (attach, attachments) = mpsc::channel(1);
    // When not one confirm came in this time, those that are owed are overdue: nothing is lost by
    // making a new connection, and it is said sooner than the heartbeat would.
    let silence = config.confirm_timeout;
    let task = runtime.spawn(publisher::run(queue, attachments, silence));
    let window = Arc::new(Semaphore::new(config.window));
    (LaneDoor { jobs, window }, attach, task)
}

fn send_error(make: fn(ErrorKind, &'static str) -> Error, kind: ErrorKind) -> Error {
    make(kind, "send a message to RabbitMQ")
}

impl Transport for Amqp {
    fn name(&self) -> &'static str {
        "amqp"
    }

    fn capabilities(&self) -> Capabilities {
        let config = &self.shared.config;
        let mut capabilities = Capabilities::new(config.max_body_bytes, config.window);
        capabilities.confirms = true;
        capabilities.reports_unroutable = true;
        capabilities.ordered = true;
        capabilities.redelivers = true;
        capabilities.durable = true;
        capabilities.dead_letters = true;
        capabilities
    }

    fn send(&self, message: Message) -> BoxFuture<Result<Outcome, Error>> {
        match self.accept(message) {
            Err(error) => Box::pin(ready(Err(error))),
            Ok(answer) => Box::pin(async move {
                // A ticket always answers; this is for a runtime that died under it.
                answer
                    .await
                    .unwrap_or_else(|_| Ok(Outcome::unknown("the transport has ended")))
            }),
        }
    }

    fn receive(&self, lane: Lane, interest: Vec<Pattern>) -> Result<BoxStream<Arrival>, Error> {
        let operation = "receive messages from RabbitMQ";
        if self.tally.is_closed() {
            return Err(Error::permanent(ErrorKind::Closed, operation));
        }
        let mut received = self.received.lock().unwrap_or_else(PoisonError::into_inner);
        if std::mem::replace(&mut received[index(lane)], true) {
            return Err(Error::permanent(ErrorKind::Misconfigured, operation)
                .with_detail(format!("the lane {lane} is received already")));
        }
        let (arrivals, stream) = mpsc::channel(self.shared.config.prefetch.into());
        self.shared.want(lane, Interest::new(interest, arrivals));
        Ok(Box::pin(Arrivals(stream)))
    }

    fn link(&self) -> Link {
        self.shared.board.link()
    }

    fn links(&self) -> BoxStream<Link> {
        Box::pin(self.shared.board.links())
    }

    fn close(&self, deadline: Duration) -> BoxFuture<Closed> {
        self.tally.close();
        let mut closed = self.closed.subscribe();
        let tasks = self
            .tasks
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(tasks) = tasks {
            // A year is as good as for ever, and can be added to the clock.
            let deadline = deadline.min(Duration::from_secs(365 * 24 * 3600));
            let tally = self.tally.clone();
            let ending = Ending {
                shared: self.shared.clone(),
                closed: self.closed.clone(),
                result: Closed::default(),
            };
            self.runtime.spawn(end(ending, tally, tasks, deadline));
        }
        Box::pin(async move {
            match closed.wait_for(Option::is_some).await {
                Ok(result) => result.unwrap_or_default(),
                // The runtime has ended first.
                Err(_) => Closed::default(),
            }
        })
    }
}

/// Tells everybody that the transport is closed; when the runtime ends first, then too.
struct Ending {
    shared: Arc<Shared>,
    closed: watch::Sender<Option<Closed>>,
    result: Closed,
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.shared.interests.send_replace([None, None]);
        self.shared.board.closed();
        self.closed.send_replace(Some(self.result));
    }
}

async fn end(mut ending: Ending, tally: Arc<Tally>, mut tasks: Tasks, deadline: Duration) {
    let until = Instant::now() + deadline;
    // Kept back for the goodbyes.
    let reserve = (deadline / 5).min(Duration::from_millis(500));
    let phase = &ending.shared.phase;
    phase.send_replace(Phase::Draining { until });
    let _ = timeout_at(until - reserve, tally.settled()).await;
    ending.result = Closed::new(tally.waiting());
    phase.send_replace(Phase::Leaving { until });
    let supervisors = async {
        for task in &mut tasks.supervisors {
            let _ = task.await;
        }
    };
    let _ = timeout_at(until, supervisors).await;
    drop(tasks);
}

impl fmt::Debug for Amqp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Amqp")
            .field("config", &self.shared.config)
            .field("link", &self.shared.board.link().state)
            .finish_non_exhaustive()
    }
}
