//! How does one lane arrive, over all losses of its connection?

mod acks;
mod arrivals;
mod attempts;
mod consumer;
mod reading;
mod subscription;
mod unsettled;

use std::{
    pin::pin,
    sync::{Arc, Mutex},
    time::Duration,
};

use algedonic_transport::{Error, Lane, Pattern};
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};

pub(crate) use self::arrivals::Arrivals;
use self::{arrivals::Inlet, attempts::Attempts, consumer::Attached};
use crate::{
    backoff::Backoff,
    connect::{Change, Changes, Session},
    part::Part,
    phase::Phases,
    topology,
    transport::Shared,
};

/// What an application wants of one lane, and where it reads that. Dropped, it ends the arrivals.
pub(crate) struct Interest {
    pub(crate) patterns: Arc<[Pattern]>,
    inlet: Arc<Inlet>,
    wanted: watch::Sender<()>,
    /// Kept from one connection to the next.
    attempts: Arc<Mutex<Attempts>>,
}

impl Interest {
    /// With what comes of it.
    pub(crate) fn new(patterns: Vec<Pattern>) -> (Self, Arrivals) {
        let (arrivals, inlet, wanted) = Arrivals::new();
        let interest = Self {
            patterns: patterns.into(),
            inlet,
            wanted,
            attempts: Arc::default(),
        };
        (interest, arrivals)
    }

    /// Completes when the application has dropped the arrivals.
    async fn unwanted(&self) {
        self.wanted.closed().await;
    }
}

impl Drop for Interest {
    fn drop(&mut self) {
        self.inlet.close();
    }
}

/// Keeps one lane's subscription, until the application does not want it any more, or the transport
/// closes. Its queues and bindings stay: what comes waits there.
pub(crate) async fn run(shared: Arc<Shared>, lane: Lane, interest: Interest) {
    let part = Part::consume(lane);
    let mut phases = Phases::new(&shared.phase);
    let mut backoff = Backoff::new(&shared.config.reconnect);
    loop {
        shared.board.attempt(part);
        let opened = tokio::select! {
            biased;
            () = unwanted(&mut phases, &interest) => break,
            opened = Session::open(&shared.config, part) => opened,
        };
        let ended = match opened {
            Err(error) => Some((error, Duration::ZERO)),
            Ok(session) => consume(&shared, session, lane, &interest, &mut phases).await,
        };
        let Some((error, worked)) = ended else { break };
        let pause = backoff.after(&error, worked);
        tracing::debug!(connection = %part, %error, ?pause, "next attempt after a pause");
        shared.board.down(part, error);
        tokio::select! {
            () = unwanted(&mut phases, &interest) => break,
            () = sleep(pause) => {}
        }
    }
    shared.board.unwanted(part);
}

/// Consumes on one connection until that is lost; says why, and how long it worked. None: nobody wants
/// the lane any more.
async fn consume(
    shared: &Shared,
    (session, mut changes): (Session, Changes),
    lane: Lane,
    interest: &Interest,
    phases: &mut Phases,
) -> Option<(Error, Duration)> {
    let opened = tokio::select! {
        biased;
        () = unwanted(phases, interest) => None,
        error = lost(&mut changes) => Some(Err(error)),
        opened = Attached::open(&session, &shared.config, lane, interest) => Some(opened),
    };
    let ended = match opened {
        None => None,
        Some(Err(error)) => Some((changes.cause(error).await, Duration::ZERO)),
        Some(Ok(attached)) => {
            shared.board.up(Part::consume(lane));
            let since = Instant::now();
            let running = pin!(attached.run(phases.clone()));
            let error = tokio::select! {
                end = running => match end {
                    consumer::End::Unwanted => None,
                    consumer::End::Lost(error) => Some(error),
                },
                error = lost(&mut changes) => Some(error),
                error = topology::keep_lane(&session, shared, lane, &interest.patterns) => Some(error),
            };
            error.map(|error| (error, since.elapsed()))
        }
    };
    session.close(phases.goodbye(ended.is_none())).await;
    ended
}

/// Completes when the transport drains, or the application has dropped the stream.
async fn unwanted(phases: &mut Phases, interest: &Interest) {
    tokio::select! {
        () = phases.draining() => {}
        () = interest.unwanted() => {}
    }
}

/// Completes when the connection is lost. A broker that blocks publishers blocks none of this.
async fn lost(changes: &mut Changes) -> Error {
    loop {
        if let Change::Lost(error) = changes.next().await {
            return error;
        }
    }
}
