//! How are dead letters published, and what became of each?

use std::{
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use algedonic_transport::{Error, Lane};
use lapin::{
    Channel, Confirmation, PublisherConfirm,
    options::{BasicPublishOptions, ConfirmSelectOptions},
    types::ShortString,
};
use tokio::time::{Instant, sleep_until};

use super::{
    Whose,
    letter::{self, Letter},
};
use crate::{
    AmqpConfig,
    connect::{Change, Changes, Deadline, Session},
    error::{During, words},
    part::Part,
    topology,
    window::{Answer, Fate, Window},
};

/// A connection with a channel, and what is on its way there.
pub(super) struct Line {
    session: Session,
    changes: Changes,
    lost: bool,
    channel: Channel,
    queue: ShortString,
    cap: Duration,
    /// Which letter a return is about, its id says. None once it was told.
    window: Window<Option<Whose>, Confirm>,
    /// How many are not told.
    awaited: usize,
}

/// Letters, and whether each is there.
pub(super) type Told = Vec<(Whose, bool)>;

impl Line {
    pub(super) async fn open(config: &AmqpConfig, lane: Lane) -> Result<Self, Error> {
        let (session, changes) = Session::open(config, Part::bury(lane)).await?;
        let deadline = Deadline::within(config.connect_timeout);
        let channel = session.channel(deadline).await?;
        let confirm = channel.confirm_select(ConfirmSelectOptions::default());
        let subject = "the channel for dead letters";
        deadline.step(During::Publish, subject, confirm).await?;
        Ok(Self {
            session,
            changes,
            lost: false,
            channel,
            queue: topology::dead_letter_queue(config, lane),
            cap: config.confirm_timeout,
            window: Window::new(),
            awaited: 0,
        })
    }

    /// Whether a letter can leave.
    pub(super) fn is_open(&self) -> bool {
        !self.lost && self.channel.status().connected() && self.session.is_connected()
    }

    pub(super) fn is_idle(&self) -> bool {
        self.awaited == 0
    }

    /// Puts a letter on the channel, behind all that were before.
    pub(super) fn publish(&mut self, of: Whose, letter: Letter) {
        let (channel, queue) = (self.channel.clone(), self.queue.clone());
        let Letter {
            id,
            properties,
            body,
        } = letter;
        let write = async move {
            let options = BasicPublishOptions {
                mandatory: true,
                ..BasicPublishOptions::default()
            };
            let sent = channel.basic_publish("".into(), queue, options, &body, properties);
            sent.await.map(Confirm).map_err(|error| failed(&error))
        };
        let deadline = Instant::now() + self.cap;
        self.window.push(id, deadline, write, Some(of));
        self.awaited += 1;
    }

    /// Waits for the next letters whose fate is known, or that have waited too long; with none on their way, for
    /// the end of the connection.
    pub(super) async fn next(&mut self) -> Told {
        let mut told = Told::new();
        loop {
            let now = Instant::now();
            let arrived = |(of, fate): (Option<Whose>, _)| Some((of?, fate == Fate::Confirmed));
            told.extend(self.window.drain().filter_map(arrived));
            self.window
                .expire(now, |of| told.extend(of.take().map(|of| (of, false))));
            if told.is_empty() && !self.is_open() {
                // What is undecided by now may have lost its return with the channel.
                let ended = self.window.finish(&Arc::from("the channel was closed"));
                told.extend(ended.into_iter().filter_map(arrived));
                return self.count(told);
            }
            if !told.is_empty() {
                return self.count(told);
            }
            let calls = self.window.calls().clone();
            let deadline = self.window.deadline();
            tokio::select! {
                () = poll_fn(|context| calls.poll(context)) => {}
                () = sleep_until(deadline.unwrap_or(now)), if deadline.is_some() => {}
                change = self.changes.next() => if let Change::Lost(error) = change {
                    tracing::debug!(%error, "the connection for dead letters is lost");
                    self.lost = true;
                },
            }
        }
    }

    fn count(&mut self, told: Told) -> Told {
        self.awaited -= told.len();
        told
    }

    pub(super) async fn close(self, cap: Duration) {
        self.session.close(cap).await;
    }
}

/// Resolves with the broker's answer to one letter.
struct Confirm(PublisherConfirm);

impl Future for Confirm {
    type Output = Answer;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Answer> {
        Poll::Ready(match ready!(Pin::new(&mut self.0).poll(context)) {
            Ok(Confirmation::Ack(returned)) => Answer::Ack(returned.map(|it| letter::id_of(&it))),
            Ok(Confirmation::Nack(returned)) => Answer::Nack(returned.map(|it| letter::id_of(&it))),
            Ok(Confirmation::NotRequested) => {
                Answer::Failed("the channel is not in confirm mode".into())
            }
            Err(error) => failed(&error),
        })
    }
}

fn failed(error: &lapin::Error) -> Answer {
    Answer::Failed(words(error).into())
}
