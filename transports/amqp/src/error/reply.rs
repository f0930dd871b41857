//! What do the words say with which RabbitMQ refuses? Its codes alone do not tell cases apart that an
//! operator has to. The words are those of 3.10 and of 4.x.

/// An argument of ours, and what the broker has in its place.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Mismatch<'a> {
    pub(crate) argument: &'a str,
    pub(crate) ours: Option<&'a str>,
    pub(crate) theirs: Option<&'a str>,
}

/// Reads `inequivalent arg 'A' for queue 'q' in vhost '/': received X but current is Y`. RabbitMQ cuts
/// what is longer than 255 bytes: what it cut off is none.
pub(crate) fn mismatch(text: &str) -> Option<Mismatch<'_>> {
    let (_, rest) = text.split_once("inequivalent arg '")?;
    let (argument, rest) = rest.split_once('\'')?;
    // A name may hold quotes, and so what comes before is left alone.
    let values = rest.rsplit_once("': received ").map(|(_, values)| values);
    let both = values.and_then(|values| values.split_once(" but current is "));
    Some(Mismatch {
        argument,
        ours: both.and_then(|(ours, _)| value(ours)),
        theirs: both.and_then(|(_, theirs)| value(theirs)),
    })
}

/// Takes the value out of `none`, `'V'`, `the value 'V' of type 'T'`; none if it was cut.
fn value(text: &str) -> Option<&str> {
    if text == "none" {
        return Some(text);
    }
    let text = match text.strip_prefix("the value ") {
        Some(typed) => typed.rsplit_once(" of type ")?.0,
        None => text,
    };
    text.strip_prefix('\'')?.strip_suffix('\'')
}

/// Why a vhost cannot be entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Vhost {
    Missing,
    /// It is there, and does not run.
    Down,
    NotPermitted,
}

pub(crate) fn vhost(text: &str) -> Vhost {
    if text.ends_with("is down") {
        Vhost::Down
    } else if text.ends_with("not found") {
        Vhost::Missing
    } else {
        Vhost::NotPermitted
    }
}

/// What is in the way, and will not be when somebody has gone or a limit has been raised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Obstacle {
    /// As many connections as are allowed: to the vhost, of the user, or to the node.
    Connections,
    /// As many channels of the user, or on the node.
    Channels,
    /// As many queues, or exchanges, in the vhost or in the cluster.
    Topology,
    /// Another connection has declared the queue as exclusive.
    Held,
    /// Another consumer of the queue is exclusive.
    Consumed,
}

pub(crate) fn obstacle(text: &str) -> Option<Obstacle> {
    let says = |words: &str| text.contains(words);
    if says("connection limit (") {
        Some(Obstacle::Connections)
    } else if says("number of channels opened ") {
        Some(Obstacle::Channels)
    } else if says(" limit in vhost '") || says(" limit in cluster (") {
        Some(Obstacle::Topology)
    } else if says("cannot obtain exclusive access to locked queue ") {
        Some(Obstacle::Held)
    } else if text.ends_with(" in exclusive use") {
        Some(Obstacle::Consumed)
    } else {
        None
    }
}

impl Obstacle {
    /// Where the broker's own words do not say it.
    pub(crate) fn what(self) -> Option<&'static str> {
        match self {
            Self::Held => Some("another connection holds the queue"),
            Self::Consumed => Some("another consumer has the queue to itself"),
            Self::Connections | Self::Channels | Self::Topology => None,
        }
    }

    pub(crate) fn advice(self) -> &'static str {
        match self {
            Self::Connections => "close other connections, or raise the limit",
            Self::Channels => {
                "close other connections of the user, or raise the limit: rabbitmqctl set_user_limits, \
                 or channel_max_per_node of the broker"
            }
            Self::Topology => {
                "delete what nobody needs, or raise the limit: rabbitmqctl set_vhost_limits, or the \
                 broker's configuration"
            }
            Self::Held => {
                "whoever declared it as exclusive must end, or one of the two needs another queue name"
            }
            Self::Consumed => {
                "whoever consumes from it as exclusive must end, or one of the two needs another queue \
                 name"
            }
        }
    }
}

/// Which permission a refusal is about. RabbitMQ 3 does not say it.
pub(crate) fn permission(text: &str) -> Option<&'static str> {
    ["configure", "write", "read"]
        .into_iter()
        .find(|kind| text.contains(&format!("{kind} access to ")))
}

/// What of the broker has run out, by the reason with which it blocks publishers.
pub(crate) fn alarm(reason: &str) -> (&'static str, &'static str) {
    match (reason.contains("memory"), reason.contains("disk")) {
        (true, true) => (
            "memory alarm and disk alarm",
            "free memory and disk on the broker, or raise vm_memory_high_watermark and lower \
             disk_free_limit",
        ),
        (true, false) => (
            "memory alarm",
            "free memory on the broker: are queues too long? Or raise vm_memory_high_watermark",
        ),
        (false, true) => (
            "disk alarm",
            "free disk on the broker, or lower disk_free_limit",
        ),
        (false, false) => ("alarm", "see rabbitmq-diagnostics alarms"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mismatch_is_taken_apart() {
        let start = "PRECONDITION_FAILED - inequivalent arg ";
        for (text, argument, ours, theirs) in [
            (
                "'x-queue-type' for queue 'a.q.events' in vhost '/': received 'classic' but current \
                 is 'quorum'",
                "x-queue-type",
                Some("classic"),
                Some("quorum"),
            ),
            (
                "'x-expires' for queue 'a' in vhost '/': received none but current is the value \
                 '1800000' of type 'long'",
                "x-expires",
                Some("none"),
                Some("1800000"),
            ),
            (
                "'x-max-length' for queue 'o'clock': received' in vhost 'v': received the value '10' \
                 of type 'signedint' but current is none",
                "x-max-length",
                Some("10"),
                Some("none"),
            ),
            (
                "'x-dead-letter-routing-key' for queue 'aaa' in vhost '/': received the value 'bb' of \
                 type 'longstr' but current is the value 'cc...",
                "x-dead-letter-routing-key",
                Some("bb"),
                None,
            ),
            (
                "'x-queue-type' for queue 'aaaaaaaa...",
                "x-queue-type",
                None,
                None,
            ),
        ] {
            let expected = Mismatch {
                argument,
                ours,
                theirs,
            };
            assert_eq!(mismatch(&format!("{start}{text}")), Some(expected));
        }
        assert_eq!(
            mismatch("PRECONDITION_FAILED - unknown delivery tag 7"),
            None
        );
        assert_eq!(mismatch("inequivalent arg '"), None);
    }

    #[test]
    fn refused_vhosts_are_told_apart() {
        for (text, vhost_is) in [
            ("NOT_ALLOWED - vhost none not found", Vhost::Missing),
            (
                "NOT_ALLOWED - access to vhost 'v' refused for user 'u'",
                Vhost::NotPermitted,
            ),
            (
                "NOT_ALLOWED - connection to vhost 'v' refused: vhost 'v' is down",
                Vhost::Down,
            ),
        ] {
            assert_eq!(vhost(text), vhost_is, "{text}");
        }
    }

    #[test]
    fn what_is_in_the_way_for_now_is_told_from_what_is_wrong() {
        for (text, is) in [
            (
                "NOT_ALLOWED - access to vhost 'v' refused for user 'u': connection limit (0) is reached",
                Some(Obstacle::Connections),
            ),
            (
                "NOT_ALLOWED - Connection refused for user 'u': user connection limit (1) is reached",
                Some(Obstacle::Connections),
            ),
            (
                "NOT_ALLOWED - number of channels opened for user 'u' has reached the maximum allowed \
                 user limit of (2)",
                Some(Obstacle::Channels),
            ),
            (
                "PRECONDITION_FAILED - cannot declare queue 'q': queue limit in vhost '/' (0) is reached",
                Some(Obstacle::Topology),
            ),
            (
                "PRECONDITION_FAILED - cannot declare queue 'q': queue limit in cluster (9) is reached",
                Some(Obstacle::Topology),
            ),
            (
                "RESOURCE_LOCKED - cannot obtain exclusive access to locked queue 'q' in vhost '/'. It \
                 could be originally declared on another connection or the exclusive property value \
                 does not match that of the original declaration.",
                Some(Obstacle::Held),
            ),
            (
                "ACCESS_REFUSED - queue 'q' in vhost '/' in exclusive use",
                Some(Obstacle::Consumed),
            ),
            ("NOT_ALLOWED - vhost none not found", None),
            (
                "ACCESS_REFUSED - read access to queue 'q' in vhost '/' refused for user 'u'",
                None,
            ),
            ("PRECONDITION_FAILED - unknown delivery tag 7", None),
        ] {
            assert_eq!(obstacle(text), is, "{text}");
        }
    }

    #[test]
    fn the_permission_is_named_where_the_broker_names_it() {
        let old = "ACCESS_REFUSED - access to queue 'q' in vhost '/' refused for user 'u'";
        let new =
            "ACCESS_REFUSED - configure access to queue 'q' in vhost '/' refused for user 'u'";
        assert_eq!(
            (permission(old), permission(new)),
            (None, Some("configure"))
        );
    }

    #[test]
    fn alarms_are_told_apart() {
        assert_eq!(alarm("low on memory").0, "memory alarm");
        assert_eq!(alarm("low on disk").0, "disk alarm");
        assert_eq!(
            alarm("low on memory & disk").0,
            "memory alarm and disk alarm"
        );
        assert_eq!(alarm("").0, "alarm");
    }
}
