//! What is the queue like that shows an operator all signals?

use algedonic_transport::Lane;

use super::{
    bands::pattern,
    names::Purpose,
    plan::{Argument, Binding, End, Queue},
};
use crate::{AmqpConfig, QueueType};

/// The queue, and what gets there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Audit {
    pub(super) queue: Queue,
    pub(super) binding: Binding,
}

impl Audit {
    /// That of `lane`, if there is to be one.
    pub(super) fn of(config: &AmqpConfig, lane: Lane) -> Option<Self> {
        if lane != Lane::Signal {
            return None;
        }
        let settings = config.audit.as_ref()?;
        let name = config.audit_queue_name()?;
        let number = |number: u64| Argument::Number(i64::try_from(number).unwrap_or(i64::MAX));
        let mut arguments = super::plan::arguments(QueueType::Quorum, None);
        arguments.push(("x-max-length", number(settings.max_length.into())));
        arguments.push(("x-max-length-bytes", number(settings.max_bytes)));
        // Said, since what is the default may be changed by a policy: one that refused would stop all signals.
        arguments.push(("x-overflow", Argument::Text("drop-head".to_owned())));
        Some(Self {
            binding: Binding {
                source: config.exchange_name(Purpose::Signals),
                to: End::Queue(name.clone()),
                pattern: pattern("#"),
            },
            queue: Queue { name, arguments },
        })
    }
}
