//! What is the queue like that shows an operator all signals, and how does it come to be there?
//!
//! Nothing that is wrong with it is in a signal's way: it holds copies, and who it is for is a person.

use algedonic_transport::{Error, Lane};

use super::{
    Topology,
    bands::pattern,
    names::Purpose,
    plan::{Argument, Binding, End, Queue},
};
use crate::{
    AmqpConfig, QueueType, TopologyMode,
    connect::{Deadline, Session},
};

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

    /// Looks for the queue, and has it made where it is missing. One that is there is taken as it is: instances that
    /// do not agree on its bounds are no reason for either to be silent.
    pub(super) async fn see_to(&self, session: &Session, config: &AmqpConfig, deadline: Deadline) {
        let mut done = self.attempt(session, config, true, deadline).await;
        if done.is_err() && config.topology_mode == TopologyMode::Declare {
            done = self.attempt(session, config, false, deadline).await;
        }
        match done {
            Ok(()) => {}
            // The connection says so itself.
            Err(error) if error.is_transient() => {
                tracing::debug!(queue = %self.queue.name, %error, "queue of audit copies not seen to");
            }
            Err(error) => tracing::warn!(
                queue = %self.queue.name,
                %error,
                "signals go without a copy for audit; AmqpConfig::audit says where it would be"
            ),
        }
    }

    async fn attempt(
        &self,
        session: &Session,
        config: &AmqpConfig,
        look: bool,
        deadline: Deadline,
    ) -> Result<(), Error> {
        if let Some(version) = session.version() {
            self.queue.check(version)?;
        }
        let topology = Topology::begin(session, config, deadline).await?;
        topology.queue(&self.queue, look).await?;
        if config.topology_mode == TopologyMode::Declare {
            topology.binding(&self.binding).await?;
        }
        topology.end().await
    }
}
