//! What went wrong: the one question that every layer asks of an error.

mod foreign;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Verdict;

/// Whose doing an error is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Kind {
    /// The caller went away, or the service was closed by its owner.
    Cancelled,
    /// The dependency failed, or was not reached.
    Dependency,
    /// The call itself is at fault: malformed, too large, not supported. The dependency may be well.
    Invalid,
    /// A layer of this process refused the call; the dependency was not asked.
    LocalRejection,
    /// There was no answer in time; what was asked for may have happened.
    Timeout,
}

/// What an error means to a layer: whose doing it is, whether trying again can help, and when.
///
/// ```
/// # use std::time::Duration;
/// use algedonic::{Verdict, resilience::{Class, Kind}};
///
/// let busy = Class::of(Kind::Dependency).with_retry_after(Duration::from_secs(2));
/// assert_eq!(busy.verdict(), Verdict::Transient);
/// assert_eq!(Class::of(Kind::Invalid).verdict(), Verdict::Permanent);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Class {
    kind: Kind,
    verdict: Verdict,
    retry_after: Option<Duration>,
}

impl Class {
    /// An error of this kind. Trying again may help, unless the call was invalid or cancelled.
    pub const fn of(kind: Kind) -> Self {
        let verdict = match kind {
            Kind::Cancelled | Kind::Invalid => Verdict::Permanent,
            Kind::Dependency | Kind::LocalRejection | Kind::Timeout => Verdict::Transient,
        };
        Self {
            kind,
            verdict,
            retry_after: None,
        }
    }

    /// The same with another verdict.
    pub const fn with_verdict(mut self, verdict: Verdict) -> Self {
        self.verdict = verdict;
        self
    }

    /// The same, but not before this time has passed.
    pub const fn with_retry_after(mut self, least: Duration) -> Self {
        self.retry_after = Some(least);
        self
    }

    /// Whose doing it is.
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// Whether trying again, unchanged, can help.
    pub const fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// How long to wait at least before trying again, if anybody said so.
    pub const fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }
}

/// An error that says what it means to a layer.
///
/// Implemented by the errors of every layer, which pass on what the error inside of them says; by
/// [`algedonic::Error`](crate::Error), [`std::io::Error`], and by boxed errors, which look for one of these
/// among their sources. What nothing is known of is the dependency's doing. For an error of
/// another library give the layer a classifier of its own.
///
/// ```
/// use algedonic::resilience::{Class, Classify, Kind};
///
/// enum Refused { NotFound, Overloaded }
///
/// impl Classify for Refused {
///     fn class(&self) -> Class {
///         Class::of(match self {
///             Self::NotFound => Kind::Invalid,
///             Self::Overloaded => Kind::Dependency,
///         })
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "nothing says whether `{Self}` is the dependency's doing",
    label = "does not implement `Classify`",
    note = "give the layer a classifier of its own (`classify`, or `every_error` where all errors count), or implement \
            `algedonic::resilience::Classify` if the type is yours"
)]
pub trait Classify {
    /// What the error means to a layer.
    fn class(&self) -> Class;
}
