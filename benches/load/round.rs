//! One round: who publishes, who receives, and how long all of it takes.

use std::{
    pin::Pin,
    time::{Duration, Instant},
};

use futures_util::future::join_all;

/// One side's work in a round, from its first event to its last.
pub(crate) type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Everything that happens in one round; each piece of work becomes a task.
pub(crate) struct Round {
    pub(crate) publishers: Vec<Work>,
    pub(crate) subscribers: Vec<Work>,
}

impl Round {
    /// Plays it, from the first publish until every task has ended.
    pub(crate) async fn time(self) -> Duration {
        let subscribers: Vec<_> = self.subscribers.into_iter().map(tokio::spawn).collect();
        // On one thread this lets the subscribers begin to wait, as they would in an application.
        tokio::task::yield_now().await;
        let start = Instant::now();
        let publishers: Vec<_> = self.publishers.into_iter().map(tokio::spawn).collect();
        for ended in join_all(publishers.into_iter().chain(subscribers)).await {
            ended.expect("no task of a round panics");
        }
        start.elapsed()
    }
}
