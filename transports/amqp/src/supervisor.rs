//! When is a connection made, what runs on it, and what happens when it is lost?
//!
//! One task for each of the two connections. What goes wrong on a connection, or by chance on one of
//! its channels, ends the whole session, and a new one begins: channels that die inside a living
//! connection take it with them often enough that there is no better case worth having. But what
//! the broker refuses to one lane would be refused to it in every session: for as long as the other
//! lane works, the refused one is tried again on the same connection, slowly.

use std::{future::pending, sync::Arc, time::Duration};

use algedonic_transport::{Error, ErrorKind, Lane};
use lapin::options::ConfirmSelectOptions;
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinSet,
    time::{Instant, sleep, sleep_until},
};

use crate::{
    AmqpConfig,
    arrivals::Interest,
    backoff::Backoff,
    connect::{Change, Changes, Deadline, Session},
    consumer::{self, Attached},
    error::During,
    gate::{Gate, Pass},
    lanes::{LANES, Lanes, Next, index},
    link::{Board, Part},
    phase::{Phase, Phases},
    publisher::Attach,
    topology,
};

/// What the tasks and the handle of one transport have in common.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) config: Arc<AmqpConfig>,
    pub(crate) board: Board,
    /// By lane.
    pub(crate) gates: [Arc<Gate>; 2],
    pub(crate) phase: watch::Sender<Phase>,
    pub(crate) interests: watch::Sender<[Option<Interest>; 2]>,
}

/// What one of the connections is for.
pub(crate) enum Side {
    /// To give each lane's task a channel; by lane.
    Publish([mpsc::Sender<Attach>; 2]),
    /// To receive what is wanted.
    Consume,
}

enum End {
    /// The transport is closing.
    Left,
    /// There is nothing to do at present.
    Idle,
    Lost(Error),
}

/// How long a goodbye may take.
const GOODBYE: Duration = Duration::from_secs(1);

impl Side {
    fn part(&self) -> Part {
        match self {
            Self::Publish(_) => Part::Publish,
            Self::Consume => Part::Consume,
        }
    }

    async fn left(&self, phases: &mut Phases) {
        match self {
            Self::Publish(_) => phases.leaving().await,
            Self::Consume => phases.draining().await,
        }
    }
}

/// Keeps one connection, until the transport closes.
pub(crate) async fn run(shared: Arc<Shared>, side: Side) {
    let part = side.part();
    let mut phases = Phases::new(&shared.phase);
    let mut backoff = Backoff::new(shared.config.max_backoff);
    loop {
        if matches!(side, Side::Consume) && !shared.wanted(&mut phases).await {
            return;
        }
        shared.board.attempt(part);
        let session = tokio::select! {
            () = side.left(&mut phases) => return,
            session = Session::open(&shared.config, part) => session,
        };
        let mut lanes = Lanes::new(shared.config.max_backoff);
        let end = match (session, &side) {
            (Err(error), _) => End::Lost(error),
            (Ok(session), Side::Publish(tasks)) => {
                publish(&shared, session, tasks, &mut lanes, &mut phases).await
            }
            (Ok(session), Side::Consume) => {
                consume(&shared, session, &mut lanes, &mut phases).await
            }
        };
        shared.unwanted_part(part);
        let error = match end {
            End::Left => return,
            End::Idle => {
                backoff = Backoff::new(shared.config.max_backoff);
                continue;
            }
            End::Lost(error) => error,
        };
        let pause = backoff.after(&error, lanes.worked());
        tracing::debug!(connection = part.as_str(), %error, ?pause, "next attempt after a pause");
        shared.board.down(part, error);
        tokio::select! {
            () = side.left(&mut phases) => return,
            () = sleep(pause) => {}
        }
    }
}

async fn publish(
    shared: &Shared,
    (session, mut changes): (Session, Changes),
    tasks: &[mpsc::Sender<Attach>; 2],
    lanes: &mut Lanes,
    phases: &mut Phases,
) -> End {
    for lane in LANES {
        lanes.want(lane, true);
    }
    let mut attached: [Option<Publishing>; 2] = [None, None];
    let mut silenced: Option<Error> = None;
    let end = loop {
        if let Some(error) = lanes.hopeless() {
            break End::Lost(error.clone());
        }
        shared.tell_of_publishing(lanes, silenced.as_ref());
        // A broker that blocks the connection would not answer.
        let next = lanes.next().filter(|_| silenced.is_none());
        tokio::select! {
            biased;
            () = phases.leaving() => break End::Left,
            change = changes.next() => match change {
                Change::Blocked(reason) => {
                    attached.iter().flatten().for_each(|lane| lane.pass.shut());
                    silenced = Some(blocked(&reason));
                }
                Change::Unblocked => {
                    attached.iter().flatten().for_each(|lane| lane.pass.open());
                    silenced = None;
                }
                Change::Lost(error) => break End::Lost(error),
            },
            (lane, error) = failed(&mut attached) => {
                attached[index(lane)] = None;
                if error.is_transient() {
                    break End::Lost(error);
                }
                lanes.refused(lane, error);
            }
            (lane, result) = attach_next(shared, &session, tasks, next) => match result {
                Ok(publishing) => {
                    publishing.pass.open();
                    attached[index(lane)] = Some(publishing);
                    lanes.attached(lane);
                }
                Err(error) => lanes.refused(lane, error),
            },
        }
    };
    let reason: Arc<str> = match &end {
        End::Lost(error) => error.to_string().into(),
        End::Left | End::Idle => "the transport was closed".into(),
    };
    for lane in attached.into_iter().flatten() {
        lane.pass.shut();
        // A lane that failed has let go already.
        let _ = lane.detach.send(reason.clone());
    }
    session.close(goodbye(&end, phases)).await;
    end
}

/// How long the goodbye may take: a broker that was lost is not waited for long.
fn goodbye(end: &End, phases: &Phases) -> Duration {
    match end {
        End::Left => GOODBYE.min(phases.until().saturating_duration_since(Instant::now())),
        End::Idle | End::Lost(_) => GOODBYE / 10,
    }
}

fn blocked(reason: &str) -> Error {
    Error::transient(ErrorKind::Unavailable, "publish to RabbitMQ")
        .with_detail(format!(
            "the broker has blocked publishing: {}",
            reason.escape_debug()
        ))
        .with_advice("free memory or disk on the broker")
}

/// A lane that publishes.
struct Publishing {
    pass: Pass,
    detach: oneshot::Sender<Arc<str>>,
    failed: oneshot::Receiver<Error>,
}

/// Waits for a lane to fail.
async fn failed(attached: &mut [Option<Publishing>; 2]) -> (Lane, Error) {
    async fn failure(lane: &mut Option<Publishing>) -> Error {
        match lane {
            None => pending().await,
            Some(lane) => (&mut lane.failed).await.unwrap_or_else(|_| lane_ended()),
        }
    }
    let [events, signals] = attached;
    tokio::select! {
        error = failure(signals) => (Lane::Signal, error),
        error = failure(events) => (Lane::Event, error),
    }
}

fn lane_ended() -> Error {
    Error::transient(ErrorKind::Unexpected, "keep the publishing task of a lane")
}

/// Waits until `next` is due, and attaches it. Dropped halfway, it leaves the lane unattached.
async fn attach_next(
    shared: &Shared,
    session: &Session,
    tasks: &[mpsc::Sender<Attach>; 2],
    next: Option<Next>,
) -> (Lane, Result<Publishing, Error>) {
    let Some(Next { lane, at, again }) = next else {
        return pending().await;
    };
    sleep_until(at).await;
    if again {
        shared.board.attempt(Part::Publish);
    }
    (
        lane,
        attach(shared, session, &tasks[index(lane)], lane).await,
    )
}

/// Declares the exchange of `lane`, and gives its task a confirm channel.
async fn attach(
    shared: &Shared,
    session: &Session,
    task: &mpsc::Sender<Attach>,
    lane: Lane,
) -> Result<Publishing, Error> {
    let config = &shared.config;
    let deadline = Deadline::within(config.connect_timeout);
    topology::declare_exchange(session, config, lane, deadline).await?;
    let channel = session.channel(deadline).await?;
    let confirm = channel.confirm_select(ConfirmSelectOptions::default());
    session.step(deadline, confirm).await?;
    let pass = shared.gates[index(lane)].pass();
    let (taken, was_taken) = oneshot::channel();
    let (fail, failed) = oneshot::channel();
    let (detach, detached) = oneshot::channel();
    let attach = Attach {
        channel,
        exchange: topology::exchange(config, lane),
        pass: pass.clone(),
        taken,
        failed: fail,
        detach: detached,
    };
    // Until the task is done with the channel before, a message would be refused. It ends only with
    // the transport, and is waited for no longer than the broker.
    let handed_over = async { task.send(attach).await.is_ok() && was_taken.await.is_ok() };
    if !deadline
        .await_step(During::Publish, "the task of the lane", handed_over)
        .await?
    {
        return Err(lane_ended());
    }
    Ok(Publishing {
        pass,
        detach,
        failed,
    })
}

async fn consume(
    shared: &Shared,
    (session, mut changes): (Session, Changes),
    lanes: &mut Lanes,
    phases: &mut Phases,
) -> End {
    let mut interests = shared.interests.subscribe();
    let mut consumers = JoinSet::new();
    let end = loop {
        let wanted = interests.borrow_and_update().clone();
        for lane in LANES {
            lanes.want(lane, wanted[index(lane)].is_some());
        }
        if consumers.is_empty() && wanted.iter().all(Option::is_none) {
            break End::Idle;
        }
        if let Some(error) = lanes.hopeless() {
            break End::Lost(error.clone());
        }
        shared.tell_of_consuming(lanes);
        let open = matches!(*shared.phase.borrow(), Phase::Open);
        let next = lanes.next().filter(|_| open);
        tokio::select! {
            ended = consumers.join_next(), if !consumers.is_empty() => match ended {
                Some(Ok(consumer::End::Unwanted(lane))) => lanes.detached(lane),
                Some(Ok(consumer::End::Lost(lane, error))) if !error.is_transient() => {
                    lanes.refused(lane, error);
                }
                Some(Ok(consumer::End::Lost(_, error))) => break End::Lost(error),
                Some(Err(_)) | None => break End::Lost(Error::transient(
                    ErrorKind::Unexpected,
                    "keep the consuming task of a lane",
                )),
            },
            change = changes.next() => if let Change::Lost(error) = change {
                break End::Lost(error);
            },
            _ = interests.changed() => {}
            (lane, result) = open_next(shared, &session, &wanted, next) => match result {
                Ok(Some(opened)) => {
                    consumers.spawn(opened.run(phases.clone()));
                    lanes.attached(lane);
                }
                Ok(None) => shared.forget(lane),
                Err(error) => lanes.refused(lane, error),
            },
            () = phases.draining(), if consumers.is_empty() => {}
        }
        if consumers.is_empty() && !matches!(*shared.phase.borrow(), Phase::Open) {
            break End::Left;
        }
    };
    // Ends the generation of every consumer that is left, before the connection goes.
    consumers.shutdown().await;
    session.close(goodbye(&end, phases)).await;
    end
}

/// Waits until `next` is due, and opens its consumer; none when the application has dropped the
/// stream. Its queue and bindings stay: what comes waits there.
async fn open_next(
    shared: &Shared,
    session: &Session,
    wanted: &[Option<Interest>; 2],
    next: Option<Next>,
) -> (Lane, Result<Option<Attached>, Error>) {
    let Some(Next { lane, at, again }) = next else {
        return pending().await;
    };
    let Some(interest) = wanted[index(lane)].clone() else {
        return (lane, Ok(None));
    };
    tokio::select! {
        biased;
        () = interest.arrivals.closed() => return (lane, Ok(None)),
        () = sleep_until(at) => {}
    }
    if again {
        shared.board.attempt(Part::Consume);
    }
    let opened = Attached::open(session, &shared.config, lane, interest).await;
    (lane, opened.map(Some))
}

impl Shared {
    /// Waits until something is to be received; false when the transport closes before that.
    async fn wanted(&self, phases: &mut Phases) -> bool {
        let mut interests = self.interests.subscribe();
        loop {
            if interests.borrow_and_update().iter().any(Option::is_some) {
                return true;
            }
            tokio::select! {
                () = phases.draining() => return false,
                _ = interests.changed() => {}
            }
        }
    }

    /// Notes that `lane` is to be received from now on.
    pub(crate) fn want(&self, lane: Lane, interest: Interest) {
        self.interests.send_modify(|interests| {
            interests[index(lane)] = Some(interest);
            // Under the lock of the interests, so that no older state is told after this one.
            self.board.consumers_wanted();
        });
    }

    fn forget(&self, lane: Lane) {
        self.interests.send_modify(|interests| {
            interests[index(lane)] = None;
            if interests.iter().all(Option::is_none) {
                self.board.no_consumers();
            }
        });
    }

    fn tell_of_publishing(&self, lanes: &Lanes, silenced: Option<&Error>) {
        if let Some(error) = lanes.error() {
            self.board.down(Part::Publish, error.clone());
        } else if let Some(error) = silenced {
            self.board.blocked(Part::Publish, error.clone());
        } else if LANES.into_iter().all(|lane| lanes.is_attached(lane)) {
            self.board.up(Part::Publish);
        }
    }

    fn tell_of_consuming(&self, lanes: &Lanes) {
        if let Some(error) = lanes.error() {
            self.board.down(Part::Consume, error.clone());
            return;
        }
        // Up is said under the lock of the interests, for these and no others.
        let interests = self.interests.borrow();
        let mut wanted = LANES
            .into_iter()
            .filter(|lane| interests[index(*lane)].is_some())
            .peekable();
        if wanted.peek().is_some() && wanted.all(|lane| lanes.is_attached(lane)) {
            self.board.up(Part::Consume);
        }
    }

    /// Nothing is said of the consume side while nobody wants it.
    fn unwanted_part(&self, part: Part) {
        if part == Part::Consume && self.interests.borrow().iter().all(Option::is_none) {
            self.board.no_consumers();
        }
    }
}
