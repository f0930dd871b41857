//! Algedonic signals: pain and pleasure, which pass every level of a system unfiltered
//! (Stafford Beer, *Brain of the Firm*).
//!
//! | question | room |
//! |---|---|
//! | how does a signal get to its subscribers here, whatever events do? | `lane`, `channel`, `subscriber`, `receiver` |
//! | which function takes it? | `handler` |
//! | what hurts when a component trips, or the spool has something to tell? | `alarm` |
//! | what hurts when the bus itself is not well for long? | `vitals` |
//! | what becomes of a pain to which nobody reacts? | `escalation` |
//!
//! How it gets to other processes, and to the disk, is in `mirror`.

mod alarm;
mod channel;
mod escalation;
mod handler;
mod lane;
mod level;
mod receiver;
mod subscriber;
mod vitals;

use algedonic_transport::Key;
use serde::{Deserialize, Serialize};

pub use self::{
    alarm::{AlarmObserver, Alarms},
    escalation::{Chain, ChainCounts, Escalation, Pain, SeatSubscription},
    handler::{SignalHandler, SignalHandlerBuilder},
    level::{Feeling, Level},
    receiver::SignalSubscription,
    vitals::Vitals,
};
pub(crate) use self::{
    alarm::{Notices, SpoolAlarms},
    channel::Reached,
    escalation::Desk,
    lane::Signals,
    receiver::Receiver,
    vitals::{Signs, Watch},
};

/// Pain or pleasure: the message that must arrive when everything else fails.
///
/// ```
/// use algedonic::{Level, Signal};
///
/// let signal = Signal::pain(Level::Critical, "response_time")
///     .source("s1.web")
///     .measured(5000.0, 1000.0)
///     .message("response time critically high");
/// assert_eq!(signal.key().as_str(), "algedonic.pain.critical");
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Signal {
    /// Pain or pleasure.
    pub feeling: Feeling,
    /// How much.
    pub level: Level,
    /// Who feels it; empty means the bus's own source, which [`Bus::signal`](crate::Bus::signal) fills in.
    #[serde(default)]
    pub source: String,
    /// What was measured.
    pub metric: String,
    /// The measurement, in the metric's own unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    /// The bound it passed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f64>,
    /// A sentence for people.
    #[serde(default)]
    pub message: String,
    /// How often a [chain](crate::Escalation) has raised it again, because nobody reacted; 0 at first. Its
    /// [causation](crate::Metadata::causation) is then the first.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub step: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
const fn is_zero(step: &u32) -> bool {
    *step == 0
}

impl Signal {
    /// The name under which signals travel.
    pub const NAME: &'static str = "algedonic.signal";

    /// It hurts.
    pub fn pain(level: Level, metric: impl Into<String>) -> Self {
        Self::new(Feeling::Pain, level, metric.into())
    }

    /// It is well, or well again.
    pub fn pleasure(level: Level, metric: impl Into<String>) -> Self {
        Self::new(Feeling::Pleasure, level, metric.into())
    }

    fn new(feeling: Feeling, level: Level, metric: String) -> Self {
        Self {
            feeling,
            level,
            source: String::new(),
            metric,
            value: None,
            threshold: None,
            message: String::new(),
            step: 0,
        }
    }

    /// Says who feels it.
    pub fn source(mut self, source: impl Into<String>) -> Self {
        self.source = source.into();
        self
    }

    /// Says what was measured, and the bound it passed, both in the metric's own unit.
    pub fn measured(mut self, value: f64, threshold: f64) -> Self {
        self.value = Some(value);
        self.threshold = Some(threshold);
        self
    }

    /// Says it in a sentence for people.
    pub fn message(mut self, message: impl Into<String>) -> Self {
        self.message = message.into();
        self
    }

    /// The routing key: `algedonic.pain.critical` and its kin.
    pub const fn key(&self) -> Key {
        use Feeling::{Pain, Pleasure};
        use Level::{Critical, High, Low, Medium};
        Key::from_static(match (self.feeling, self.level) {
            (Pain, Critical) => "algedonic.pain.critical",
            (Pain, High) => "algedonic.pain.high",
            (Pain, Medium) => "algedonic.pain.medium",
            (Pain, Low) => "algedonic.pain.low",
            (Pleasure, Critical) => "algedonic.pleasure.critical",
            (Pleasure, High) => "algedonic.pleasure.high",
            (Pleasure, Medium) => "algedonic.pleasure.medium",
            (Pleasure, Low) => "algedonic.pleasure.low",
        })
    }
}
