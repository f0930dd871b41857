//! A transport around another one, with one bug planted in it.

mod arriving;
mod sending;

use std::{
    future::{pending, ready},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use algedonic_transport::{
    Arrival, BoxFuture, BoxStream, Capabilities, Closed, Error, EventId, Lane, Link, Message,
    Outcome, Pattern, Transport,
    conformance::{Form, Outage, World},
};
use futures_util::{StreamExt, stream};

use crate::world::Memories;

/// What can be wrong with a transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bug {
    None,
    AcceptsASecondReceive,
    AcksDeadLetters,
    AcksOnArrival,
    AcksWhatIsDropped,
    BreaksOnTooLarge,
    CloseDoesNothing,
    CloseWaitsForSettlements,
    CloseWaitsForTheBroker,
    ConfirmsDuringAnOutage,
    ConfirmsWhatNobodyWants,
    ConnectsOnlyAtStart,
    DeliversOncePerPattern,
    ForgetsAttempts,
    ForgetsEveryHundredth,
    GivesEachMemberACopy,
    HidesItsOwn,
    IgnoresTheLimit,
    LanesWaitForEachOther,
    LeaksItself,
    LinkIsAlwaysUp,
    LosesTheSecondReturn,
    LosesTheTrace,
    MixesLanes,
    NeverAcks,
    NeverResolvesEveryFiftieth,
    ReceivesEverything,
    RepeatsEveryFiftieth,
    ReplaysHistory,
    RequeuesDeadLetters,
    SendsWhatIsNotPersistent,
    SendsWhenPolled,
    SharesAmongGroups,
    StallsBehindASlowReceiver,
    SwapsNeighbours,
    TakesOnAfterTheStreamIsDropped,
}

/// The transport with the bug.
#[derive(Debug)]
pub(crate) struct Planted {
    inner: Arc<dyn Transport>,
    bug: Bug,
    traffic: Arc<Traffic>,
    sent: AtomicUsize,
    own: Arc<Mutex<Vec<EventId>>>,
    swapped: Mutex<Option<Message>>,
    received: Mutex<Vec<Lane>>,
    /// The link as it was at first.
    first: Link,
}

/// What all transports of one world have sent and taken, lane by lane.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    sent: [AtomicUsize; 3],
    taken: [AtomicUsize; 3],
    history: Mutex<Vec<Message>>,
}

impl Traffic {
    fn backlog(&self, lane: Lane) -> usize {
        let taken = self.taken[lane as usize].load(Ordering::SeqCst);
        let sent = self.sent[lane as usize].load(Ordering::SeqCst);
        sent.saturating_sub(taken)
    }

    fn backlog_beside(&self, lane: Lane) -> usize {
        let others = Lane::ALL.into_iter().filter(|other| *other != lane);
        others.map(|other| self.backlog(other)).sum()
    }
}

impl Transport for Planted {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn send(&self, message: Message) -> BoxFuture<Result<Outcome, Error>> {
        self.send_wrongly(message)
    }

    fn receive(&self, lane: Lane, interest: Vec<Pattern>) -> Result<BoxStream<Arrival>, Error> {
        self.receive_wrongly(lane, interest)
    }

    fn link(&self) -> Link {
        self.inner.link()
    }

    fn links(&self) -> BoxStream<Link> {
        let stuck = match self.bug {
            Bug::LinkIsAlwaysUp => true,
            Bug::ConnectsOnlyAtStart => !self.first.is_up(),
            _ => false,
        };
        if stuck {
            return Box::pin(stream::iter([self.first.clone()]).chain(stream::pending()));
        }
        self.inner.links()
    }

    fn close(&self, deadline: Duration) -> BoxFuture<Closed> {
        match self.bug {
            Bug::CloseDoesNothing => Box::pin(ready(Closed::default())),
            Bug::CloseWaitsForSettlements if self.traffic.backlog(Lane::Event) > 0 => {
                Box::pin(pending())
            }
            Bug::CloseWaitsForTheBroker if !self.link().is_up() => Box::pin(pending()),
            _ => self.inner.close(deadline),
        }
    }
}

/// A world in which every transport has the bug.
pub(crate) struct Faulty {
    pub(crate) memories: Memories,
    pub(crate) bug: Bug,
    traffic: Arc<Traffic>,
}

impl Faulty {
    fn plant(&self, inner: Arc<dyn Transport>) -> Arc<dyn Transport> {
        if self.bug == Bug::LeaksItself {
            std::mem::forget(inner.clone());
        }
        Arc::new(Planted {
            first: inner.link(),
            inner,
            bug: self.bug,
            traffic: self.traffic.clone(),
            sent: AtomicUsize::new(0),
            own: Arc::default(),
            swapped: Mutex::default(),
            received: Mutex::default(),
        })
    }

    pub(crate) fn new(bug: Bug, deadline: Duration) -> Self {
        Self {
            memories: Memories {
                deadline,
                ..Memories::new()
            },
            bug,
            traffic: Arc::default(),
        }
    }
}

impl World for Faulty {
    fn connect(&self, name: &str) -> Arc<dyn Transport> {
        let name = match self.bug {
            Bug::SharesAmongGroups => "everyone".to_owned(),
            Bug::GivesEachMemberACopy => format!("{name} {}", EventId::new()),
            _ => name.to_owned(),
        };
        self.plant(self.memories.connect(&name))
    }

    fn connect_one_at_a_time(&self, name: &str) -> Option<Arc<dyn Transport>> {
        if self.bug == Bug::IgnoresTheLimit {
            return Some(self.connect(name));
        }
        let inner = self.memories.connect_one_at_a_time(name)?;
        Some(self.plant(inner))
    }

    fn form(&self) -> Form {
        self.memories.form()
    }

    fn outage(&self) -> Option<Arc<dyn Outage>> {
        self.memories.outage()
    }

    fn dead_letters(&self, name: &str) -> Option<BoxFuture<usize>> {
        self.memories.dead_letters(name)
    }

    fn everything_applies(&self) -> bool {
        self.memories.everything_applies()
    }

    fn deadline(&self) -> Duration {
        self.memories.deadline()
    }

    fn outage_deadline(&self) -> Duration {
        self.memories.outage_deadline()
    }
}
