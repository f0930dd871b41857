//! What does an error of lapin mean, and can trying again mend it? Nothing else classifies them.

use std::{borrow::Cow, io, time::Duration};

use algedonic_transport::{Error, ErrorKind, Verdict};
use lapin::protocol::{AMQPErrorKind, AMQPHardError, AMQPSoftError};

/// What was being done when lapin failed: the same answer means different things.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum During {
    Connect,
    Declare,
    Publish,
    Consume,
}

impl During {
    fn operation(self) -> &'static str {
        match self {
            Self::Connect => "connect to RabbitMQ",
            Self::Declare => "declare the topology on RabbitMQ",
            Self::Publish => "keep publishing to RabbitMQ",
            Self::Consume => "keep consuming from RabbitMQ",
        }
    }
}

/// The meaning of `error`. `subject` names what it was about: the broker and the user, or a queue.
pub(crate) fn classify(during: During, subject: &str, error: &lapin::Error) -> Error {
    let (kind, verdict, advice) = meaning(during, error);
    let classified = match verdict {
        Verdict::Permanent => Error::permanent(kind, during.operation()),
        Verdict::Transient => Error::transient(kind, during.operation()),
    }
    .with_detail(format!("{subject}: {}", words(error)));
    let classified = match advice {
        Some(advice) => classified.with_advice(advice),
        None => classified,
    };
    // A source is shown as it is. The broker's words can hold those of its other users, and these
    // must not reach a terminal unescaped; the detail has them escaped.
    if is_plain(error) {
        classified.with_source(error.clone())
    } else {
        classified
    }
}

fn is_plain(error: &dyn std::error::Error) -> bool {
    !error.to_string().contains(char::is_control) && error.source().is_none_or(is_plain)
}

fn meaning(during: During, error: &lapin::Error) -> (ErrorKind, Verdict, Option<&'static str>) {
    use Verdict::{Permanent, Transient};
    let unavailable = (ErrorKind::Unavailable, Transient, None);
    match error.kind() {
        lapin::ErrorKind::ProtocolError(amqp) => match (amqp.kind(), during) {
            (AMQPErrorKind::Soft(AMQPSoftError::ACCESSREFUSED), During::Connect) => (
                ErrorKind::Denied,
                Permanent,
                Some("check the user name and the password"),
            ),
            (AMQPErrorKind::Soft(AMQPSoftError::ACCESSREFUSED), _) => (
                ErrorKind::Denied,
                Permanent,
                Some(
                    "the user needs configure, write and read permission for this prefix, and write \
                     permission for amq.default",
                ),
            ),
            (AMQPErrorKind::Hard(AMQPHardError::NOTALLOWED), During::Connect) => (
                ErrorKind::Denied,
                Permanent,
                Some("does the vhost exist, and may the user enter it?"),
            ),
            (AMQPErrorKind::Soft(AMQPSoftError::PRECONDITIONFAILED), During::Declare) => (
                ErrorKind::Conflict,
                Permanent,
                Some("delete what is there, or choose another name"),
            ),
            (AMQPErrorKind::Soft(AMQPSoftError::PRECONDITIONFAILED), _) => {
                (ErrorKind::Unexpected, Transient, None)
            }
            (AMQPErrorKind::Soft(_) | AMQPErrorKind::Hard(AMQPHardError::CONNECTIONFORCED), _) => {
                unavailable
            }
            (AMQPErrorKind::Hard(_), _) => (ErrorKind::Unexpected, Transient, None),
        },
        lapin::ErrorKind::IOError(error) if is_about_tls(error) => (
            ErrorKind::Misconfigured,
            Permanent,
            Some("check the certificates, and whether the port speaks TLS"),
        ),
        lapin::ErrorKind::ParsingError(_) if during == During::Connect => (
            ErrorKind::Misconfigured,
            Permanent,
            Some("does the port speak AMQP without TLS?"),
        ),
        lapin::ErrorKind::IOError(_)
        | lapin::ErrorKind::MissingHeartbeatError
        | lapin::ErrorKind::RuntimeShutdownError(_)
        | lapin::ErrorKind::InvalidChannel(_)
        | lapin::ErrorKind::InvalidChannelState(..)
        | lapin::ErrorKind::InvalidConnectionState(_) => unavailable,
        _ => (ErrorKind::Unexpected, Transient, None),
    }
}

/// A failed TLS handshake comes as invalid data.
fn is_about_tls(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput
    )
}

/// The error in one line; for an answer of the broker, the broker's own words.
pub(crate) fn words(error: &lapin::Error) -> String {
    match error.kind() {
        lapin::ErrorKind::ProtocolError(amqp) => amqp.get_message().to_string(),
        lapin::ErrorKind::IOError(error) => error.to_string(),
        lapin::ErrorKind::MissingHeartbeatError => "no heartbeat from the broker".to_owned(),
        _ => error.to_string(),
    }
    .escape_debug()
    .to_string()
}

/// Opening a socket failed.
pub(crate) fn unreachable(subject: &str, error: io::Error) -> Error {
    Error::transient(ErrorKind::Unavailable, During::Connect.operation())
        .with_detail(format!("{subject}: {error}"))
        .with_advice("is the broker up?")
        .with_source(error)
}

/// A step did not end within its deadline.
pub(crate) fn timed_out(during: During, subject: &str, deadline: Duration) -> Error {
    Error::transient(ErrorKind::TimedOut, during.operation())
        .with_detail(format!("{subject}: no answer within {deadline:?}"))
}

/// The link is up in name, and does not work.
pub(crate) fn lost(during: During, what: impl Into<Cow<'static, str>>) -> Error {
    Error::transient(ErrorKind::Unavailable, during.operation()).with_detail(what)
}

#[cfg(test)]
mod tests {
    use lapin::protocol::AMQPError;

    use super::*;

    fn soft(error: AMQPSoftError, text: &str) -> lapin::Error {
        lapin::ErrorKind::ProtocolError(AMQPError::new(error.into(), text.into())).into()
    }

    #[test]
    fn what_nobody_can_mend_by_waiting_is_permanent() {
        let refused = soft(
            AMQPSoftError::ACCESSREFUSED,
            "ACCESS_REFUSED - Login was refused",
        );
        let error = classify(During::Connect, "user u at h:1, vhost /", &refused);
        assert_eq!(
            (error.kind(), error.verdict()),
            (ErrorKind::Denied, Verdict::Permanent)
        );
        assert!(
            error
                .to_string()
                .contains("user u at h:1, vhost /: ACCESS_REFUSED"),
            "{error}"
        );

        let differs = soft(
            AMQPSoftError::PRECONDITIONFAILED,
            "inequivalent arg 'x-queue-type'",
        );
        let error = classify(During::Declare, "queue q", &differs);
        assert_eq!(
            (error.kind(), error.verdict()),
            (ErrorKind::Conflict, Verdict::Permanent)
        );
        assert!(
            error.to_string().contains("queue q: inequivalent arg"),
            "{error}"
        );
        // The same code for a stale delivery tag is no conflict.
        assert!(classify(During::Consume, "q", &differs).is_transient());
    }

    #[test]
    fn a_lost_connection_is_transient() {
        for kind in [
            lapin::ErrorKind::IOError(io::Error::from(io::ErrorKind::ConnectionReset).into()),
            lapin::ErrorKind::MissingHeartbeatError,
        ] {
            let error = classify(During::Publish, "h:1", &kind.into());
            assert_eq!(error.kind(), ErrorKind::Unavailable);
            assert!(error.is_transient());
        }
    }
}
