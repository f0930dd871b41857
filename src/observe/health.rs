use std::fmt;

use algedonic_transport::{Link, LinkState};

use crate::{
    resilience::{
        breaker::State,
        registry::{self, HealthReport},
    },
    spool::SpoolStatus,
};

/// How a bus is; from [`Bus::health`](crate::Bus::health).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Health {
    /// The whole in one word.
    pub status: Status,
    /// The mirror, if there is one.
    pub mirror: Option<MirrorHealth>,
    /// Breakers and bulkheads, if the bus [includes](crate::Bus::include_health_of) a registry of them.
    pub resilience: Option<HealthReport>,
}

/// A state of health.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Status {
    /// All works.
    Healthy,
    /// Local delivery works; the mirror does not, or a breaker or a bulkhead refuses calls.
    Degraded,
    /// Local delivery works; what the application cannot do without does not: a critical breaker is open, or more
    /// than half of all.
    Unhealthy,
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
    /// What waits on the disk, if there is a [spool](crate::Mirror::spool).
    pub spool: Option<SpoolStatus>,
}

impl Health {
    pub(crate) fn new(
        closed: bool,
        mirror: Option<MirrorHealth>,
        resilience: Option<HealthReport>,
    ) -> Self {
        let mirror_works = mirror.as_ref().is_none_or(MirrorHealth::works);
        let bus = if closed {
            Status::Closed
        } else if mirror_works {
            Status::Healthy
        } else {
            Status::Degraded
        };
        let around = resilience.as_ref().map(|report| report.overall.into());
        Self {
            status: around.map_or(bus, |around| bus.max(around)),
            mirror,
            resilience,
        }
    }
}

impl MirrorHealth {
    fn works(&self) -> bool {
        let spool_works = |spool: &SpoolStatus| spool.error.is_none();
        self.running
            && self.spool.as_ref().is_none_or(spool_works)
            && self.link.state == LinkState::Up
            && self.breaker.is_none_or(lets_through)
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
            None => f.write_str(", no mirror")?,
            Some(mirror) if mirror.running || self.status == Status::Closed => {
                write!(f, ", mirror over {}: {}", mirror.transport, mirror.link)?;
                if let Some(state) = mirror.breaker.filter(|state| !lets_through(*state)) {
                    write!(f, ", its breaker is {state}")?;
                }
                if let Some(spool) = &mirror.spool {
                    write!(f, ", {} on the disk", spool.records())?;
                    if let Some(error) = &spool.error {
                        write!(f, ", which fails: {error}")?;
                    }
                }
            }
            Some(mirror) => write!(
                f,
                ", mirror over {}: its tasks have ended, with their runtime",
                mirror.transport
            )?,
        }
        match &self.resilience {
            None => Ok(()),
            Some(report) => write!(f, ", resilience {report}"),
        }
    }
}

impl From<registry::Health> for Status {
    fn from(health: registry::Health) -> Self {
        match health {
            registry::Health::Healthy => Self::Healthy,
            registry::Health::Degraded => Self::Degraded,
            registry::Health::Unhealthy => Self::Unhealthy,
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Unhealthy => "unhealthy",
            Self::Closed => "closed",
        })
    }
}
