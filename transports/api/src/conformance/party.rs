use std::{collections::HashSet, sync::Arc, time::Duration};

use futures_util::{StreamExt, stream::FuturesUnordered};
use tokio::task::consume_budget;

use super::{
    failure::{Failure, ensure},
    inbox::Inbox,
    patience::Patience,
    world::World,
};
use crate::{
    Capabilities, Closed, Error, ErrorKind, EventId, Lane, Link, Message, Outcome, Pattern,
    Transport,
};

/// The pause between two attempts at the same message.
const RETRY: Duration = Duration::from_millis(5);

/// One side of a conversation: a transport under test, waited for with a deadline.
#[derive(Clone)]
pub(super) struct Party {
    pub(super) transport: Arc<dyn Transport>,
    pub(super) patience: Patience,
    pub(super) name: String,
}

impl Party {
    /// Makes a transport, and waits for nothing.
    pub(super) fn new(world: &dyn World, name: &str) -> Self {
        Self::of(world.connect(name), world, name)
    }

    /// A party with this transport.
    pub(super) fn of(transport: Arc<dyn Transport>, world: &dyn World, name: &str) -> Self {
        Self {
            transport,
            patience: Patience::of(world),
            name: name.to_owned(),
        }
    }

    /// The same party, waited for as long as an outage asks for.
    pub(super) fn patient(self, world: &dyn World) -> Self {
        Self {
            patience: Patience(world.outage_deadline()),
            ..self
        }
    }

    /// A party whose link is up.
    pub(super) async fn up(world: &dyn World, name: &str) -> Result<Self, Failure> {
        let party = Self::new(world, name);
        party.comes_up().await?;
        Ok(party)
    }

    /// A party whose interest in one lane is known to the others.
    pub(super) async fn listening(
        world: &dyn World,
        name: &str,
        lane: Lane,
        interest: &[&str],
    ) -> Result<(Self, Inbox), Failure> {
        let party = Self::new(world, name);
        let inbox = party.receive(lane, interest)?;
        party.comes_up().await?;
        Ok((party, inbox))
    }

    pub(super) fn capabilities(&self) -> Capabilities {
        self.transport.capabilities()
    }

    /// Begins to receive a lane.
    pub(super) fn receive(&self, lane: Lane, interest: &[&str]) -> Result<Inbox, Failure> {
        let stream = self
            .transport
            .receive(lane, patterns(interest))
            .map_err(|error| {
                Failure::new(format!("{} cannot receive {lane}: {error:#}", self.name))
            })?;
        Ok(Inbox::new(
            format!("{}, {lane}", self.name),
            stream,
            self.patience,
        ))
    }

    /// Waits until the link is up.
    pub(super) async fn comes_up(&self) -> Result<Link, Failure> {
        self.becomes("an up link", Link::is_up).await
    }

    /// Waits until the link is as asked for.
    pub(super) async fn becomes(
        &self,
        what: &str,
        wanted: impl Fn(&Link) -> bool,
    ) -> Result<Link, Failure> {
        let mut links = self.transport.links();
        let search = async {
            while let Some(link) = links.next().await {
                if wanted(&link) {
                    return Ok(link);
                }
                consume_budget().await;
            }
            Err(Failure::new(format!(
                "awaited {what} of {}; the links ended",
                self.name
            )))
        };
        match self.patience.within(what, search).await {
            Ok(found) => found,
            Err(failure) => Err(Failure::new(format!(
                "{failure}; the link of {} is {:?}",
                self.name,
                self.transport.link()
            ))),
        }
    }

    /// What becomes of one message.
    pub(super) async fn send(&self, message: Message) -> Result<Result<Outcome, Error>, Failure> {
        let what = format!("the outcome of a message to {}", message.metadata.key);
        self.patience
            .within(what, self.transport.send(message))
            .await
    }

    /// Sends one message, which must be confirmed.
    pub(super) async fn confirm(&self, message: &Message) -> Result<(), Failure> {
        confirmed(message, self.send(message.clone()).await?)
    }

    /// Sends the messages in their order, half a window of them at once; each must be confirmed.
    pub(super) async fn confirm_all(&self, messages: &[Message]) -> Result<(), Failure> {
        self.confirm_some(messages, 2).await
    }

    /// As [`confirm_all`](Self::confirm_all), with this part of the window.
    pub(super) async fn confirm_some(
        &self,
        messages: &[Message],
        part: usize,
    ) -> Result<(), Failure> {
        let at_once = (self.capabilities().window / part).max(1);
        let mut in_flight = FuturesUnordered::new();
        let what = format!("the outcomes of {} messages", messages.len());
        let sending = async {
            for message in messages {
                if in_flight.len() >= at_once {
                    in_flight.next().await.unwrap_or(Ok(()))?;
                }
                let outcome = self.transport.send(message.clone());
                in_flight.push(async move { confirmed(message, outcome.await) });
            }
            while let Some(outcome) = in_flight.next().await {
                outcome?;
            }
            Ok(())
        };
        self.patience.within(what, sending).await?
    }

    /// Sends one message, again under the same id while `again` says so, until it is confirmed.
    pub(super) async fn insist(
        &self,
        message: &Message,
        again: impl Fn(&Result<Outcome, Error>) -> bool,
    ) -> Result<(), Failure> {
        let what = format!("the confirmation of a message to {}", message.metadata.key);
        let mut last = None;
        let insisting = async {
            loop {
                let outcome = self.transport.send(message.clone()).await;
                if matches!(outcome, Ok(Outcome::Confirmed)) || !again(&outcome) {
                    return confirmed(message, outcome);
                }
                last = Some(outcome);
                tokio::time::sleep(RETRY).await;
            }
        };
        match self.patience.within(what, insisting).await {
            Ok(ended) => ended,
            Err(failure) => Err(Failure::new(format!(
                "{failure}; the last answer: {last:?}"
            ))),
        }
    }

    /// After all that came until now, this message and nothing else: what was settled stays settled,
    /// and what was not asked for does not come.
    pub(super) async fn then_only(&self, last: &Message, inbox: &mut Inbox) -> Result<(), Failure> {
        self.confirm(last).await?;
        inbox
            .expect(last, "the last message, and nothing before it")
            .await
    }

    /// After `expected`, which came, this message, and nothing else but repetitions of `expected`.
    pub(super) async fn ends_with(
        &self,
        last: &Message,
        expected: &HashSet<EventId>,
        inbox: &mut Inbox,
    ) -> Result<(), Failure> {
        self.insist(last, is_busy).await?;
        inbox.until_only(last, expected).await
    }

    /// Closes with the usual deadline, which must do.
    pub(super) async fn close(&self) -> Result<Closed, Failure> {
        self.close_within(self.patience.0).await
    }

    /// Closes; it may take `deadline`, and some time to be scheduled.
    pub(super) async fn close_within(&self, deadline: Duration) -> Result<Closed, Failure> {
        let scheduling = self.patience.0 / 3;
        Patience(deadline + scheduling)
            .within(
                format!("the close of {} with a deadline of {deadline:?}", self.name),
                self.transport.close(deadline),
            )
            .await
    }
}

/// Whether a message was refused only because too many are on their way.
pub(super) fn is_busy(outcome: &Result<Outcome, Error>) -> bool {
    matches!(outcome, Err(error) if error.kind() == ErrorKind::Busy)
}

/// The ids of those messages that were confirmed; the others must have been refused as busy.
pub(super) fn confirmed_or_busy(
    outcomes: impl IntoIterator<Item = (EventId, Result<Outcome, Error>)>,
) -> Result<HashSet<EventId>, Failure> {
    let mut taken = HashSet::new();
    for (id, outcome) in outcomes {
        if matches!(outcome, Ok(Outcome::Confirmed)) {
            taken.insert(id);
        } else {
            ensure(is_busy(&outcome), || {
                format!("awaited a confirmation or Busy for each message; one got {outcome:?}")
            })?;
        }
    }
    Ok(taken)
}

/// Patterns known to be good.
pub(super) fn patterns(texts: &[&str]) -> Vec<Pattern> {
    texts
        .iter()
        .map(|text| Pattern::new(text).expect("a pattern of the suite"))
        .collect()
}

fn confirmed(message: &Message, outcome: Result<Outcome, Error>) -> Result<(), Failure> {
    match outcome {
        Ok(Outcome::Confirmed) => Ok(()),
        other => Err(Failure::new(format!(
            "awaited a confirmation for a message to {}; came {other:?}",
            message.metadata.key
        ))),
    }
}
