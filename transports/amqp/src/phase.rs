//! How far is the transport on its way to its end?

use std::time::Duration;

use tokio::{sync::watch, time::Instant};

const GOODBYE: Duration = Duration::from_secs(1);

/// The steps of closing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// At work.
    Open,
    /// Nothing new is taken; outcomes are waited for. Consumers leave.
    Draining { until: Instant },
    /// Publishers leave too.
    Leaving { until: Instant },
}

/// Follows the phase.
#[derive(Clone, Debug)]
pub(crate) struct Phases(watch::Receiver<Phase>);

impl Phases {
    pub(crate) fn new(phase: &watch::Sender<Phase>) -> Self {
        Self(phase.subscribe())
    }

    /// Completes once the transport drains; for consumers.
    pub(crate) async fn draining(&mut self) {
        self.reached(|phase| !matches!(phase, Phase::Open)).await;
    }

    /// Completes once publishers are to leave.
    pub(crate) async fn leaving(&mut self) {
        self.reached(|phase| matches!(phase, Phase::Leaving { .. }))
            .await;
    }

    /// How long the goodbye to the broker may take: one that was lost is not waited for long.
    pub(crate) fn goodbye(&self, in_order: bool) -> Duration {
        if in_order {
            GOODBYE.min(self.until().saturating_duration_since(Instant::now()))
        } else {
            GOODBYE / 10
        }
    }

    /// When the transport must have ended.
    fn until(&self) -> Instant {
        match *self.0.borrow() {
            Phase::Open => Instant::now(),
            Phase::Draining { until } | Phase::Leaving { until } => until,
        }
    }

    async fn reached(&mut self, reached: impl Fn(&Phase) -> bool) {
        // The sender lives as long as the tasks that ask.
        let _ = self.0.wait_for(reached).await;
    }
}
