use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use algedonic_amqp::QueueType;
use algedonic_test_broker::{End, Proxy, Way, shared_url};
use algedonic_transport::{
    BoxFuture, Transport,
    conformance::{DEADLINE, Form, Outage, World},
};
use tokio::{runtime::Handle, task::block_in_place};

use super::world::RabbitMq;

/// The shared broker behind a slow link that hands on small pieces; an outage cuts the link.
pub(super) struct Far {
    broker: RabbitMq,
    proxy: Arc<Proxy>,
    patience: Duration,
}

impl Far {
    pub(super) fn new() -> Self {
        let url = block_in_place(shared_url);
        let proxy = block_in_place(|| Handle::current().block_on(Proxy::before(&url)));
        let proxy = proxy.expect("a port");
        slow(&proxy);
        Self {
            broker: RabbitMq::at(proxy.rewrite(&url), QueueType::Quorum),
            proxy: Arc::new(proxy),
            patience: 2 * DEADLINE,
        }
    }

    /// One that shares the processors with many others.
    pub(super) fn patient() -> Self {
        let far = Self::new();
        Self {
            broker: far.broker.patient(),
            patience: 10 * DEADLINE,
            ..far
        }
    }
}

/// Some milliseconds of latency, two megabytes a second, in pieces that end in the midst of frames.
fn slow(proxy: &Proxy) {
    proxy.delay(Way::Both, Duration::from_millis(3));
    proxy.throttle(Way::Both, 2_000_000);
    proxy.fragment(Way::Both, 1_031);
}

impl World for Far {
    fn connect(&self, name: &str) -> Arc<dyn Transport> {
        self.broker.connect(name)
    }

    fn connect_one_at_a_time(&self, name: &str) -> Option<Arc<dyn Transport>> {
        self.broker.connect_one_at_a_time(name)
    }

    fn form(&self) -> Form {
        self.broker.form()
    }

    fn outage(&self) -> Option<Arc<dyn Outage>> {
        Some(Arc::new(LinkOutage {
            proxy: self.proxy.clone(),
            stopped: AtomicBool::new(false),
        }))
    }

    fn dead_letters(&self, name: &str) -> Option<BoxFuture<usize>> {
        self.broker.dead_letters(name)
    }

    fn everything_applies(&self) -> bool {
        true
    }

    fn deadline(&self) -> Duration {
        self.patience
    }
}

struct LinkOutage {
    proxy: Arc<Proxy>,
    stopped: AtomicBool,
}

impl Outage for LinkOutage {
    /// Refuses connections, and ends those that are there in the midst of whatever they carry: by a reset
    /// at first, then without a word of error.
    fn stop(&self) {
        Handle::current().block_on(self.proxy.refuse());
        let how = if self.stopped.swap(true, Ordering::SeqCst) {
            End::Close
        } else {
            End::Reset
        };
        self.proxy.end(how);
    }

    fn start(&self) {
        Handle::current().block_on(self.proxy.resume());
        slow(&self.proxy);
    }
}
