use std::{borrow::Cow, fmt, sync::Arc};

/// What went wrong with a transport: its kind, whether to try again, where it came from, and what
/// the reader can do about it. Holds no secret. Cheap to clone.
///
/// `Display` is one line for a log; `{:#}` adds the sources.
#[derive(Clone)]
pub struct Error(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    verdict: Verdict,
    operation: &'static str,
    detail: Option<Cow<'static, str>>,
    advice: Option<Cow<'static, str>>,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

/// The kinds of error, by meaning, never by library.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A bounded buffer is full; what was asked for did not happen.
    Busy,
    /// The transport was closed by its owner.
    Closed,
    /// The other side has something of the same name that differs from what is asked for.
    Conflict,
    /// The other side was reached and refused: credentials, permissions.
    Denied,
    /// Bytes or text that break the rules of their format.
    Malformed,
    /// The configuration cannot work.
    Misconfigured,
    /// The deadline passed.
    TimedOut,
    /// Larger than the configured or the negotiated limit.
    TooLarge,
    /// The other side cannot be reached now.
    Unavailable,
    /// None of the others; a defect here or there.
    Unexpected,
    /// This transport, as built, cannot do it.
    Unsupported,
}

/// Whether trying again can help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Not before somebody changes something.
    Permanent,
    /// Later, unchanged, it may work.
    Transient,
}

impl Error {
    /// An error that trying again cannot mend. `operation` completes "failed to …".
    pub fn permanent(kind: ErrorKind, operation: &'static str) -> Self {
        Self::new(kind, Verdict::Permanent, operation)
    }

    /// An error that may pass by itself. `operation` completes "failed to …".
    pub fn transient(kind: ErrorKind, operation: &'static str) -> Self {
        Self::new(kind, Verdict::Transient, operation)
    }

    fn new(kind: ErrorKind, verdict: Verdict, operation: &'static str) -> Self {
        Self(Arc::new(Inner {
            kind,
            verdict,
            operation,
            detail: None,
            advice: None,
            source: None,
        }))
    }

    /// Adds what exactly: the queue, the address, the limit. Never a secret.
    pub fn with_detail(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        Arc::make_mut(&mut self.0).detail = Some(detail.into());
        self
    }

    /// Adds what the reader can do about it.
    pub fn with_advice(mut self, advice: impl Into<Cow<'static, str>>) -> Self {
        Arc::make_mut(&mut self.0).advice = Some(advice.into());
        self
    }

    /// Adds the error underneath.
    pub fn with_source(mut self, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        Arc::make_mut(&mut self.0).source = Some(Arc::new(source));
        self
    }

    /// What kind of error it is.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Whether trying again can help.
    pub fn verdict(&self) -> Verdict {
        self.0.verdict
    }

    /// Whether trying again, unchanged, may work.
    pub fn is_transient(&self) -> bool {
        self.0.verdict == Verdict::Transient
    }

    /// What was being done; completes "failed to …".
    pub fn operation(&self) -> &'static str {
        self.0.operation
    }

    /// What the reader can do about it, where that is known.
    pub fn advice(&self) -> Option<&str> {
        self.0.advice.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &*self.0;
        write!(f, "failed to {}", inner.operation)?;
        match &inner.detail {
            Some(detail) => write!(f, ": {detail}")?,
            None => write!(f, ": {}", inner.kind)?,
        }
        if let Some(advice) = &inner.advice {
            write!(f, " ({advice})")?;
        }
        if f.alternate() {
            let mut source = std::error::Error::source(self);
            while let Some(error) = source {
                write!(f, ": {error}")?;
                source = error.source();
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &*self.0;
        f.debug_struct("Error")
            .field("kind", &inner.kind)
            .field("verdict", &inner.verdict)
            .field("operation", &inner.operation)
            .field("detail", &inner.detail)
            .field("advice", &inner.advice)
            .field("source", &inner.source)
            .finish()
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Busy => "busy",
            Self::Closed => "closed",
            Self::Conflict => "conflict with what is there",
            Self::Denied => "denied",
            Self::Malformed => "malformed",
            Self::Misconfigured => "misconfigured",
            Self::TimedOut => "timed out",
            Self::TooLarge => "too large",
            Self::Unavailable => "unavailable",
            Self::Unexpected => "unexpected",
            Self::Unsupported => "unsupported",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_for_the_log_and_the_sources_on_request() {
        let error = Error::transient(ErrorKind::Unavailable, "connect to RabbitMQ")
            .with_detail("connection refused at 127.0.0.1:5672")
            .with_advice("is the broker up?")
            .with_source(std::io::Error::other("os error 111"));
        assert_eq!(
            error.to_string(),
            "failed to connect to RabbitMQ: connection refused at 127.0.0.1:5672 (is the broker up?)"
        );
        assert!(format!("{error:#}").ends_with(": os error 111"));
        assert!(error.is_transient());
    }
}
