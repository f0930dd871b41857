use std::fmt;

use algedonic_transport::Verdict;

/// Why a request got no reply. `E` is the request's [`Error`](crate::Request::Error).
///
/// `Display` is one line; `{:#}` adds the responder's own error.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RequestError<E> {
    /// Nobody answers this type: no responder was there, or the last one left before it began.
    NoResponder,
    /// The deadline passed.
    TimedOut {
        /// Whether a responder may have begun with it; what it did until then is done.
        begun: bool,
    },
    /// The responder answered with its error.
    Failed(E),
    /// A responder had begun, and will not answer.
    Lost(Loss),
    /// The bus is shut down, or gone.
    Closing {
        /// Whether a responder had begun, and was cut off; what it did until then is done.
        begun: bool,
    },
}

/// What became of a responder that had begun and did not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Loss {
    /// It panicked over the request.
    Panicked,
    /// It was dropped, or its runtime ended.
    Gone,
}

impl<E> RequestError<E> {
    /// Whether asking again, unchanged, can help.
    ///
    /// [`Failed`](Self::Failed) is an answer, and `Permanent`: whoever knows better matches on the
    /// error within. So is a panic, which the same request would cause again, and a bus that has
    /// ended. Nobody there, too late, or a responder that left may pass.
    pub fn verdict(&self) -> Verdict {
        match self {
            Self::NoResponder | Self::TimedOut { .. } | Self::Lost(Loss::Gone) => {
                Verdict::Transient
            }
            Self::Failed(_) | Self::Lost(Loss::Panicked) | Self::Closing { .. } => {
                Verdict::Permanent
            }
        }
    }

    /// Whether a responder may have begun. If not, the request has certainly had no effect, and to
    /// ask again repeats nothing.
    pub fn may_have_begun(&self) -> bool {
        match self {
            Self::NoResponder => false,
            Self::TimedOut { begun } | Self::Closing { begun } => *begun,
            Self::Failed(_) | Self::Lost(_) => true,
        }
    }
}

impl<E: fmt::Display> fmt::Display for RequestError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the request failed: ")?;
        match self {
            Self::NoResponder => f.write_str("nobody answers its type"),
            Self::TimedOut { begun: false } => f.write_str("timed out before a responder began"),
            Self::TimedOut { begun: true } => f.write_str("timed out, a responder may have begun"),
            Self::Failed(_) => f.write_str("the responder answered with an error"),
            Self::Lost(loss) => write!(f, "the responder {loss}"),
            Self::Closing { begun: false } => f.write_str("the bus was shut down"),
            Self::Closing { begun: true } => {
                f.write_str("the bus was shut down, the responder was cut off")
            }
        }?;
        match self {
            Self::Failed(error) if f.alternate() => write!(f, ": {error:#}"),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Panicked => "panicked",
            Self::Gone => "left before it answered",
        })
    }
}

impl<E: std::error::Error + 'static> std::error::Error for RequestError<E> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Failed(error) => Some(error),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{error::Error, io};

    use super::*;

    #[test]
    fn one_line_for_the_log_and_the_source_on_request() {
        let failed = RequestError::Failed(io::Error::other("the disk is full"));
        assert_eq!(
            failed.to_string(),
            "the request failed: the responder answered with an error"
        );
        assert!(format!("{failed:#}").ends_with("with an error: the disk is full"));
        assert!(failed.source().is_some() && failed.may_have_begun());
        assert_eq!(failed.verdict(), Verdict::Permanent);
        let nobody = RequestError::<io::Error>::NoResponder;
        assert!(nobody.source().is_none() && !nobody.may_have_begun());
        assert_eq!(nobody.verdict(), Verdict::Transient);
    }
}
