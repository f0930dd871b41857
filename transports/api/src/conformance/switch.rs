use std::sync::Arc;

use super::{
    failure::Failure,
    patience::Patience,
    world::{Outage, World},
};

/// The means to take the other side away, used where blocking is not allowed.
pub(super) struct Switch {
    outage: Arc<dyn Outage>,
    patience: Patience,
}

impl Switch {
    /// The switch of a world that has one.
    pub(super) fn of(world: &dyn World) -> Option<Self> {
        Some(Self {
            outage: world.outage()?,
            patience: Patience(world.outage_deadline()),
        })
    }

    pub(super) async fn stop(&self) -> Result<(), Failure> {
        self.act("the outage to begin", |outage| outage.stop())
            .await
    }

    pub(super) async fn start(&self) -> Result<(), Failure> {
        self.act("the outage to end", |outage| outage.start()).await
    }

    async fn act(&self, what: &str, act: fn(&dyn Outage)) -> Result<(), Failure> {
        let outage = self.outage.clone();
        let acting = tokio::task::spawn_blocking(move || act(&*outage));
        let acted = self.patience.within(what, acting).await?;
        acted.map_err(|error| Failure::new(format!("awaited {what}; it failed: {error}")))
    }
}
