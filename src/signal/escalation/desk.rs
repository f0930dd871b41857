//! Who keeps the pains, and sees to it that their time is kept?

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use algedonic_transport::{BusId, Error, ErrorKind, EventId};
use futures_util::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until},
};
use tracing::error;

use super::{
    Escalation, Pain, SeatSubscription,
    chain::{Act, Open, takes},
};
use crate::{
    Feeling, Signal, SignalSubscription,
    event::{Cause, Envelope},
};

/// The chain of those who react to pain, at work; made by [`Bus::escalate`](crate::Bus::escalate). Cheap to clone.
#[derive(Clone)]
pub struct Chain(Arc<Shared>);

pub(super) struct Shared {
    state: Mutex<State>,
    escalation: Escalation,
}

struct State {
    open: Open<Cause>,
    counts: ChainCounts,
    /// By the number of the seat: who sits there.
    seats: Vec<Vec<mpsc::Sender<Pain>>>,
    is_over: bool,
}

/// What a chain has counted. Each pain that was opened is in exactly one of the others, or open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChainCounts {
    /// Pains that came to the first seat; one that is raised again while it is open is the same.
    pub opened: u64,
    /// Those that somebody took.
    pub acknowledged: u64,
    /// Those that a pleasure of the same source and metric has ended.
    pub relieved: u64,
    /// Those to which nobody has reacted, up to the last seat, or that had to make room. Each is an error in the log.
    pub unanswered: u64,
    /// Those that nobody has reacted to yet.
    pub open: u64,
    /// How often one was raised again for a higher seat.
    pub raised: u64,
}

impl Chain {
    pub(crate) fn new(escalation: Escalation) -> Self {
        let seats = &escalation.seats;
        let patience = seats.iter().map(|(_, patience)| *patience).collect();
        Self(Arc::new(Shared {
            state: Mutex::new(State {
                seats: seats.iter().map(|_| Vec::new()).collect(),
                open: Open::new(patience, escalation.capacity),
                counts: ChainCounts::default(),
                is_over: false,
            }),
            escalation,
        }))
    }

    /// The pains that come to this seat from now on. Several may sit there: each hears of all, and one is enough to
    /// acknowledge.
    ///
    /// # Errors
    ///
    /// `Misconfigured`: there is no such seat.
    pub fn seat(&self, name: &str) -> Result<SeatSubscription, Error> {
        let mut seats = self.0.escalation.seats.iter();
        let Some(number) = seats.position(|(seat, _)| **seat == *name) else {
            return Err(Error::permanent(ErrorKind::Misconfigured, "take a seat")
                .with_detail(format!("there is no seat {name}")));
        };
        let (sender, pains) = mpsc::channel(self.0.escalation.capacity);
        let mut state = self.0.lock();
        if !state.is_over {
            state.seats[number].push(sender);
        }
        Ok(SeatSubscription { pains })
    }

    /// Takes the pain that was raised under this id, by whoever: it goes no higher. False if it is not open.
    ///
    /// Who has heard it in another process has the id, that of its [metadata](crate::Metadata::id), and not the chain:
    /// publish an event of your own with the id from there, and have a handler here that calls this.
    pub fn acknowledge(&self, id: EventId) -> bool {
        self.0.acknowledge(id)
    }

    /// What it has counted.
    pub fn counts(&self) -> ChainCounts {
        let state = self.0.lock();
        ChainCounts {
            open: state.open.len() as u64,
            ..state.counts
        }
    }
}

impl Shared {
    pub(super) fn acknowledge(&self, id: EventId) -> bool {
        let mut state = self.lock();
        let was_open = state.open.acknowledge(id);
        state.counts.acknowledged += u64::from(was_open);
        was_open
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(self: &Arc<Self>, signal: &Envelope<Signal>) {
        let mut state = self.lock();
        if signal.feeling == Feeling::Pleasure {
            let relieved = state.open.pleasure(signal);
            state.counts.relieved += u64::from(relieved);
            return;
        }
        if !takes(signal, self.escalation.from) {
            return;
        }
        let cause = signal.cause();
        let (is_new, gone) = state.open.pain(signal.id(), signal, cause, Instant::now());
        if is_new {
            state.counts.opened += 1;
            self.bring(&mut state, 0, signal);
        }
        drop(state);
        if let Some(Act::Unanswered(signal)) = gone {
            self.unanswered(&signal, "too many pains are open");
        }
    }

    /// With no lock held: who writes the log may want to know what was counted.
    fn unanswered(&self, signal: &Signal, why: &'static str) {
        self.lock().counts.unanswered += 1;
        error!(source = %signal.source, metric = %signal.metric, level = %signal.level, why, "nobody has answered a pain");
    }

    /// Puts it before those who sit there.
    fn bring(self: &Arc<Self>, state: &mut State, seat: usize, signal: &Envelope<Signal>) {
        let pain = Pain {
            signal: signal.clone(),
            desk: Arc::downgrade(self),
        };
        // One that does not read has enough of them.
        state.seats[seat].retain(|holder| {
            !matches!(
                holder.try_send(pain.clone()),
                Err(mpsc::error::TrySendError::Closed(_))
            )
        });
    }
}

/// Raises a signal with this cause: it is on its way, and the future delivers it here. None when the bus has ended.
pub(crate) type Raise =
    Box<dyn Fn(Signal, Cause) -> Option<(Envelope<Signal>, BoxFuture<'static, ()>)> + Send>;

/// The task of a chain.
pub(crate) struct Desk {
    shared: Arc<Shared>,
    signals: SignalSubscription,
    /// The bus.
    origin: BusId,
    raise: Raise,
}

impl Desk {
    pub(crate) fn new(
        chain: &Chain,
        signals: SignalSubscription,
        origin: BusId,
        raise: Raise,
    ) -> Self {
        Self {
            shared: Arc::clone(&chain.0),
            signals,
            origin,
            raise,
        }
    }

    /// Runs until the bus ends.
    pub(crate) async fn run(mut self) {
        let _over = Over(Arc::clone(&self.shared));
        // Delivered beside: a subscriber that is full holds up no time.
        let mut delivering = FuturesUnordered::new();
        loop {
            if !self.raise_due(&mut delivering) {
                return;
            }
            let next = self.shared.lock().open.next();
            let due = async {
                match next {
                    Some(next) => sleep_until(next).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                signal = self.signals.recv() => match signal {
                    None => return,
                    Some(Ok(signal)) => self.note(&signal),
                    // Nobody else can know of it either.
                    Some(Err(_)) => {}
                },
                Some(()) = delivering.next() => {}
                () = due => {}
            }
        }
    }

    fn note(&self, signal: &Envelope<Signal>) {
        let is_ours = signal.metadata().origin == Some(self.origin);
        if is_ours || !self.shared.escalation.own_only {
            self.shared.note(signal);
        }
    }

    /// False when the bus has ended.
    fn raise_due(&self, delivering: &mut FuturesUnordered<BoxFuture<'static, ()>>) -> bool {
        loop {
            let due = self.shared.lock().open.due(Instant::now());
            let Some((cause, act)) = due else {
                return true;
            };
            match act {
                Act::Unanswered(signal) => {
                    self.shared.unanswered(&signal, "it was at the last seat");
                }
                Act::Raise(signal, seat) => {
                    let Some((envelope, delivery)) = (self.raise)(signal, cause) else {
                        return false;
                    };
                    let mut state = self.shared.lock();
                    state.counts.raised += 1;
                    // Unless it was settled meanwhile.
                    if state.open.raised(envelope.id(), &envelope) {
                        self.shared.bring(&mut state, seat, &envelope);
                    }
                    delivering.push(delivery);
                }
            }
        }
    }
}

/// Whoever sits in the chain learns that nothing comes any more.
struct Over(Arc<Shared>);

impl Drop for Over {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.is_over = true;
        state.seats.iter_mut().for_each(Vec::clear);
    }
}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chain")
            .field("escalation", &self.0.escalation)
            .field("counts", &self.counts())
            .finish()
    }
}
