//! When is a connection made, what runs on it, and what happens when it is lost?
//!
//! One task for each of the two connections. Whatever goes wrong on a connection or on one of its
//! channels ends the whole session, and a new one begins: channels that die inside a living
//! connection take it with them often enough that there is no other case worth having.

use std::{pin::pin, sync::Arc, time::Duration};

use algedonic_transport::{Error, ErrorKind, Lane};
use lapin::options::ConfirmSelectOptions;
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinSet,
    time::{Instant, sleep},
};

use crate::{
    AmqpConfig,
    arrivals::Interest,
    backoff::Backoff,
    connect::{Change, Session},
    consumer::{self, Attached},
    gate::Gate,
    link::{Board, Part},
    phase::{Phase, Phases},
    publisher::Attach,
    topology,
};

pub(crate) const LANES: [Lane; 2] = [Lane::Event, Lane::Signal];

/// The place of a lane in arrays by lane.
pub(crate) const fn index(lane: Lane) -> usize {
    match lane {
        Lane::Event => 0,
        Lane::Signal => 1,
    }
}

/// What the tasks and the handle of one transport have in common.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) config: Arc<AmqpConfig>,
    pub(crate) board: Board,
    pub(crate) gate: Arc<Gate>,
    pub(crate) phase: watch::Sender<Phase>,
    pub(crate) interests: watch::Sender<[Option<Interest>; 2]>,
}

/// What one of the connections is for.
pub(crate) enum Side {
    /// To give each lane's task a channel.
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

/// A session this long was a good one: the next loss is met with the fast retry again.
const GOOD: Duration = Duration::from_secs(1);
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
    let mut backoff = Backoff::default();
    let mut lost_at = Instant::now();
    loop {
        if matches!(side, Side::Consume) && !shared.wanted(&mut phases).await {
            return;
        }
        shared.board.attempt(part);
        let session = tokio::select! {
            () = side.left(&mut phases) => return,
            session = Session::open(&shared.config, part) => session,
        };
        let connected_at = Instant::now();
        let end = match session {
            Err(error) => End::Lost(error),
            Ok(session) => match &side {
                Side::Publish(lanes) => publish(&shared, session, lanes, &mut phases).await,
                Side::Consume => consume(&shared, session, &mut phases).await,
            },
        };
        shared.unwanted_part(part);
        let error = match end {
            End::Left => return,
            End::Idle => continue,
            End::Lost(error) => error,
        };
        if connected_at.elapsed() >= GOOD {
            backoff = Backoff::default();
            lost_at = Instant::now();
        }
        let pause = backoff
            .next(!error.is_transient(), lost_at.elapsed(), fastrand::f64())
            .min(shared.config.retry_pause);
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
    mut session: Session,
    lanes: &[mpsc::Sender<Attach>; 2],
    phases: &mut Phases,
) -> End {
    let attached = tokio::select! {
        () = phases.leaving() => return End::Left,
        attached = attach(shared, &session, lanes) => attached,
    };
    let ([detach_events, detach_signals], [events_failed, signals_failed]) = match attached {
        Ok(attached) => attached,
        Err(error) => return End::Lost(error),
    };
    let (mut events_failed, mut signals_failed) = (pin!(events_failed), pin!(signals_failed));
    shared.gate.open();
    shared.board.up(Part::Publish);
    let end = loop {
        let failed = tokio::select! {
            biased;
            () = phases.leaving() => break End::Left,
            change = session.change() => match change {
                Change::Blocked(reason) => {
                    shared.gate.shut();
                    shared.board.blocked(Part::Publish, blocked(&reason));
                    continue;
                }
                Change::Unblocked => {
                    shared.gate.open();
                    shared.board.up(Part::Publish);
                    continue;
                }
                Change::Lost(error) => break End::Lost(error),
            },
            failed = &mut events_failed => failed,
            failed = &mut signals_failed => failed,
        };
        break End::Lost(failed.unwrap_or_else(|_| {
            Error::transient(ErrorKind::Unexpected, "keep the publishing task of a lane")
        }));
    };
    shared.gate.shut();
    let reason: Arc<str> = match &end {
        End::Lost(error) => error.to_string().into(),
        End::Left | End::Idle => "the transport was closed".into(),
    };
    for detach in [detach_events, detach_signals] {
        // A lane that failed has let go already.
        let _ = detach.send(reason.clone());
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

type Detach = [oneshot::Sender<Arc<str>>; 2];
type Failed = [oneshot::Receiver<Error>; 2];

/// Declares the exchange, and gives each lane its confirm channel.
async fn attach(
    shared: &Shared,
    session: &Session,
    lanes: &[mpsc::Sender<Attach>; 2],
) -> Result<(Detach, Failed), Error> {
    topology::declare_exchanges(session, &shared.config).await?;
    let (events_detach, events_detached) = oneshot::channel();
    let (signals_detach, signals_detached) = oneshot::channel();
    let (events_fail, events_failed) = oneshot::channel();
    let (signals_fail, signals_failed) = oneshot::channel();
    let wires = [
        (events_fail, events_detached),
        (signals_fail, signals_detached),
    ];
    for ((lane, attachments), (failed, detach)) in LANES.into_iter().zip(lanes).zip(wires) {
        let channel = session.channel().await?;
        session
            .within(channel.confirm_select(ConfirmSelectOptions::default()))
            .await?;
        let exchange = topology::exchange(&shared.config, lane);
        // A lane's task ends only with the transport.
        let _ = attachments
            .send(Attach {
                channel,
                exchange,
                failed,
                detach,
            })
            .await;
    }
    Ok((
        [events_detach, signals_detach],
        [events_failed, signals_failed],
    ))
}

async fn consume(shared: &Shared, mut session: Session, phases: &mut Phases) -> End {
    let mut interests = shared.interests.subscribe();
    let mut consumers = JoinSet::new();
    let mut attached = [false; 2];
    let end = loop {
        let wanted = interests.borrow_and_update().clone();
        let mut changed = Ok(());
        for lane in LANES {
            let Some(interest) = wanted[index(lane)].clone() else {
                continue;
            };
            if attached[index(lane)] || changed.is_err() {
                continue;
            }
            let opened = tokio::select! {
                () = phases.draining() => break,
                opened = attach_consumer(shared, &session, lane, interest) => opened,
            };
            changed = opened.map(|opened| match opened {
                Some(opened) => {
                    consumers.spawn(opened.run(phases.clone()));
                    attached[index(lane)] = true;
                }
                None => shared.forget(lane),
            });
        }
        if let Err(error) = changed {
            break End::Lost(error);
        }
        if consumers.is_empty() && shared.interests.borrow().iter().all(Option::is_none) {
            break End::Idle;
        }
        shared.up_if_complete(attached);
        tokio::select! {
            ended = consumers.join_next(), if !consumers.is_empty() => match ended {
                Some(Ok(consumer::End::Unwanted(lane))) => attached[index(lane)] = false,
                Some(Ok(consumer::End::Lost(error))) => break End::Lost(error),
                Some(Err(_)) | None => break End::Lost(Error::transient(
                    ErrorKind::Unexpected,
                    "keep the consuming task of a lane",
                )),
            },
            change = session.change() => if let Change::Lost(error) = change {
                break End::Lost(error);
            },
            _ = interests.changed() => {}
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

/// The consumer of a lane; none when the application has dropped the stream. Its queue and bindings
/// stay: what comes waits there.
async fn attach_consumer(
    shared: &Shared,
    session: &Session,
    lane: Lane,
    interest: Interest,
) -> Result<Option<Attached>, Error> {
    if interest.arrivals.is_closed() {
        return Ok(None);
    }
    Attached::open(session, &shared.config, lane, interest)
        .await
        .map(Some)
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

    fn up_if_complete(&self, attached: [bool; 2]) {
        let interests = self.interests.borrow();
        let mut wanted = interests
            .iter()
            .zip(attached)
            .filter(|(wanted, _)| wanted.is_some());
        if wanted.clone().next().is_some() && wanted.all(|(_, attached)| attached) {
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
