//! Who is told, beside whoever has the receipt, that an event did not leave?

use std::{sync::Arc, time::SystemTime};

use algedonic_transport::{CorrelationId, EventId, Key, Metadata};

use crate::{
    event::Event,
    local::{Draft, Local, Publication},
    observe::{Ledger, LocalOnly, Remote},
};

/// An event of this bus that other processes did not get, or for which nobody can say. Its local subscribers have it all the
/// same. Published where a mirror [reports failures](crate::Mirror::report_failures) (requirement 0.15); it stays
/// in this process.
///
/// Its metadata name the event as their cause, and carry its correlation.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PublishFailed {
    /// The event.
    pub id: EventId,
    /// Its type.
    pub name: Key,
    /// Its key.
    pub key: Key,
    /// What became of it, after all attempts; what its receipt says, too.
    pub remote: Remote,
}

impl Event for PublishFailed {
    const NAME: &'static str = "algedonic.publish_failed";
}

/// Publishes what failed.
#[derive(Clone)]
pub(super) struct Failures {
    local: Arc<Local>,
    ledger: Arc<Ledger>,
}

/// What is kept of an event in case that it fails.
pub(super) struct About {
    failures: Failures,
    id: EventId,
    name: Key,
    key: Key,
    correlation: CorrelationId,
}

impl Failures {
    pub(super) fn new(local: &Arc<Local>, ledger: &Arc<Ledger>) -> Self {
        Self {
            local: Arc::clone(local),
            ledger: Arc::clone(ledger),
        }
    }

    pub(super) fn about(&self, metadata: &Metadata) -> About {
        About {
            failures: self.clone(),
            id: metadata.id,
            name: metadata.name.clone(),
            key: metadata.key.clone(),
            correlation: metadata.correlation.clone(),
        }
    }
}

impl About {
    /// Says so if it has failed. Waits for nobody: what finds a subscriber full that is not to miss anything is counted as
    /// undelivered.
    pub(super) fn tell(self, remote: &Remote) {
        if !has_failed(remote) {
            return;
        }
        let Self {
            failures,
            id,
            name,
            key,
            correlation,
        } = self;
        let lane = failures.local.lane::<PublishFailed>();
        let now = SystemTime::now();
        let mut metadata = lane.origin().metadata(EventId::at(now), now);
        metadata.causation = Some(id);
        metadata.correlation = correlation;
        let event = PublishFailed {
            id,
            name,
            key,
            remote: remote.clone(),
        };
        let full = Some(Box::new(metadata));
        let published = Publication::new(lane, Draft { event, full }).try_now();
        failures
            .ledger
            .undelivered
            .add(u64::from(published.is_err()));
    }
}

fn has_failed(remote: &Remote) -> bool {
    !matches!(
        remote,
        Remote::Confirmed | Remote::Spooled | Remote::LocalOnly(LocalOnly::ShutDown)
    )
}
