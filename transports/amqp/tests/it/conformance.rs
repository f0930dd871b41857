//! The suite that every transport passes. A check that takes the broker away has a node of its own.

use std::sync::{Arc, OnceLock};

use algedonic_amqp::{Amqp, AmqpConfig};
use algedonic_test_broker::{Node, shared_url, unique};
use algedonic_transport::{
    BoxFuture, Transport,
    conformance::{Outage, World},
    conformance_tests,
};
use lapin::{options::QueueDeclareOptions, types::FieldTable};
use tokio::task::block_in_place;

use crate::support::{operator, soon};

struct RabbitMq {
    prefix: String,
    /// Started when a check asks for the means to take the broker away.
    node: OnceLock<Arc<Node>>,
}

impl RabbitMq {
    fn new() -> Self {
        Self {
            prefix: unique("conformance"),
            node: OnceLock::new(),
        }
    }

    fn url(&self) -> String {
        match self.node.get() {
            Some(node) => node.url(),
            None => block_in_place(shared_url),
        }
    }
}

impl World for RabbitMq {
    fn connect(&self, name: &str) -> Arc<dyn Transport> {
        let config = AmqpConfig::new(&self.url()).expect("valid URL");
        let config = config.prefix(&self.prefix).queue(name);
        Arc::new(Amqp::new(config).expect("inside a runtime"))
    }

    fn outage(&self) -> Option<Arc<dyn Outage>> {
        let node = self
            .node
            .get_or_init(|| Arc::new(block_in_place(Node::start)));
        Some(Arc::new(NodeOutage(node.clone())))
    }

    fn dead_letters(&self, name: &str) -> Option<BoxFuture<usize>> {
        let queue = format!("{}.{name}.events.dlq", self.prefix);
        let url = self.url();
        Some(Box::pin(async move {
            let (_connection, channel) = operator(&url).await;
            let options = QueueDeclareOptions {
                passive: true,
                ..QueueDeclareOptions::default()
            };
            let declared =
                channel.queue_declare(queue.as_str().into(), options, FieldTable::default());
            let queue = soon("the queue", declared).await.expect("declared");
            usize::try_from(queue.message_count()).expect("few")
        }))
    }

    fn everything_applies(&self) -> bool {
        true
    }
}

struct NodeOutage(Arc<Node>);

impl Outage for NodeOutage {
    fn stop(&self) {
        self.0.stop();
    }

    fn start(&self) {
        self.0.restart();
    }
}

conformance_tests!(RabbitMq::new());
