use std::{sync::Arc, time::Duration};

use crate::{BoxFuture, Transport};

/// How long a check waits for anything, unless the world says otherwise.
pub const DEADLINE: Duration = Duration::from_secs(15);

/// How long a check waits for anything that an outage delays, unless the world says otherwise.
pub const OUTAGE_DEADLINE: Duration = Duration::from_secs(60);

/// A place where transports meet: one broker, or one part of it where nobody else talks.
///
/// Each check gets a world of its own; nothing that is sent in another world may arrive in it.
pub trait World: Send + Sync {
    /// A new transport whose receiving side is known to the others as `name`.
    ///
    /// The same name again, after the first was closed, is the same receiver: it gets what waited
    /// for it.
    fn connect(&self, name: &str) -> Arc<dyn Transport>;

    /// The same as [`connect`](Self::connect), with at most one unsettled message on each lane: the next
    /// arrives when the one before it was settled. `None` where there is no such setting; the check
    /// that needs it is not applicable then. It asks before its first [`connect`](Self::connect), the
    /// others never.
    fn connect_one_at_a_time(&self, name: &str) -> Option<Arc<dyn Transport>> {
        let _ = name;
        None
    }

    /// How much each scenario does.
    fn form(&self) -> Form {
        Form::Short
    }

    /// The means to take the other side away; without it the checks that need an outage are not
    /// applicable.
    ///
    /// A check that needs it asks before its first [`connect`](Self::connect), the others never: a
    /// broker of its own, dear to start, can wait for this call.
    fn outage(&self) -> Option<Arc<dyn Outage>> {
        None
    }

    /// How many messages the receiver `name` has dead-lettered, on all lanes, if there is a way to look.
    fn dead_letters(&self, name: &str) -> Option<BoxFuture<usize>> {
        let _ = name;
        None
    }

    /// Whether a check that is not applicable here is a failure: say so where everything is meant
    /// to be checked.
    fn everything_applies(&self) -> bool {
        false
    }

    /// How long to wait for anything; three times as long where the form is [`Form::Full`].
    fn deadline(&self) -> Duration {
        DEADLINE
    }

    /// How long to wait for anything that an outage delays.
    fn outage_deadline(&self) -> Duration {
        OUTAGE_DEADLINE
    }
}

/// How much each scenario does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// A few messages and receivers: seconds for the whole suite.
    #[default]
    Short,
    /// Thousands of messages, tens of transports at once: minutes.
    Full,
}

impl Form {
    /// The number for this form.
    pub(super) fn of(self, short: usize, full: usize) -> usize {
        match self {
            Self::Short => short,
            Self::Full => full,
        }
    }
}

/// Takes the other side of every transport of one [`World`] away, and brings it back.
///
/// The methods may block: they are called where that is allowed, and one at a time.
pub trait Outage: Send + Sync {
    /// Takes it away. When this returns, nothing more is confirmed.
    fn stop(&self);

    /// Brings it back, with what it had promised to keep. May return before it can be reached.
    fn start(&self);
}
