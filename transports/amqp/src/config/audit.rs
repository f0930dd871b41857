//! Where does an operator see all signals?

use super::AmqpConfig;

/// The queue that has a copy of every signal, for people and their tools; for [`AmqpConfig::audit`].
///
/// | setting | default | limits |
/// |---|---|---|
/// | [`name`](Self::name) | `{prefix}.algedonic.signals` | a key of at most 100 bytes, not `amq`, no queue of this instance |
/// | [`max_length`](Self::max_length) | 100,000 | at least 1 |
/// | [`max_bytes`](Self::max_bytes) | 256 MiB | at least [`max_body_bytes`](AmqpConfig::max_body_bytes) |
///
/// Subsystems do not read it: what several read from one queue they share, and each would hear a part. Each has its own
/// copy in queues of its own; this one is in nobody's way, and is missed by nobody.
///
/// It is the only queue of signals that drops anything: full, it loses the oldest *copies*. Without a bound, a queue that
/// nobody reads fills the disk of the broker in the end, which then blocks all that publish. One that refused would have
/// every signal refused to its sender one day, since the broker confirms only what all queues have taken. A signal that a
/// subsystem waits for is not touched by either.
///
/// A signal that nobody but this queue has room for is confirmed all the same, since the broker has it: where each has to
/// reach a subsystem, or be sent again until it does, leave the queue [out](AmqpConfig::audit), with `None`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditQueue {
    pub(crate) name: Option<String>,
    pub(crate) max_length: u32,
    pub(crate) max_bytes: u64,
}

impl AuditQueue {
    /// A queue with the defaults.
    pub const fn new() -> Self {
        Self {
            name: None,
            max_length: 100_000,
            max_bytes: 256 * 1024 * 1024,
        }
    }

    /// What it is called, instead of `{prefix}.algedonic.signals`.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// How many copies it holds; more push out the oldest. A queue that is there already keeps its bounds, and is
    /// taken as it is: another setting is without effect on it, and no error.
    pub fn max_length(mut self, copies: u32) -> Self {
        self.max_length = copies;
        self
    }

    /// How many bytes of bodies it holds, in the same way.
    pub fn max_bytes(mut self, bytes: u64) -> Self {
        self.max_bytes = bytes;
        self
    }
}

impl Default for AuditQueue {
    fn default() -> Self {
        Self::new()
    }
}

impl AmqpConfig {
    /// Where a copy of every signal is kept for an operator; `None` for no such queue. By default it is called
    /// `{prefix}.algedonic.signals`. Every instance has it made that is not told otherwise, and it stays.
    ///
    /// With it no signal comes back as [`NotRouted`](algedonic_transport::Outcome::NotRouted): there is one queue at
    /// least that takes it, even where no subsystem has ever listened. Without it one that no queue wants does.
    ///
    /// Where it cannot be made or, with [`TopologyMode::Expect`](crate::TopologyMode::Expect), is not there, signals
    /// go their way all the same, and a warning that names it is logged, again every 30 s.
    pub fn audit(mut self, queue: impl Into<Option<AuditQueue>>) -> Self {
        self.audit = queue.into();
        self
    }

    /// What the queue is called that has a copy of every signal, if there is one.
    pub fn audit_queue_name(&self) -> Option<String> {
        let audit = self.audit.as_ref()?;
        let name = audit.name.clone();
        Some(name.unwrap_or_else(|| format!("{}.algedonic.signals", self.prefix)))
    }
}
