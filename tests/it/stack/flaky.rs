use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use algedonic::{
    Bus, Error, ErrorKind, EventId, Key, Link, LinkState, Mirror, Pattern,
    transport::{
        Arrival, BoxFuture, BoxStream, Capabilities, Closed, Lane, Message, Outcome, Transport,
    },
};
use futures_util::stream;
use tokio::{sync::watch, time::sleep};

use crate::events::Tick;

/// What becomes of one message.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fate {
    /// It arrives, and that is said after this time.
    Confirm(Duration),
    /// It does not leave, and that is said after this time.
    Refuse(Duration),
    /// It is not said whether it arrived.
    Doubt { arrives: bool, after: Duration },
}

pub(super) const CONFIRM: Fate = Fate::Confirm(Duration::ZERO);
pub(super) const REFUSE: Fate = Fate::Refuse(Duration::ZERO);
pub(super) const LOSE: Fate = Fate::Doubt {
    arrives: false,
    after: Duration::ZERO,
};

/// A transport that does with each message what it is told to. Its link is up until it is told otherwise.
#[derive(Clone, Debug)]
pub(super) struct Flaky {
    state: Arc<Mutex<State>>,
    link: Arc<watch::Sender<Link>>,
}

#[derive(Debug)]
struct State {
    /// Of the next events, one after another; then the last of them for ever.
    fates: VecDeque<Fate>,
    /// Of all signals.
    signals: Fate,
    calls: u64,
    arrived: Vec<(Key, EventId)>,
    signalled: u64,
}

impl Flaky {
    pub(super) fn new(fates: impl IntoIterator<Item = Fate>) -> Self {
        let mut link = Link::new();
        (link.state, link.connects) = (LinkState::Up, 1);
        Self {
            state: Arc::new(Mutex::new(State {
                fates: fates.into_iter().collect(),
                signals: CONFIRM,
                calls: 0,
                arrived: Vec::new(),
                signalled: 0,
            })),
            link: Arc::new(watch::Sender::new(link)),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on this becomes of every event.
    pub(super) fn then(&self, fate: Fate) {
        self.state().fates = [fate].into();
    }

    /// From now on this becomes of every signal.
    pub(super) fn signals(&self, fate: Fate) {
        self.state().signals = fate;
    }

    /// How often an event was sent.
    pub(super) fn calls(&self) -> u64 {
        self.state().calls
    }

    /// How often a signal was sent.
    pub(super) fn signalled(&self) -> u64 {
        self.state().signalled
    }

    /// The events that have arrived, in that order; some twice.
    pub(super) fn arrived(&self) -> Vec<(Key, EventId)> {
        self.state().arrived.clone()
    }

    pub(super) fn change_link(&self, change: impl FnOnce(&mut Link)) {
        self.link.send_modify(change);
    }

    pub(super) fn goes_down(&self) {
        self.change_link(|link| link.state = LinkState::Down);
    }

    pub(super) fn comes_up(&self) {
        self.change_link(|link| {
            link.state = LinkState::Up;
            link.connects += 1;
        });
    }

    /// A bus that sends ticks through it.
    pub(super) fn bus(&self, mirror: impl FnOnce(Mirror) -> Mirror) -> Bus {
        let mirror = mirror(Mirror::new(self.clone()).outbound::<Tick>());
        Bus::builder().mirror(mirror).build().expect("good")
    }
}

impl Transport for Flaky {
    fn name(&self) -> &'static str {
        "flaky"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::new(1 << 20, 64)
    }

    fn send(&self, message: Message) -> BoxFuture<Result<Outcome, Error>> {
        let mut state = self.state();
        let fate = if message.lane == Lane::Signal {
            state.signalled += 1;
            state.signals
        } else {
            state.calls += 1;
            let fate = match state.fates.len() {
                0 | 1 => state.fates.front().copied(),
                _ => state.fates.pop_front(),
            };
            let fate = fate.unwrap_or(CONFIRM);
            if let Fate::Confirm(_) | Fate::Doubt { arrives: true, .. } = fate {
                let Message { metadata, .. } = message;
                state.arrived.push((metadata.key, metadata.id));
            }
            fate
        };
        Box::pin(async move {
            let (after, outcome) = match fate {
                Fate::Confirm(after) => (after, Ok(Outcome::Confirmed)),
                Fate::Refuse(after) => {
                    let error = Error::transient(ErrorKind::Unavailable, "send");
                    (after, Err(error))
                }
                Fate::Doubt { after, .. } => (after, Ok(Outcome::unknown("nobody said"))),
            };
            if !after.is_zero() {
                sleep(after).await;
            }
            outcome
        })
    }

    fn receive(&self, _: Lane, _: Vec<Pattern>) -> Result<BoxStream<Arrival>, Error> {
        Ok(Box::pin(stream::pending()))
    }

    fn link(&self) -> Link {
        self.link.borrow().clone()
    }

    fn links(&self) -> BoxStream<Link> {
        let mut link = self.link.subscribe();
        link.mark_changed();
        Box::pin(stream::unfold(link, |mut link| async move {
            link.changed().await.ok()?;
            let now = link.borrow_and_update().clone();
            Some((now, link))
        }))
    }

    fn close(&self, _: Duration) -> BoxFuture<Closed> {
        Box::pin(async { Closed::default() })
    }
}
