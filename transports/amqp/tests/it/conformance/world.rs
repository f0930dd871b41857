use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use algedonic_amqp::{Amqp, AmqpConfig, CommandQueue, Purpose, QueueType};
use algedonic_test_broker::{Node, shared_url, unique};
use algedonic_transport::{
    BoxFuture, Transport,
    conformance::{Form, Outage, World},
};
use lapin::{options::QueueDeclareOptions, types::FieldTable};
use tokio::task::block_in_place;

use crate::support::{operator, soon};

/// A part of the shared broker, or a node that an outage takes away.
pub(super) struct RabbitMq {
    prefix: String,
    queue_type: QueueType,
    form: Form,
    confirm_timeout: Duration,
    /// Where it is, if it is neither the shared broker nor a node of its own.
    url: Option<String>,
    /// Started when a check asks for the means to take the broker away.
    node: OnceLock<Arc<Node>>,
}

impl RabbitMq {
    pub(super) fn with(queue_type: QueueType) -> Self {
        Self {
            prefix: unique("conformance"),
            queue_type,
            form: asked_for(),
            confirm_timeout: Duration::from_secs(5),
            url: None,
            node: OnceLock::new(),
        }
    }

    pub(super) fn at(url: String, queue_type: QueueType) -> Self {
        Self {
            url: Some(url),
            ..Self::with(queue_type)
        }
    }

    /// The short form always, and long waits for a confirm: for one that shares the processors with many.
    pub(super) fn patient(self) -> Self {
        Self {
            form: Form::Short,
            confirm_timeout: Duration::from_secs(15),
            ..self
        }
    }

    fn url(&self) -> String {
        match (&self.url, self.node.get()) {
            (Some(url), _) => url.clone(),
            (None, Some(node)) => node.url(),
            (None, None) => block_in_place(shared_url),
        }
    }

    fn config(&self, name: &str) -> AmqpConfig {
        let config = AmqpConfig::new(&self.url()).expect("valid URL");
        config
            .prefix(&self.prefix)
            .queue(name)
            .queue_type(self.queue_type)
            .confirm_timeout(self.confirm_timeout)
    }
}

impl World for RabbitMq {
    fn connect(&self, name: &str) -> Arc<dyn Transport> {
        Arc::new(Amqp::new(self.config(name)).expect("inside a runtime"))
    }

    fn connect_one_at_a_time(&self, name: &str) -> Option<Arc<dyn Transport>> {
        let one = CommandQueue::new().prefetch(1);
        let config = self.config(name).prefetch(1).commands(one);
        Some(Arc::new(Amqp::new(config).expect("inside a runtime")))
    }

    fn form(&self) -> Form {
        self.form
    }

    fn outage(&self) -> Option<Arc<dyn Outage>> {
        let node = self
            .node
            .get_or_init(|| Arc::new(block_in_place(Node::start)));
        Some(Arc::new(NodeOutage {
            node: node.clone(),
            kills: self.queue_type == QueueType::Quorum,
            stopped: AtomicBool::new(false),
        }))
    }

    fn dead_letters(&self, name: &str) -> Option<BoxFuture<usize>> {
        let (config, url) = (self.config(name), self.url());
        let queues = [Purpose::Events, Purpose::Signals, Purpose::Commands]
            .map(|purpose| config.dead_letter_queue_name(purpose));
        Some(Box::pin(async move {
            let (connection, _channel) = operator(&url).await;
            let mut letters = 0;
            for queue in queues {
                // A look at a queue that is not there ends the channel.
                let channel = soon("a channel", connection.create_channel()).await;
                let options = QueueDeclareOptions {
                    passive: true,
                    ..QueueDeclareOptions::default()
                };
                let channel = channel.expect("connected");
                let declared =
                    channel.queue_declare(queue.as_str().into(), options, FieldTable::default());
                if let Ok(queue) = soon("the queue", declared).await {
                    letters += usize::try_from(queue.message_count()).expect("few");
                }
            }
            letters
        }))
    }

    fn everything_applies(&self) -> bool {
        true
    }
}

/// The form that the environment asks for.
fn asked_for() -> Form {
    match std::env::var_os("ALGEDONIC_LONG") {
        Some(asked) if !asked.is_empty() => Form::Full,
        _ => Form::Short,
    }
}

struct NodeOutage {
    node: Arc<Node>,
    kills: bool,
    stopped: AtomicBool,
}

impl Outage for NodeOutage {
    /// In order at first, then by a kill if the queues are safe on disk. (RabbitMQ 3.10 writes the first
    /// election of a quorum queue to disk seconds later: killed before that, the queue never has a leader
    /// again.)
    fn stop(&self) {
        if self.stopped.swap(true, Ordering::SeqCst) && self.kills {
            self.node.kill();
        } else {
            self.node.stop();
        }
    }

    fn start(&self) {
        self.node.restart();
    }
}
