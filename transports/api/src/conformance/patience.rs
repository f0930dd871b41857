use std::{fmt, time::Duration};

use tokio::time::{Instant, timeout_at};

use super::{
    failure::Failure,
    world::{Form, World},
};

/// How long one wait may take.
#[derive(Clone, Copy)]
pub(super) struct Patience(pub(super) Duration);

impl Patience {
    /// What a world grants to waits without an outage.
    pub(super) fn of(world: &dyn World) -> Self {
        Self(match world.form() {
            Form::Short => world.deadline(),
            Form::Full => world.deadline() * 3,
        })
    }

    /// The moment at which a wait that begins now is over.
    pub(super) fn ends(self) -> Instant {
        Instant::now() + self.0
    }

    /// The future's output, or a failure that says what was awaited.
    pub(super) async fn within<T>(
        self,
        what: impl fmt::Display,
        future: impl Future<Output = T>,
    ) -> Result<T, Failure> {
        timeout_at(self.ends(), future)
            .await
            .map_err(|_| Failure::new(format!("awaited {what} for {:?}, in vain", self.0)))
    }
}
