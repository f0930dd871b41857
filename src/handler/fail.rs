use std::{error::Error as StdError, fmt, time::Duration};

use tower::BoxError;

use super::fate::{Fate, judge};

/// Why a handler could not handle an event, and what is to become of it.
///
/// Any error converts into one, so `?` works in a handler that returns `Result<(), Fail>`. Its
/// verdict is then found in it and its sources: an [`Error`](crate::Error) of this crate that is
/// [`Permanent`](crate::Verdict::Permanent) makes the event a dead letter at once; any other error is
/// retried as far as the handler's [`Retry`](crate::Retry) allows. To decide otherwise, say so:
///
/// ```
/// # use std::time::Duration;
/// # use algedonic::Fail;
/// fn charge(amount: &str) -> Result<(), Fail> {
///     let amount: u32 = amount.parse().map_err(Fail::dead_letter)?; // will never parse
///     if amount > 100 {
///         return Err(Fail::retry_after(Duration::from_secs(30), "the till is closed"));
///     }
///     Ok(())
/// }
/// ```
///
/// It is no [`std::error::Error`] itself: that is what lets every error convert into it.
pub struct Fail {
    /// None if the error speaks for itself.
    stated: Option<Fate>,
    error: BoxError,
}

/// The longest reason that is kept, in bytes: dead letters are bounded.
const MAX_REASON: usize = 2048;

impl Fail {
    /// Tries the event again, if the handler's [`Retry`](crate::Retry) allows another attempt.
    pub fn retry(error: impl Into<BoxError>) -> Self {
        Self::stated(Fate::Retry(Duration::ZERO), error)
    }

    /// As [`retry`](Self::retry), and not before `delay` has passed, even where the policy's
    /// longest delay is shorter.
    pub fn retry_after(delay: Duration, error: impl Into<BoxError>) -> Self {
        Self::stated(Fate::Retry(delay), error)
    }

    /// Makes the event a dead letter at once: trying again cannot help.
    pub fn dead_letter(error: impl Into<BoxError>) -> Self {
        Self::stated(Fate::DeadLetter, error)
    }

    /// The error underneath.
    pub fn error(&self) -> &(dyn StdError + Send + Sync + 'static) {
        &*self.error
    }

    fn stated(fate: Fate, error: impl Into<BoxError>) -> Self {
        let stated = Some(fate);
        let error = error.into();
        Self { stated, error }
    }

    pub(super) fn fate(&self) -> Fate {
        self.stated.unwrap_or_else(|| judge(&*self.error))
    }

    /// The error with its sources, in one line of bounded length.
    pub(super) fn reason(&self) -> String {
        let mut reason = self.error.to_string();
        let mut source = self.error.source();
        while let Some(error) = source {
            // The carrier shows its error already.
            if !error.is::<Carried>() && reason.len() <= MAX_REASON {
                reason = format!("{reason}: {error}");
            }
            source = error.source();
        }
        bounded(reason)
    }

    /// An error that layers can pass on; converted back, it is the same `Fail`.
    pub(super) fn carried(self) -> BoxError {
        match self.stated {
            None => self.error,
            Some(_) => Box::new(Carried(self)),
        }
    }
}

/// Cuts a text to the longest that is kept.
pub(super) fn bounded(mut reason: String) -> String {
    let mut end = MAX_REASON.min(reason.len());
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    reason.truncate(end);
    reason
}

impl<E: Into<BoxError>> From<E> for Fail {
    fn from(error: E) -> Self {
        match error.into().downcast::<Carried>() {
            Ok(carried) => carried.0,
            Err(error) => Self {
                stated: None,
                error,
            },
        }
    }
}

/// A `Fail` on its way through layers.
pub(super) struct Carried(pub(super) Fail);

impl StdError for Carried {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.error.source()
    }
}

impl fmt::Display for Carried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.error.fmt(f)
    }
}

impl fmt::Debug for Carried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Fail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl fmt::Debug for Fail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fail")
            .field("fate", &self.fate())
            .field("error", &self.error)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use crate::{Error, ErrorKind};

    const AT_ONCE: Fate = Fate::Retry(Duration::ZERO);

    #[test]
    fn an_error_has_its_verdict_from_itself_or_its_sources() {
        let permanent = Error::permanent(ErrorKind::Denied, "pay");
        let transient = Error::transient(ErrorKind::Busy, "pay").with_source(permanent.clone());
        assert_eq!(Fail::from(permanent.clone()).fate(), Fate::DeadLetter);
        assert_eq!(Fail::from(transient).fate(), AT_ONCE, "the outermost");
        assert_eq!(Fail::from(io::Error::other("no")).fate(), AT_ONCE);
        let within = io::Error::other(io::Error::other(permanent));
        assert_eq!(Fail::from(within).fate(), Fate::DeadLetter);
        assert_eq!(Fail::from("a text").fate(), AT_ONCE);
    }

    #[test]
    fn what_was_stated_outlives_the_layers() {
        let second = Duration::from_secs(1);
        let carried = Fail::retry_after(second, "later").carried();
        assert_eq!(Fail::from(carried).fate(), Fate::Retry(second));
        let carried = io::Error::other(Fail::dead_letter("never").carried());
        let fail = Fail::from(carried);
        assert_eq!(fail.fate(), Fate::DeadLetter);
        assert_eq!(fail.reason(), "never");
    }

    #[test]
    fn a_reason_is_bounded() {
        let fail = Fail::from("ä".repeat(MAX_REASON));
        assert_eq!(fail.reason().len(), MAX_REASON);
    }
}
