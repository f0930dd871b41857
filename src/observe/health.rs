use std::fmt;

use algedonic_transport::{Link, LinkState};

use crate::resilience::breaker::State;

/// How a bus is; from [`Bus::health`](crate::Bus::health).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Health {
    /// The whole in one word.
    pub status: Status,
    /// The mirror, if there is one.
    pub mirror: Option<MirrorHealth>,
}

/// A state of health.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Status {
    /// All works.
    Healthy,
    /// Local delivery works; the mirror does not.
    Degraded,
    /// Shut down, as it was asked to be.
    Closed,
}

/// How the mirror is.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct MirrorHealth {
    /// The kind of transport, such as `amqp`.
    pub transport: &'static str,
    /// Whether its tasks run; they end when the tokio runtime ends that the bus was built in.
    pub running: bool,
    /// Its link; says in words what is wrong.
    pub link: Link,
    /// The state of its breaker; none where the user has a stack of their own.
    pub breaker: Option<State>,
    /// Events and signals that wait to be sent.
    pub queued: usize,
    /// Events and signals that were sent and await their outcome.
    pub in_flight: usize,
}

impl Health {
    pub(crate) fn new(closed: bool, mirror: Option<MirrorHealth>) -> Self {
        let mirror_works = mirror.as_ref().is_none_or(MirrorHealth::works);
        let status = match (closed, mirror_works) {
            (true, _) => Status::Closed,
            (false, true) => Status::Healthy,
            (false, false) => Status::Degraded,
        };
        Self { status, mirror }
    }
}

impl MirrorHealth {
    fn works(&self) -> bool {
        self.running && self.link.state == LinkState::Up && self.breaker.is_none_or(lets_through)
    }
}

/// Whether a breaker in this state lets every call through.
fn lets_through(state: State) -> bool {
    matches!(state, State::Closed | State::Disabled)
}

impl fmt::Display for Health {
    /// One line for an operator.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.status)?;
        match &self.mirror {
            None => f.write_str(", no mirror"),
            Some(mirror) if mirror.running || self.status == Status::Closed => {
                write!(f, ", mirror over {}: {}", mirror.transport, mirror.link)?;
                match mirror.breaker.filter(|state| !lets_through(*state)) {
                    Some(state) => write!(f, ", its breaker is {state}"),
                    None => Ok(()),
                }
            }
            Some(mirror) => write!(
                f,
                ", mirror over {}: its tasks have ended, with their runtime",
                mirror.transport
            ),
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Closed => "closed",
        })
    }
}
