//! A world for the conformance suite: one broker in memory.

use std::{sync::Arc, time::Duration};

use algedonic_memory::Broker;
use algedonic_transport::{
    BoxFuture, Transport,
    conformance::{DEADLINE, Outage, World},
};

pub(crate) struct Memories {
    pub(crate) broker: Broker,
    pub(crate) deadline: Duration,
}

impl Memories {
    pub(crate) fn new() -> Self {
        Self {
            broker: Broker::new(),
            deadline: DEADLINE,
        }
    }
}

impl World for Memories {
    fn connect(&self, name: &str) -> Arc<dyn Transport> {
        Arc::new(self.broker.transport(name))
    }

    fn outage(&self) -> Option<Arc<dyn Outage>> {
        Some(Arc::new(Stopped(self.broker.clone())))
    }

    fn dead_letters(&self, name: &str) -> Option<BoxFuture<usize>> {
        let count = self.broker.dead_letters(name).len();
        Some(Box::pin(std::future::ready(count)))
    }

    fn everything_applies(&self) -> bool {
        true
    }

    fn deadline(&self) -> Duration {
        self.deadline
    }

    fn outage_deadline(&self) -> Duration {
        self.deadline * 4
    }
}

struct Stopped(Broker);

impl Outage for Stopped {
    fn stop(&self) {
        self.0.stop();
    }

    fn start(&self) {
        self.0.start();
    }
}
