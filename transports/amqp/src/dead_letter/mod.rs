//! How does a message get to the dead-letter queue with the reason, and without keeping anything
//! behind it waiting?
//!
//! It is published there, on a connection of its own, and the original is acked only when that is
//! confirmed. Where that fails, the original is rejected instead: then RabbitMQ moves it, without
//! the words. A connection lost in between brings the original again.
//!
//! Not on the connection that consumes: while the broker is short of memory or disk it reads nothing
//! more from a connection on which something was published, acks included. And not on those that
//! publish: a letter that the broker refuses takes its channel with it.

mod letter;

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use algedonic_transport::{Error, Lane};
use lapin::{
    Channel, Confirmation,
    options::{BasicPublishOptions, ConfirmSelectOptions},
    types::ShortString,
};
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{Duration, Instant, sleep, timeout_at},
};

pub(crate) use self::letter::{Letter, Reason, compose};
use crate::{
    AmqpConfig,
    connect::{Deadline, Session},
    error::During,
    part::Part,
    topology,
};

/// How long a connection without letters is kept.
const IDLE: Duration = Duration::from_secs(30);
/// How long nothing is published after a failure: messages that nobody can use must not keep a
/// broker busy with connections.
const PAUSE: Duration = Duration::from_secs(5);

/// Which delivery a letter is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Whose {
    /// Among those of the lane.
    pub(crate) queue: usize,
    pub(crate) tag: u64,
}

/// What has become of the dead letters of the consumers of one lane. Dropped, it gives up those that are on their way.
pub(crate) struct DeadLetters {
    results: mpsc::UnboundedReceiver<(Whose, bool)>,
    /// Publishes them. Aborted with the rest.
    _task: JoinSet<()>,
}

/// Where the dead letters of the consumer of one queue are handed in.
pub(crate) struct Letters {
    queue: usize,
    sender: mpsc::UnboundedSender<(Whose, Letter)>,
}

impl DeadLetters {
    /// With where each of so many queues hands in its letters. Nothing is connected before there is one.
    /// At most as many are on their way as the consumers have deliveries that are not settled.
    pub(crate) fn new(config: Arc<AmqpConfig>, lane: Lane, queues: usize) -> (Vec<Letters>, Self) {
        let (letters, handed_in) = mpsc::unbounded_channel();
        let (told, results) = mpsc::unbounded_channel();
        let mut task = JoinSet::new();
        task.spawn(run(config, lane, handed_in, told));
        let dead_letters = Self {
            results,
            _task: task,
        };
        let of = |queue| Letters {
            queue,
            sender: letters.clone(),
        };
        ((0..queues).map(of).collect(), dead_letters)
    }

    /// Waits for the next letter that has arrived, or has not.
    pub(crate) async fn next(&mut self) -> Option<(Whose, bool)> {
        self.results.recv().await
    }
}

impl Letters {
    /// Sends a letter on its way; letters arrive in the order in which they are sent.
    pub(crate) fn send(&self, tag: u64, letter: Letter) {
        let queue = self.queue;
        // The task ends only with its consumers.
        let _ = self.sender.send((Whose { queue, tag }, letter));
    }
}

/// A connection with a channel, and what is on its way there.
struct Line {
    session: Session,
    channel: Channel,
    publishing: JoinSet<(Whose, bool)>,
}

async fn run(
    config: Arc<AmqpConfig>,
    lane: Lane,
    mut queued: mpsc::UnboundedReceiver<(Whose, Letter)>,
    told: mpsc::UnboundedSender<(Whose, bool)>,
) {
    let queue = topology::dead_letter_queue(&config, lane);
    let mut current: Option<Line> = None;
    let mut pause: Option<Instant> = None;
    let mut batch = VecDeque::new();
    loop {
        let Some(open) = current.as_mut() else {
            let Some((of, letter)) = queued.recv().await else {
                return;
            };
            if pause.is_none_or(|until| until <= Instant::now()) {
                match Line::open(&config, lane).await {
                    Ok(opened) => {
                        batch.push_back((of, letter));
                        current = Some(opened);
                        pause = None;
                        continue;
                    }
                    Err(error) => {
                        tracing::warn!(%queue, %error, "dead letters go without their reasons");
                        pause = Some(Instant::now() + PAUSE);
                    }
                }
            }
            let _ = told.send((of, false));
            continue;
        };
        while let Some((of, letter)) = batch.pop_front() {
            open.publish(of, letter, &queue, config.confirm_timeout);
        }
        let mut failed = false;
        tokio::select! {
            letter = queued.recv() => match letter {
                Some(letter) => batch.push_back(letter),
                None => return,
            },
            result = open.publishing.join_next(), if !open.publishing.is_empty() => {
                // A task that panicked is one whose tag nobody knows: none of them does.
                if let Some(Ok((of, arrived))) = result {
                    failed = !arrived;
                    let _ = told.send((of, arrived));
                }
            }
            () = sleep(IDLE), if open.publishing.is_empty() => {
                if let Some(line) = current.take() {
                    line.session.close(Duration::from_secs(1)).await;
                }
            }
        }
        if failed && let Some(mut line) = current.take() {
            // What is behind it on the same channel has failed with it, or is slow for the same
            // reason; its own deadline is not far.
            while let Some(result) = line.publishing.join_next().await {
                if let Ok(result) = result {
                    let _ = told.send(result);
                }
            }
            tracing::warn!(%queue, "a dead letter could not be published: it goes without its reason");
            pause = Some(Instant::now() + PAUSE);
            for (of, _) in batch.drain(..) {
                let _ = told.send((of, false));
            }
        }
    }
}

impl Line {
    async fn open(config: &AmqpConfig, lane: Lane) -> Result<Self, Error> {
        let (session, _) = Session::open(config, Part::bury(lane)).await?;
        let deadline = Deadline::within(config.connect_timeout);
        let channel = session.channel(deadline).await?;
        let confirm = channel.confirm_select(ConfirmSelectOptions::default());
        let subject = "the channel for dead letters";
        deadline.step(During::Publish, subject, confirm).await?;
        Ok(Self {
            session,
            channel,
            publishing: JoinSet::new(),
        })
    }

    fn publish(&mut self, of: Whose, letter: Letter, queue: &ShortString, cap: Duration) {
        let (channel, queue) = (self.channel.clone(), queue.clone());
        let mut publish = Box::pin(async move {
            let options = BasicPublishOptions {
                mandatory: true,
                ..BasicPublishOptions::default()
            };
            let Letter { properties, body } = letter;
            let sent = channel.basic_publish("".into(), queue, options, &body, properties);
            // An ack of what was returned is none.
            let confirmation = match sent.await {
                Ok(confirm) => confirm.await,
                Err(error) => Err(error),
            };
            matches!(confirmation, Ok(Confirmation::Ack(None)))
        });
        // The first poll puts it into lapin's queue: that makes the order.
        let first = Pin::new(&mut publish).poll(&mut Context::from_waker(Waker::noop()));
        let until = Instant::now() + cap;
        self.publishing.spawn(async move {
            let result = match first {
                Poll::Ready(arrived) => arrived,
                Poll::Pending => timeout_at(until, publish).await.unwrap_or(false),
            };
            (of, result)
        });
    }
}
