//! Which messages are kept on the disk, and when?

use std::{collections::HashSet, fmt, sync::Arc, time::Duration};

use algedonic_transport::{Error, ErrorKind, Key, Lane, Message, Transport};
use tokio::sync::mpsc;

use super::{
    line::Line,
    replay::{Flight, Replay},
    ticket::Ticket,
};
use crate::{
    observe::{Ledger, LocalOnly, Remote},
    signal::Level,
    spool::Spool,
};

/// Keeps the messages of one lane.
pub(in crate::mirror) struct Keeper {
    spool: Arc<dyn Spool>,
    transport: Arc<dyn Transport>,
    /// The largest body that can be sent, in bytes.
    max_body: usize,
    keeps: Keeps,
    /// For events one; for signals one for each level, the most severe first: what waits of one level does not hold
    /// another.
    ways: Vec<Way>,
}

/// Messages that are in one order.
#[derive(Clone)]
pub(super) struct Way {
    pub(super) line: Arc<Line>,
    pub(super) flights: mpsc::UnboundedSender<Flight>,
}

/// What is kept.
#[derive(Clone, Debug)]
pub(in crate::mirror) enum Keeps {
    /// All signals, and each that is not confirmed within this time.
    Signals(Duration),
    /// Events of these names.
    Events(Arc<HashSet<Key>>),
}

impl Keeps {
    pub(in crate::mirror) const fn lane(&self) -> Lane {
        match self {
            Self::Signals(_) => Lane::Signal,
            Self::Events(_) => Lane::Event,
        }
    }

    /// Whether a message with this outcome has to be sent again.
    pub(super) fn keeps(&self, remote: &Remote) -> bool {
        match remote {
            Remote::Confirmed | Remote::Spooled | Remote::LocalOnly(LocalOnly::Refused(_)) => false,
            Remote::LocalOnly(_) | Remote::Unknown { .. } => true,
            // An answer, and for an event the last one; a signal asks again.
            Remote::Unroutable | Remote::Rejected { .. } => matches!(self, Self::Signals(_)),
        }
    }

    /// How long it may take to learn that it is not to be kept.
    pub(super) const fn patience(&self) -> Option<Duration> {
        match self {
            Self::Signals(patience) => Some(*patience),
            Self::Events(_) => None,
        }
    }
}

impl Keeper {
    /// With what sends, later, what it keeps.
    pub(in crate::mirror) fn new(
        spool: &Arc<dyn Spool>,
        keeps: Keeps,
        transport: &Arc<dyn Transport>,
        ledger: &Arc<Ledger>,
    ) -> (Self, Vec<Replay>) {
        let lane = keeps.lane();
        let levels = match &keeps {
            Keeps::Signals(_) => Level::DESCENDING.map(Some).to_vec(),
            Keeps::Events(_) => vec![None],
        };
        let is_closed = spool.status().lane(lane).records > 0;
        let share = levels.len();
        let (ways, replays) = levels
            .into_iter()
            .map(|level| {
                let order = Line::new(is_closed);
                let (flights, landing) = mpsc::unbounded_channel();
                let window = transport.capabilities();
                let replay = Replay {
                    spool: Arc::clone(spool),
                    transport: Arc::clone(transport),
                    lane,
                    level,
                    line: Arc::clone(&order),
                    flights: landing,
                    // Half of it is for what comes from elsewhere.
                    window: (window.window / 2 / share).clamp(1, 256),
                    window_bytes: window.window_bytes / 2 / share,
                    ledger: Arc::clone(ledger),
                    hopeless: HashSet::new(),
                };
                (
                    Way {
                        line: order,
                        flights,
                    },
                    replay,
                )
            })
            .unzip();
        let keeper = Self {
            spool: Arc::clone(spool),
            transport: Arc::clone(transport),
            max_body: transport.capabilities().max_body_bytes,
            keeps,
            ways,
        };
        (keeper, replays)
    }

    /// Whether a message can be sent at all: what cannot be would lie on the disk for ever.
    ///
    /// # Errors
    ///
    /// `TooLarge`.
    pub(in crate::mirror) fn check(&self, message: &Message) -> Result<(), Error> {
        let (size, most) = (message.body.len(), self.max_body);
        if size <= most {
            return Ok(());
        }
        Err(
            Error::permanent(ErrorKind::TooLarge, "send a message").with_detail(format!(
                "its body has {size} bytes, and {} takes {most} at most",
                self.transport.name()
            )),
        )
    }

    /// Its place in the order, taken now; None if it is not one to be kept.
    pub(in crate::mirror) fn admit(&self, message: &Message) -> Option<Ticket> {
        let metadata = &message.metadata;
        let way = match &self.keeps {
            Keeps::Signals(_) => {
                let level = Level::of_priority(metadata.priority);
                let at = Level::DESCENDING.iter().position(|other| *other == level);
                self.ways.get(at?)
            }
            Keeps::Events(names) => self.ways.first().filter(|_| names.contains(&metadata.name)),
        }?;
        Some(Ticket {
            place: way.line.enter(),
            way: way.clone(),
            spool: Arc::clone(&self.spool),
            transport: Arc::clone(&self.transport),
            keeps: self.keeps.clone(),
            message: message.clone(),
        })
    }
}

impl fmt::Debug for Keeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keeper")
            .field("keeps", &self.keeps)
            .finish_non_exhaustive()
    }
}
