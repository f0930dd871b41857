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
mod line;

use std::{sync::Arc, time::Duration};

use algedonic_transport::Lane;
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{Instant, sleep},
};

pub(crate) use self::letter::{Letter, Reason, compose};
use self::line::{Line, Told};
use crate::AmqpConfig;

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
        let burying = Burying {
            config,
            lane,
            told,
            pause: None,
            line: None,
        };
        task.spawn(burying.run(handed_in));
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

/// Publishes the dead letters of one lane.
struct Burying {
    config: Arc<AmqpConfig>,
    lane: Lane,
    told: mpsc::UnboundedSender<(Whose, bool)>,
    /// Until then nothing is published.
    pause: Option<Instant>,
    line: Option<Line>,
}

impl Burying {
    async fn run(mut self, mut handed_in: mpsc::UnboundedReceiver<(Whose, Letter)>) {
        loop {
            let Some(line) = &mut self.line else {
                let Some((of, letter)) = handed_in.recv().await else {
                    return;
                };
                self.bury(of, letter).await;
                continue;
            };
            let is_idle = line.is_idle();
            tokio::select! {
                biased;
                told = line.next() => self.tell(told).await,
                letter = handed_in.recv() => match letter {
                    Some((of, letter)) => self.bury(of, letter).await,
                    None => return,
                },
                () = sleep(IDLE), if is_idle => if let Some(line) = self.line.take() {
                    line.close(Duration::from_secs(1)).await;
                },
            }
        }
    }

    async fn bury(&mut self, of: Whose, letter: Letter) {
        // One that was lost while nothing was on its way says nothing of the next.
        while let Some(line) = &mut self.line
            && !line.is_open()
        {
            let told = line.next().await;
            self.tell(told).await;
        }
        if self.line.is_none() && self.pause.is_none_or(|until| until <= Instant::now()) {
            self.pause = None;
            match Line::open(&self.config, self.lane).await {
                Ok(line) => self.line = Some(line),
                Err(error) => self.give_up(&error.to_string()),
            }
        }
        match &mut self.line {
            Some(line) => line.publish(of, letter),
            None => self.say(vec![(of, false)]),
        }
    }

    async fn tell(&mut self, told: Told) {
        let failed = told.iter().any(|(_, arrived)| !arrived);
        self.say(told);
        let Some(line) = &mut self.line else { return };
        if !failed {
            if line.is_idle() && !line.is_open() {
                self.line = None;
            }
            return;
        }
        // What is behind it on the same channel has failed with it, or is slow for the same reason; its own
        // deadline is not far.
        while let Some(line) = &mut self.line
            && !line.is_idle()
        {
            let told = line.next().await;
            self.say(told);
        }
        self.line = None;
        self.give_up("one could not be published");
    }

    /// For a while.
    fn give_up(&mut self, why: &str) {
        tracing::warn!(lane = %self.lane, why, "dead letters go without their reasons");
        self.pause = Some(Instant::now() + PAUSE);
    }

    fn say(&self, told: Told) {
        for one in told {
            // Nobody listens when the consumers have ended: then the letter's original comes again.
            let _ = self.told.send(one);
        }
    }
}
