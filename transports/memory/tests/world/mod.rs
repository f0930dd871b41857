//! A world for the conformance suite: one broker in memory.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use algedonic_memory::{Broker, Limits};
use algedonic_transport::{
    BoxFuture, Transport,
    conformance::{DEADLINE, Form, Outage, World},
};

pub(crate) struct Memories {
    /// Made when it is first asked for.
    pub(crate) broker: OnceLock<Broker>,
    pub(crate) deadline: Duration,
    pub(crate) form: Form,
}

impl Memories {
    pub(crate) fn new() -> Self {
        Self {
            broker: OnceLock::new(),
            deadline: DEADLINE,
            form: Form::Short,
        }
    }

    fn broker(&self) -> &Broker {
        self.broker.get_or_init(Broker::new)
    }
}

impl World for Memories {
    fn connect(&self, name: &str) -> Arc<dyn Transport> {
        Arc::new(self.broker().transport(name))
    }

    fn connect_one_at_a_time(&self, name: &str) -> Option<Arc<dyn Transport>> {
        let one = Limits {
            prefetch: 1,
            ..Limits::default()
        };
        let broker = self.broker.get_or_init(|| Broker::with_limits(one));
        Some(Arc::new(broker.transport(name)))
    }

    fn form(&self) -> Form {
        self.form
    }

    fn outage(&self) -> Option<Arc<dyn Outage>> {
        Some(Arc::new(Stopped(self.broker().clone())))
    }

    fn dead_letters(&self, name: &str) -> Option<BoxFuture<usize>> {
        let count = self.broker().dead_letters(name).len();
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
