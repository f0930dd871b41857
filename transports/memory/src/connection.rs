use std::{collections::VecDeque, sync::Arc};

use algedonic_transport::{Closed, Error, Lane, Link, LinkState, Outcome};
use tokio::{
    sync::{oneshot, watch},
    time::Instant,
};

/// One transport's connection to the broker, from its making to its close.
pub(crate) struct Connection {
    /// The name under which it receives.
    pub(crate) receiver: Arc<str>,
    /// The lanes that it has begun to receive.
    pub(crate) received: Vec<Lane>,
    /// When its close is over at the latest, once it has begun.
    pub(crate) closing: Option<Instant>,
    link: watch::Sender<Link>,
    end: watch::Sender<Option<Closed>>,
    events: VecDeque<Held>,
    signals: VecDeque<Held>,
    commands: VecDeque<Held>,
    /// Outcomes that the close left unknown.
    unknown: u64,
}

/// A message whose outcome is known to the broker and not yet told.
pub(crate) struct Held {
    pub(crate) outcome: Outcome,
    pub(crate) until: Until,
    /// After this moment the sender takes it for unknown.
    pub(crate) due: Instant,
    pub(crate) tell: Tell,
}

/// How long an outcome is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Until {
    /// Until [`Broker::release_confirms`](crate::Broker::release_confirms).
    Released,
    At(Instant),
    /// It was lost.
    Never,
}

/// The way to whoever awaits an outcome.
pub(crate) type Tell = oneshot::Sender<Outcome>;

impl Connection {
    pub(crate) fn new(receiver: Arc<str>) -> Self {
        Self {
            receiver,
            received: Vec::new(),
            closing: None,
            link: watch::Sender::new(Link::new()),
            end: watch::Sender::new(None),
            events: VecDeque::new(),
            signals: VecDeque::new(),
            commands: VecDeque::new(),
            unknown: 0,
        }
    }

    pub(crate) fn link(&self) -> watch::Receiver<Link> {
        self.link.subscribe()
    }

    pub(crate) fn end(&self) -> watch::Receiver<Option<Closed>> {
        self.end.subscribe()
    }

    pub(crate) fn is_up(&self) -> bool {
        self.link.borrow().is_up()
    }

    /// Whether messages can come: the broker may ask for silence.
    pub(crate) fn is_connected(&self) -> bool {
        matches!(self.link.borrow().state, LinkState::Up | LinkState::Blocked)
    }

    /// The broker is reached; it may ask for silence at once.
    pub(crate) fn comes_up(&self, blocked: Option<Error>) {
        self.link.send_modify(|link| {
            link.connects += 1;
            link.attempts = 0;
            link.state = up_unless(blocked.as_ref());
            link.error = blocked;
        });
    }

    /// The broker is not reached.
    pub(crate) fn goes_down(&self, error: Error) {
        self.link.send_modify(|link| {
            link.attempts += 1;
            link.state = LinkState::Down;
            link.error = Some(error);
        });
    }

    /// The broker is reached, and asks for silence or no longer does.
    pub(crate) fn is_blocked(&self, blocked: Option<Error>) {
        self.link.send_modify(|link| {
            link.state = up_unless(blocked.as_ref());
            link.error = blocked;
        });
    }

    /// Says that it is over, with what is known of the outcomes.
    pub(crate) fn ends(self) {
        self.link.send_modify(|link| {
            link.state = LinkState::Closed;
            link.error = None;
        });
        self.end.send_replace(Some(Closed::new(self.unknown)));
    }

    pub(crate) fn hold(&mut self, lane: Lane, held: Held) {
        self.lane(lane).push_back(held);
    }

    /// How many messages of a lane await their outcome, and whose time is over.
    pub(crate) fn in_flight(&mut self, lane: Lane) -> (usize, Vec<Tell>) {
        let now = Instant::now();
        let lane = self.lane(lane);
        let over = lane.iter().take_while(|held| held.due <= now).count();
        let over = lane.drain(..over).map(|held| held.tell).collect();
        (lane.len(), over)
    }

    /// Those that were held until they are released.
    pub(crate) fn take_released(&mut self) -> Vec<Held> {
        self.take_if(|held| held.until == Until::Released)
    }

    /// Those whose delay is over.
    pub(crate) fn take_ready(&mut self, now: Instant) -> Vec<Held> {
        self.take_if(|held| matches!(held.until, Until::At(at) if at <= now))
    }

    fn take_if(&mut self, chosen: impl Fn(&Held) -> bool) -> Vec<Held> {
        let mut taken = Vec::new();
        for lane in self.lanes_mut() {
            let (chosen, kept) = lane.drain(..).partition(&chosen);
            *lane = kept;
            taken.extend::<VecDeque<_>>(chosen);
        }
        taken
    }

    /// How many await their outcome, and will get one.
    pub(crate) fn held(&self, now: Instant) -> usize {
        let held = self.lanes().into_iter().flatten();
        held.filter(|held| held.due > now).count()
    }

    /// All that await their outcome; none does afterwards.
    pub(crate) fn take_held(&mut self) -> Vec<Held> {
        let lanes = self.lanes_mut().into_iter();
        lanes.flat_map(|lane| lane.drain(..)).collect()
    }

    /// Whether nothing awaits its outcome.
    pub(crate) fn is_idle(&self) -> bool {
        self.lanes().into_iter().all(VecDeque::is_empty)
    }

    /// The moment at which the last outcome that is awaited counts as unknown.
    pub(crate) fn last_due(&self) -> Option<Instant> {
        let last = |lane: &VecDeque<Held>| lane.back().map(|held| held.due);
        self.lanes().into_iter().filter_map(last).max()
    }

    /// Counts outcomes that this connection will never learn.
    pub(crate) fn count_unknown(&mut self, outcomes: usize) {
        if self.closing.is_some() {
            self.unknown += outcomes as u64;
        }
    }

    fn lane(&mut self, lane: Lane) -> &mut VecDeque<Held> {
        match lane {
            Lane::Event => &mut self.events,
            Lane::Signal => &mut self.signals,
            Lane::Command => &mut self.commands,
        }
    }

    fn lanes(&self) -> [&VecDeque<Held>; 3] {
        [&self.events, &self.signals, &self.commands]
    }

    fn lanes_mut(&mut self) -> [&mut VecDeque<Held>; 3] {
        [&mut self.events, &mut self.signals, &mut self.commands]
    }
}

fn up_unless(blocked: Option<&Error>) -> LinkState {
    match blocked {
        Some(_) => LinkState::Blocked,
        None => LinkState::Up,
    }
}
