//! What does an error of lapin mean, and can trying again mend it? Nothing else classifies them.

use std::{borrow::Cow, io, time::Duration};

use algedonic_transport::{Error, ErrorKind, Verdict};
use lapin::protocol::{AMQPErrorKind, AMQPHardError, AMQPSoftError};

use self::reply::{Mismatch, Vhost};
pub(crate) use self::several::{all_failed, name_failed};
use crate::AmqpConfig;

mod reply;
mod several;
#[cfg(test)]
mod tests;
#[cfg(feature = "tls")]
mod tls;

/// What was being done when lapin failed: the same answer means different things.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum During {
    Connect,
    Declare,
    /// To look for what others have declared.
    Expect,
    Publish,
    Consume,
}

impl During {
    pub(crate) fn operation(self) -> &'static str {
        match self {
            Self::Connect => "connect to RabbitMQ",
            Self::Declare => "declare the topology on RabbitMQ",
            Self::Expect => "find the expected topology on RabbitMQ",
            Self::Publish => "keep publishing to RabbitMQ",
            Self::Consume => "keep consuming from RabbitMQ",
        }
    }
}

/// The meaning of `error`. `subject` names what it was about: the broker and the user, or a queue.
pub(crate) fn classify(during: During, subject: &str, error: &lapin::Error) -> Error {
    let meaning = meaning(during, subject, error);
    let said = words(error);
    let detail = match meaning.what {
        Some(what) if said.is_empty() => format!("{subject}: {what}"),
        Some(what) => format!("{subject}: {what}: {said}"),
        None => format!("{subject}: {said}"),
    };
    let classified = match meaning.verdict {
        Verdict::Permanent => Error::permanent(meaning.kind, during.operation()),
        Verdict::Transient => Error::transient(meaning.kind, during.operation()),
    }
    .with_detail(detail);
    let classified = match meaning.advice {
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

struct Meaning {
    kind: ErrorKind,
    verdict: Verdict,
    /// What happened, where the broker's words do not say it.
    what: Option<String>,
    advice: Option<Cow<'static, str>>,
}

impl Meaning {
    fn permanent(kind: ErrorKind) -> Self {
        Self {
            kind,
            verdict: Verdict::Permanent,
            what: None,
            advice: None,
        }
    }

    fn transient(kind: ErrorKind) -> Self {
        Self {
            verdict: Verdict::Transient,
            ..Self::permanent(kind)
        }
    }

    fn what(mut self, what: impl Into<String>) -> Self {
        self.what = Some(what.into());
        self
    }

    fn advice(mut self, advice: impl Into<Cow<'static, str>>) -> Self {
        self.advice = Some(advice.into());
        self
    }
}

fn meaning(during: During, subject: &str, error: &lapin::Error) -> Meaning {
    use ErrorKind::{Misconfigured, Unavailable, Unexpected};
    match error.kind() {
        lapin::ErrorKind::ProtocolError(amqp) => {
            refusal(during, subject, amqp.kind(), amqp.get_message().as_str())
        }
        lapin::ErrorKind::IOError(error) => io_meaning(error),
        lapin::ErrorKind::ParsingError(_) if during == During::Connect => {
            Meaning::permanent(Misconfigured)
                .what("the port does not speak AMQP 0-9-1")
                .advice("is it the broker's AMQP port (5672 by default)?")
        }
        lapin::ErrorKind::MissingHeartbeatError => Meaning::transient(Unavailable)
            .advice("does the broker hang, or does something between drop packets?"),
        lapin::ErrorKind::RuntimeShutdownError(_)
        | lapin::ErrorKind::InvalidChannel(_)
        | lapin::ErrorKind::InvalidChannelState(..)
        | lapin::ErrorKind::InvalidConnectionState(_) => Meaning::transient(Unavailable),
        _ => Meaning::transient(Unexpected),
    }
}

/// The value of an argument; None if the broker's answer was cut before its end.
fn shown(value: Option<&str>) -> String {
    match value {
        None => "something (the broker's answer is cut off)".to_owned(),
        Some("") => "empty".to_owned(),
        Some(value) => escaped(value),
    }
}

/// What the broker means by a code, and by its words.
fn refusal(during: During, subject: &str, code: &AMQPErrorKind, text: &str) -> Meaning {
    use AMQPErrorKind::{Hard, Soft};
    use ErrorKind::{Conflict, Denied, Misconfigured, Unavailable, Unexpected};
    // RabbitMQ has codes of other things for these.
    if let Some(obstacle) = reply::obstacle(text) {
        let unavailable = Meaning::transient(Unavailable).advice(obstacle.advice());
        return match obstacle.what() {
            Some(what) => unavailable.what(what),
            None => unavailable,
        };
    }
    match (code, during) {
        (Soft(AMQPSoftError::ACCESSREFUSED), During::Connect) => {
            Meaning::permanent(Denied).advice(if text.contains("EXTERNAL") {
                "does the broker have a user of the name that it finds in the certificate?"
            } else if subject.starts_with("user guest ") {
                "check the user name and the password; guest may log in from the broker's own host only"
            } else {
                "check the user name and the password"
            })
        }
        (Soft(AMQPSoftError::ACCESSREFUSED), _) => {
            Meaning::permanent(Denied).advice(match reply::permission(text) {
                Some(kind) => Cow::Owned(format!(
                    "give the user the {kind} permission for it: rabbitmqctl set_permissions"
                )),
                None => "the user needs configure, write and read permission for this prefix, and \
                         write permission for amq.default"
                    .into(),
            })
        }
        (Hard(AMQPHardError::NOTALLOWED), During::Connect) => match reply::vhost(text) {
            Vhost::Missing => Meaning::permanent(Denied)
                .advice("correct the vhost in the URL, or create it: rabbitmqctl add_vhost"),
            Vhost::NotPermitted => Meaning::permanent(Denied)
                .advice("let the user into the vhost: rabbitmqctl set_permissions"),
            Vhost::Down => Meaning::transient(Unavailable)
                .advice("see the broker's log; rabbitmqctl restart_vhost starts it"),
        },
        (Hard(AMQPHardError::COMMANDINVALID), During::Connect) => Meaning::permanent(Denied)
            .advice(
                "to log in by a certificate the broker needs the plugin rabbitmq_auth_mechanism_ssl, \
                 and EXTERNAL among its auth_mechanisms",
            ),
        (Soft(AMQPSoftError::NOTFOUND), During::Expect) => Meaning::permanent(Misconfigured)
            .what("missing")
            .advice(
                "it must be made by whoever runs the broker; AmqpConfig::definitions says how",
            ),
        (Soft(AMQPSoftError::PRECONDITIONFAILED), During::Declare) => {
            let conflict = Meaning::permanent(Conflict);
            match reply::mismatch(text) {
                Some(Mismatch {
                    argument,
                    ours,
                    theirs,
                }) => conflict
                    .what(match (ours, theirs) {
                        (None, None) => format!("{} differs", escaped(argument)),
                        _ => format!(
                            "{} is {} here and {} on the broker",
                            escaped(argument),
                            shown(ours),
                            shown(theirs)
                        ),
                    })
                    .advice("delete it on the broker, or change the setting or the name here"),
                None => conflict.advice("delete what is there, or choose another name"),
            }
        }
        (Soft(AMQPSoftError::PRECONDITIONFAILED), _) => Meaning::transient(Unexpected),
        (Hard(AMQPHardError::CONNECTIONFORCED), _) => Meaning::transient(Unavailable)
            .advice("an operator closed the connection, or the broker is shutting down"),
        (Soft(_), _) => Meaning::transient(Unavailable),
        (Hard(_), _) => Meaning::transient(Unexpected),
    }
}

fn io_meaning(error: &io::Error) -> Meaning {
    #[cfg(feature = "tls")]
    if let Some((kind, what, advice)) = tls::meaning(error) {
        return Meaning::permanent(kind).what(what).advice(advice);
    }
    // A failed TLS handshake comes as invalid data.
    if matches!(
        error.kind(),
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput
    ) {
        return Meaning::permanent(ErrorKind::Misconfigured)
            .advice("check the certificates, and whether the port speaks TLS");
    }
    Meaning::transient(ErrorKind::Unavailable)
}

/// The error in one line; for an answer of the broker, the broker's own words.
pub(crate) fn words(error: &lapin::Error) -> String {
    escaped(&match error.kind() {
        lapin::ErrorKind::ProtocolError(amqp) => amqp.get_message().to_string(),
        lapin::ErrorKind::IOError(error) => error.to_string(),
        lapin::ErrorKind::MissingHeartbeatError => "no heartbeat from the broker".to_owned(),
        _ => error.to_string(),
    })
}

/// Text of others, safe to show. Quotes stay: names stand between them.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\'' | '"' => escaped.push(letter),
            _ => escaped.extend(letter.escape_debug()),
        }
    }
    escaped
}

/// Whether the other side has ended the connection without a word.
pub(crate) fn hung_up(error: &lapin::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    match error.kind() {
        lapin::ErrorKind::IOError(error) => matches!(
            error.kind(),
            BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof
        ),
        _ => false,
    }
}

/// The port speaks TLS, and we did not.
pub(crate) fn ciphered(subject: &str, error: &lapin::Error) -> Error {
    Error::permanent(ErrorKind::Misconfigured, During::Connect.operation())
        .with_detail(format!(
            "{subject}: the port speaks TLS, and the URL says amqp://"
        ))
        .with_advice("the URL must begin with amqps://")
        .with_source(error.clone())
}

/// The broker hung up before it said a word. It does so with those whose certificate it refuses: it says
/// that too, but what is sent as a connection goes is lost at times. And so with those who speak in the
/// clear where it expects TLS; but that cannot be told from a broker that is just going down.
pub(crate) fn ungreeted(config: &AmqpConfig, subject: &str, error: &lapin::Error) -> Error {
    let operation = During::Connect.operation();
    let shown = config
        .tls
        .as_ref()
        .is_some_and(|tls| tls.identity.is_some());
    let (error_of, what, advice) = if shown {
        (
            Error::permanent(ErrorKind::Denied, operation),
            "the broker refused our certificate, or hung up for another reason",
            WELCOME,
        )
    } else {
        (
            Error::transient(ErrorKind::Unavailable, operation),
            "the broker hung up before it greeted",
            if config.uri.tls {
                "is it going down, or does it ask for a certificate (Tls::identity_pem)? See its log"
            } else {
                "is it going down, or does the port speak TLS? Then the URL must begin with amqps://"
            },
        )
    };
    error_of
        .with_detail(format!("{subject}: {what}: {}", words(error)))
        .with_advice(advice)
        .with_source(error.clone())
}

/// What to do about a certificate of ours.
const WELCOME: &str = "show one that the broker's authority has signed (Tls::identity_pem, …), and see \
                       the broker's log";

/// A name has no address.
pub(crate) fn unresolved(subject: &str, host: &str, error: io::Error) -> Error {
    Error::transient(ErrorKind::Unavailable, During::Connect.operation())
        .with_detail(format!(
            "{subject}: the name {host} has no address: {error}"
        ))
        .with_advice("check the host name, and the name service (DNS) of this machine")
        .with_source(error)
}

/// A name of this host leads elsewhere, and the password would go there in the clear.
pub(crate) fn misdirected(subject: &str, at: std::net::SocketAddr) -> Error {
    Error::permanent(ErrorKind::Misconfigured, During::Connect.operation())
        .with_detail(format!(
            "{subject}: the password would be sent to {at} in the clear"
        ))
        .with_advice("use amqps://, or set allow_plaintext_login for a network that is private")
}

/// Opening a socket failed.
pub(crate) fn unreachable(subject: &str, error: io::Error) -> Error {
    let advice = match error.kind() {
        io::ErrorKind::ConnectionRefused => "is the broker up, and is this its port?",
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
            "there is no way to that host from here; check the address and the network"
        }
        io::ErrorKind::TimedOut => SILENCE,
        _ => "is the broker up?",
    };
    Error::transient(ErrorKind::Unavailable, During::Connect.operation())
        .with_detail(format!("{subject}: {error}"))
        .with_advice(advice)
        .with_source(error)
}

const SILENCE: &str = "does the broker hang, or does something between drop packets?";

/// A step did not end within its deadline.
pub(crate) fn timed_out(during: During, subject: &str, deadline: Duration) -> Error {
    Error::transient(ErrorKind::TimedOut, during.operation())
        .with_detail(format!("{subject}: no answer within {deadline:?}"))
        .with_advice(SILENCE)
}

/// The broker takes nothing from publishers now.
pub(crate) fn blocked(reason: &str) -> Error {
    let (alarm, advice) = reply::alarm(reason);
    Error::transient(ErrorKind::Unavailable, "publish to RabbitMQ")
        .with_detail(format!(
            "{alarm}: the broker has blocked publishing: {}",
            escaped(reason)
        ))
        .with_advice(advice)
}

/// The link is up in name, and does not work.
pub(crate) fn lost(during: During, what: impl Into<Cow<'static, str>>) -> Error {
    Error::transient(ErrorKind::Unavailable, during.operation()).with_detail(what)
}
