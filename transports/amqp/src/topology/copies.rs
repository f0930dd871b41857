//! How does the queue of audit copies come to be there?
//!
//! Nothing that is wrong with it is in a signal's way: it holds copies, and who it is for is a person.

use algedonic_transport::Error;

use super::{Topology, audit::Audit};
use crate::{
    AmqpConfig, TopologyMode,
    connect::{Deadline, Session},
};

impl Audit {
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
