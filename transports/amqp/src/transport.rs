//! How does the bus drive all of it?

use std::{
    fmt,
    future::ready,
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use algedonic_transport::{
    Arrival, BoxFuture, BoxStream, Capabilities, Closed, Error, ErrorKind, Key, Lane, Link,
    Message, Outcome, Pattern, Transport,
};
use tokio::{
    runtime::Handle,
    sync::{mpsc, watch},
    task::JoinHandle,
    time::{Instant, timeout_at},
};

use crate::{
    AmqpConfig,
    consuming::{self, Interest},
    hearing::Hearing,
    link::Board,
    part::Part,
    phase::Phase,
    places::{Full, Place, Places},
    publishing::{Answer, Door, Line, Parcel, Publishing},
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
    events: Entrance,
    signals: Entrance,
    /// Made with the first command: who sends none needs neither the connection nor the exchange.
    commands: OnceLock<Entrance>,
    runtime: Handle,
    /// None once closing has begun.
    tasks: Mutex<Option<Tasks>>,
    closed: watch::Sender<Option<Closed>>,
}

/// What the tasks and the handle of one transport have in common.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) config: Arc<AmqpConfig>,
    pub(crate) board: Board,
    pub(crate) phase: watch::Sender<Phase>,
    pub(crate) hearing: Hearing,
}

/// Where messages of one lane enter.
struct Entrance {
    /// To each of the lane's connections.
    doors: Vec<Door>,
    places: Arc<Places>,
}

/// The tasks of a transport; dropped, they end.
#[derive(Default)]
struct Tasks {
    publishing: Vec<JoinHandle<()>>,
    consuming: Vec<(Lane, JoinHandle<()>)>,
}

impl Tasks {
    fn all(&mut self) -> impl Iterator<Item = &mut JoinHandle<()>> {
        let consuming = self.consuming.iter_mut().map(|(_, task)| task);
        self.publishing.iter_mut().chain(consuming)
    }
}

impl Drop for Tasks {
    fn drop(&mut self) {
        self.all().for_each(|task| task.abort());
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
        let connections = config.publish_connections;
        let events = (0..connections).map(|number| Part::publish(Lane::Event, number));
        let signals = Part::publish(Lane::Signal, 0);
        let shared = Arc::new(Shared {
            config: Arc::new(config),
            board: Board::new(events.clone().chain([signals])),
            phase: watch::Sender::new(Phase::Open),
            hearing: Hearing::default(),
        });
        let mut tasks = Tasks::default();
        let mut enter =
            |parts: Vec<Part>| Entrance::open(&shared, &runtime, parts, None, &mut tasks);
        Ok(Self {
            events: enter(events.collect()),
            signals: enter(vec![signals]),
            commands: OnceLock::new(),
            shared,
            tally: Arc::default(),
            runtime,
            tasks: Mutex::new(Some(tasks)),
            closed: watch::Sender::new(None),
        })
    }

    fn accept(&self, message: Message) -> Result<Answer, Error> {
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
        let encoded = wire::encode(&message, self.shared.config.wire_form)?;
        let entrance = match message.lane {
            Lane::Event => &self.events,
            Lane::Signal => &self.signals,
            Lane::Command => self.commands()?,
        };
        let door = entrance.door(&message.metadata.key);
        if !door.is_open() {
            return Err(self.tally.refusal());
        }
        let place = entrance.place(message.body.len())?;
        let (ticket, told) = Ticket::new(&self.tally);
        let watch = door.enter(Box::new(Parcel {
            encoded: Some(encoded),
            message,
            ticket: Some(ticket),
            place: Some(place),
            deadline: Instant::now() + self.shared.config.confirm_timeout,
        }));
        Ok(Answer::new(told, watch))
    }

    /// Where commands enter. The first one has the connection made, and waits for it.
    fn commands(&self) -> Result<&Entrance, Error> {
        if let Some(entrance) = self.commands.get() {
            return Ok(entrance);
        }
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(tasks) = tasks.as_mut() else {
            return Err(self.tally.refusal());
        };
        Ok(self.commands.get_or_init(|| {
            let part = Part::publish(Lane::Command, 0);
            let waits = Some(Instant::now() + self.shared.config.confirm_timeout);
            self.shared.board.wanted(part);
            Entrance::open(&self.shared, &self.runtime, vec![part], waits, tasks)
        }))
    }
}

impl Entrance {
    /// What comes before its connections are there is refused, or waits for the first attempt until
    /// `waits`.
    fn open(
        shared: &Arc<Shared>,
        runtime: &Handle,
        parts: Vec<Part>,
        waits: Option<Instant>,
        tasks: &mut Tasks,
    ) -> Self {
        let config = &shared.config;
        let mut door = |part| {
            let (jobs, queue) = mpsc::channel(config.window);
            let line = Line::new(waits.is_some());
            let publishing = Publishing::new(shared.clone(), part, line.clone(), queue, waits);
            tasks.publishing.push(runtime.spawn(publishing.run()));
            Door::new(line, jobs)
        };
        Self {
            doors: parts.into_iter().map(&mut door).collect(),
            places: Places::new(config.window, config.max_unconfirmed_bytes),
        }
    }

    /// Always the same for one key, since the order of a key is that of its connection.
    fn door(&self, key: &Key) -> &Door {
        if let [door] = &self.doors[..] {
            return door;
        }
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        let hash = usize::try_from(hasher.finish() & 0xFFFF).unwrap_or_default();
        &self.doors[hash % self.doors.len()]
    }

    /// A place for a message with a body of this size.
    fn place(&self, bytes: usize) -> Result<Place, Error> {
        let place = self.places.take(bytes).or_else(|_| {
            self.doors.iter().for_each(Door::look);
            self.places.take(bytes)
        });
        place.map_err(|full| {
            let what = match full {
                Full::Messages => "messages",
                Full::Bytes => "bytes",
            };
            send_error(Error::transient, ErrorKind::Busy)
                .with_detail(format!("too many {what} await their outcome"))
        })
    }
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
        capabilities.window_bytes = config.max_unconfirmed_bytes;
        capabilities.confirms = true;
        capabilities.reports_unroutable = true;
        capabilities.ordered = true;
        capabilities.redelivers = true;
        capabilities.counts_attempts = true;
        capabilities.durable = true;
        capabilities.dead_letters = true;
        capabilities
    }

    fn send(&self, message: Message) -> BoxFuture<Result<Outcome, Error>> {
        match self.accept(message) {
            Err(error) => Box::pin(ready(Err(error))),
            Ok(answer) => Box::pin(answer),
        }
    }

    fn receive(&self, lane: Lane, interest: Vec<Pattern>) -> Result<BoxStream<Arrival>, Error> {
        let operation = "receive messages from RabbitMQ";
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(tasks) = tasks.as_mut() else {
            return Err(Error::permanent(ErrorKind::Closed, operation));
        };
        if tasks
            .consuming
            .iter()
            .any(|(received, _)| *received == lane)
        {
            return Err(Error::permanent(ErrorKind::Misconfigured, operation)
                .with_detail(format!("the lane {lane} is received already")));
        }
        if lane == Lane::Command && self.shared.config.anonymous {
            return Err(Error::permanent(ErrorKind::Misconfigured, operation)
                .with_detail("commands wait for the instances of one name, and this one has none")
                .with_advice("set AmqpConfig::queue"));
        }
        let (interest, arrivals) = Interest::new(interest);
        self.shared.hearing.wants(lane, &interest.patterns);
        self.shared.board.wanted(Part::consume(lane));
        let consuming = consuming::run(self.shared.clone(), lane, interest);
        tasks.consuming.push((lane, self.runtime.spawn(consuming)));
        Ok(Box::pin(arrivals))
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
    let left = async {
        for task in tasks.all() {
            let _ = task.await;
        }
    };
    let _ = timeout_at(until, left).await;
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
