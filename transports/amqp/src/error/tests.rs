//! Can an operator act on each?

use lapin::protocol::AMQPError;

use super::*;

fn reply(code: impl Into<AMQPErrorKind>, text: &str) -> lapin::Error {
    lapin::ErrorKind::ProtocolError(AMQPError::new(code.into(), text.into())).into()
}

fn io(kind: io::ErrorKind) -> io::Error {
    kind.into()
}

const LOGIN: &str = "user u at h:1, vhost v";

/// One state that an operator has to tell from the others: the error, its kind, whether it is
/// permanent, and what its text must say.
type Row = (Error, ErrorKind, bool, &'static [&'static str]);

fn at_login(error: &lapin::Error) -> Error {
    classify(During::Connect, LOGIN, error)
}

fn on_the_way() -> Vec<Row> {
    use ErrorKind::{TimedOut, Unavailable};
    vec![
        (
            unreachable(LOGIN, io(io::ErrorKind::ConnectionRefused)),
            Unavailable,
            false,
            &["h:1", "refused", "is the broker up"],
        ),
        (
            unreachable(LOGIN, io(io::ErrorKind::HostUnreachable)),
            Unavailable,
            false,
            &["h:1", "no way to that host"],
        ),
        (
            unresolved(LOGIN, "h", io::Error::other("Name or service not known")),
            Unavailable,
            false,
            &["the name h has no address", "DNS"],
        ),
        (
            timed_out(During::Connect, LOGIN, Duration::from_secs(5)),
            TimedOut,
            false,
            &["h:1", "no answer within 5s", "drop packets"],
        ),
    ]
}

fn at_the_door() -> Vec<Row> {
    use AMQPHardError::{COMMANDINVALID, NOTALLOWED};
    use AMQPSoftError::ACCESSREFUSED;
    use ErrorKind::{Denied, Unavailable};
    vec![
        (
            at_login(&reply(
                ACCESSREFUSED,
                "ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN.",
            )),
            Denied,
            true,
            &[
                "user u at h:1, vhost v: ACCESS_REFUSED",
                "user name and the password",
            ],
        ),
        (
            at_login(&reply(
                ACCESSREFUSED,
                "ACCESS_REFUSED - Login was refused using authentication mechanism EXTERNAL.",
            )),
            Denied,
            true,
            &["in the certificate"],
        ),
        (
            at_login(&reply(
                COMMANDINVALID,
                "COMMAND_INVALID - unknown authentication mechanism 'EXTERNAL'",
            )),
            Denied,
            true,
            &["rabbitmq_auth_mechanism_ssl"],
        ),
        (
            at_login(&reply(NOTALLOWED, "NOT_ALLOWED - vhost v not found")),
            Denied,
            true,
            &["vhost v not found", "add_vhost"],
        ),
        (
            at_login(&reply(
                NOTALLOWED,
                "NOT_ALLOWED - access to vhost 'v' refused for user 'u'",
            )),
            Denied,
            true,
            &[
                "access to vhost 'v' refused for user 'u'",
                "set_permissions",
            ],
        ),
        (
            at_login(&reply(
                NOTALLOWED,
                "NOT_ALLOWED - access to vhost 'v' refused for user 'u': connection limit (2) is reached",
            )),
            Unavailable,
            false,
            &["connection limit (2)", "raise the limit"],
        ),
        (
            classify(
                During::Publish,
                "h:1",
                &reply(
                    NOTALLOWED,
                    "NOT_ALLOWED - number of channels opened for user 'u' has reached the maximum \
                     allowed user limit of (2)",
                ),
            ),
            Unavailable,
            false,
            &["limit of (2)", "set_user_limits"],
        ),
    ]
}

/// What somebody else has, and may let go.
fn taken() -> Vec<Row> {
    use AMQPSoftError::{ACCESSREFUSED, PRECONDITIONFAILED, RESOURCELOCKED};
    use ErrorKind::Unavailable;
    let declare = |subject, error: &lapin::Error| classify(During::Declare, subject, error);
    vec![
        (
            declare(
                "queue p.q.events",
                &reply(
                    PRECONDITIONFAILED,
                    "PRECONDITION_FAILED - cannot declare queue 'p.q.events': queue limit in vhost 'v' \
                     (2) is reached",
                ),
            ),
            Unavailable,
            false,
            &["limit in vhost 'v' (2)", "set_vhost_limits"],
        ),
        (
            declare(
                "queue p.q.events",
                &reply(
                    RESOURCELOCKED,
                    "RESOURCE_LOCKED - cannot obtain exclusive access to locked queue 'p.q.events' in \
                     vhost 'v'",
                ),
            ),
            Unavailable,
            false,
            &["another connection holds the queue", "must end"],
        ),
        (
            classify(
                During::Consume,
                "queue p.q.events",
                &reply(
                    ACCESSREFUSED,
                    "ACCESS_REFUSED - queue 'p.q.events' in vhost 'v' in exclusive use",
                ),
            ),
            Unavailable,
            false,
            &["another consumer has the queue to itself", "must end"],
        ),
    ]
}

fn inside() -> Vec<Row> {
    use AMQPSoftError::{ACCESSREFUSED, NOTFOUND, PRECONDITIONFAILED};
    use ErrorKind::{Conflict, Denied, Misconfigured, Unavailable};
    let declare = |subject, error: &lapin::Error| classify(During::Declare, subject, error);
    vec![
        (
            declare(
                "queue p.q.events",
                &reply(
                    ACCESSREFUSED,
                    "ACCESS_REFUSED - configure access to queue 'p.q.events' in vhost 'v' refused for \
                     user 'u'",
                ),
            ),
            Denied,
            true,
            &["queue p.q.events", "user 'u'", "the configure permission"],
        ),
        (
            declare(
                "queue p.q.events",
                &reply(
                    PRECONDITIONFAILED,
                    "PRECONDITION_FAILED - inequivalent arg 'x-queue-type' for queue 'p.q.events' in \
                     vhost 'v': received 'quorum' but current is 'classic'",
                ),
            ),
            Conflict,
            true,
            &["queue p.q.events: x-queue-type is quorum here and classic on the broker"],
        ),
        (
            declare(
                "queue p.q.events",
                &reply(
                    PRECONDITIONFAILED,
                    "PRECONDITION_FAILED - inequivalent arg 'x-dead-letter-exchange' for queue \
                     'p.q.events' in vhost 'v': received the value '' of type 'longstr' but current is \
                     none",
                ),
            ),
            Conflict,
            true,
            &["x-dead-letter-exchange is empty here and none on the broker"],
        ),
        (
            classify(
                During::Expect,
                "queue p.q.events",
                &reply(NOTFOUND, "NOT_FOUND - no queue 'p.q.events' in vhost 'v'"),
            ),
            Misconfigured,
            true,
            &["queue p.q.events: missing", "definitions"],
        ),
        (
            classify(
                During::Publish,
                "h:1",
                &reply(
                    AMQPHardError::CONNECTIONFORCED,
                    "CONNECTION_FORCED - broker forced connection closure",
                ),
            ),
            Unavailable,
            false,
            &["CONNECTION_FORCED", "shutting down"],
        ),
        (
            classify(
                During::Publish,
                "h:1",
                &lapin::ErrorKind::MissingHeartbeatError.into(),
            ),
            Unavailable,
            false,
            &["no heartbeat from the broker", "does the broker hang"],
        ),
        (
            blocked("low on memory"),
            Unavailable,
            false,
            &["memory alarm", "free memory"],
        ),
        (
            blocked("low on disk"),
            Unavailable,
            false,
            &["disk alarm", "free disk"],
        ),
    ]
}

#[test]
fn each_state_has_its_kind_its_verdict_and_words_to_act_on() {
    let mut seen = std::collections::HashSet::new();
    for (error, kind, permanent, parts) in [on_the_way(), at_the_door(), taken(), inside()].concat()
    {
        let text = error.to_string();
        assert_eq!(
            (error.kind(), !error.is_transient()),
            (kind, permanent),
            "{text}"
        );
        for part in parts {
            assert!(text.contains(part), "{part:?} is not in {text:?}");
        }
        assert!(error.advice().is_some(), "{text}");
        assert!(seen.insert(text.clone()), "{text}");
    }
}

#[test]
#[cfg(feature = "tls")]
fn each_failure_of_tls_has_words_to_act_on() {
    use rustls::{AlertDescription, CertificateError, Error::*, InvalidMessage};
    for (error, kind, parts) in [
        (
            InvalidCertificate(CertificateError::Expired),
            ErrorKind::Misconfigured,
            ["expired", "renew"],
        ),
        (
            InvalidCertificate(CertificateError::NotValidForName),
            ErrorKind::Misconfigured,
            ["for another host", "host name"],
        ),
        (
            InvalidCertificate(CertificateError::UnknownIssuer),
            ErrorKind::Misconfigured,
            ["not trusted", "Tls::authority_file"],
        ),
        (
            InvalidMessage(InvalidMessage::InvalidContentType),
            ErrorKind::Misconfigured,
            ["does not speak TLS", "5671"],
        ),
        (
            AlertReceived(AlertDescription::CertificateRequired),
            ErrorKind::Denied,
            ["refused our certificate", "Tls::identity"],
        ),
    ] {
        let error = io::Error::new(io::ErrorKind::InvalidData, error);
        let error = classify(During::Connect, LOGIN, &error.into());
        assert_eq!((error.kind(), error.verdict()), (kind, Verdict::Permanent));
        for part in parts {
            assert!(
                error.to_string().contains(part),
                "{part:?} is not in {error}"
            );
        }
    }
}

#[test]
fn the_same_code_means_different_things_at_different_times() {
    // A stale delivery tag is no conflict.
    let stale = reply(
        AMQPSoftError::PRECONDITIONFAILED,
        "PRECONDITION_FAILED - unknown delivery tag 7",
    );
    assert!(classify(During::Consume, "q", &stale).is_transient());
    // A queue that was deleted is declared again; one that others must make is not.
    let gone = reply(
        AMQPSoftError::NOTFOUND,
        "NOT_FOUND - no queue 'q' in vhost 'v'",
    );
    assert!(classify(During::Consume, "q", &gone).is_transient());
    assert!(!classify(During::Expect, "q", &gone).is_transient());
    // And a lost connection is only lost.
    let reset = io(io::ErrorKind::ConnectionReset).into();
    let error = classify(During::Publish, "h:1", &reset);
    assert_eq!(
        (error.kind(), error.verdict()),
        (ErrorKind::Unavailable, Verdict::Transient)
    );
}

#[test]
fn of_several_addresses_all_errors_are_told_and_the_best_hope_decides() {
    let refused = || unreachable("a:1", io(io::ErrorKind::ConnectionRefused));
    let expired = || {
        Error::permanent(ErrorKind::Misconfigured, "connect to RabbitMQ")
            .with_detail("b:2: expired")
    };
    let both = all_failed(vec![expired(), refused()]);
    let text = both.to_string();
    assert!(
        both.is_transient() && both.kind() == ErrorKind::Unavailable,
        "{both:?}"
    );
    assert!(
        text.contains("a:1") && text.contains("b:2: expired"),
        "{text}"
    );
    assert_eq!(text.matches("failed to").count(), 1, "{text}");
    assert!(!all_failed(vec![expired(), expired()]).is_transient());
    assert_eq!(
        all_failed(vec![expired()]).to_string(),
        expired().to_string()
    );
}

/// Tried every 100 ms, as is one that nobody answers, it would be hammered.
#[test]
fn of_several_addresses_of_one_name_those_where_nobody_listens_do_not_count() {
    let refused = || unreachable("a:1", io(io::ErrorKind::ConnectionRefused));
    let silent = || timed_out(During::Connect, "c:3", Duration::from_secs(1));
    let expired = || {
        Error::permanent(ErrorKind::Misconfigured, "connect to RabbitMQ")
            .with_detail("b:2: expired")
    };
    let both = name_failed(vec![refused(), expired()]);
    assert_eq!(
        (both.kind(), both.verdict()),
        (ErrorKind::Misconfigured, Verdict::Permanent)
    );
    let text = both.to_string();
    assert!(
        text.contains("a:1") && text.contains("b:2: expired"),
        "{text}"
    );
    assert!(name_failed(vec![refused(), expired(), silent()]).is_transient());
    assert!(name_failed(vec![refused(), refused()]).is_transient());
    assert_eq!(
        name_failed(vec![refused()]).to_string(),
        refused().to_string()
    );
}
