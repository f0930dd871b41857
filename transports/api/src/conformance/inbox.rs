use std::{collections::HashSet, time::Duration};

use futures_util::{FutureExt, StreamExt, stream::select_all};
use tokio::{task::consume_budget, time::timeout};

use super::{
    failure::{Failure, ensure},
    patience::Patience,
};
use crate::{Arrival, BoxStream, Delivery, EventId, Message};

/// One lane's arrivals, read with a deadline.
pub(super) struct Inbox {
    /// Whose it is, for the words of a failure.
    name: String,
    stream: BoxStream<Arrival>,
    patience: Patience,
}

impl Inbox {
    pub(super) fn new(name: String, stream: BoxStream<Arrival>, patience: Patience) -> Self {
        Self {
            name,
            stream,
            patience,
        }
    }

    /// What arrives at any of these, of which there is one at least.
    pub(super) fn merge(inboxes: Vec<Self>) -> Self {
        let (name, patience) = (inboxes[0].name.clone(), inboxes[0].patience);
        let streams = inboxes.into_iter().map(|inbox| inbox.stream);
        Self::new(name, Box::pin(select_all(streams)), patience)
    }

    /// The same inbox, read with another deadline.
    pub(super) fn with_patience(self, patience: Patience) -> Self {
        Self { patience, ..self }
    }

    /// The next delivery, unsettled.
    pub(super) async fn next(&mut self, what: &str) -> Result<Delivery, Failure> {
        let patience = self.patience;
        let awaited = format!("{what} (inbox of {})", self.name);
        patience.within(awaited, self.come(what)).await?
    }

    /// The next delivery, acknowledged; it must be this one.
    pub(super) async fn expect(&mut self, expected: &Message, what: &str) -> Result<(), Failure> {
        let delivery = self.next(what).await?;
        let came = delivery.message().clone();
        delivery.ack();
        ensure(came.metadata.id == expected.metadata.id, || {
            format!(
                "awaited {what} (inbox of {}); came another one: {came:?}",
                self.name
            )
        })
    }

    /// What is there without waiting for anything, unsettled.
    pub(super) fn at_hand(&mut self) -> Vec<Delivery> {
        let mut deliveries = Vec::new();
        while let Some(Some(Arrival::Message(delivery))) = self.stream.next().now_or_never() {
            deliveries.push(delivery);
        }
        deliveries
    }

    /// Acknowledges until each of `expected` has come; each once, in the order of their coming.
    /// Repetitions are let pass, strangers are not.
    pub(super) async fn collect(
        &mut self,
        expected: &HashSet<EventId>,
    ) -> Result<Vec<Message>, Failure> {
        self.collect_among(expected, expected).await
    }

    /// As [`collect`](Self::collect), where nothing may come twice.
    pub(super) async fn collect_once(
        &mut self,
        expected: &HashSet<EventId>,
    ) -> Result<Vec<Message>, Failure> {
        self.collect_among(expected, &HashSet::new()).await
    }

    /// As [`collect`](Self::collect), where any of `others` may come too, and again.
    pub(super) async fn collect_among(
        &mut self,
        expected: &HashSet<EventId>,
        others: &HashSet<EventId>,
    ) -> Result<Vec<Message>, Failure> {
        let what = format!("{} messages", expected.len());
        let name = self.name.clone();
        let patience = self.patience;
        let mut missing = expected.clone();
        let mut came = Vec::with_capacity(expected.len());
        let collecting = async {
            while !missing.is_empty() {
                let delivery = self.come(&what).await?;
                let message = delivery.message().clone();
                delivery.ack();
                // A stream that is always ready would leave the deadline no chance.
                consume_budget().await;
                if missing.remove(&message.metadata.id) {
                    came.push(message);
                } else {
                    let id = message.metadata.id;
                    let how = if expected.contains(&id) {
                        "a second time"
                    } else {
                        "a stranger"
                    };
                    ensure(others.contains(&id), || {
                        format!("awaited {what} (inbox of {name}); came {how}: {message:?}")
                    })?;
                }
            }
            Ok(())
        };
        match patience
            .within(format!("{what} (inbox of {name})"), collecting)
            .await
        {
            Ok(Ok(())) => Ok(came),
            Ok(Err(failure)) => Err(failure),
            Err(failure) => {
                let example = missing.iter().min();
                let came = came.len();
                Err(Failure::new(format!(
                    "{failure}; {came} came, missing for example {example:?}"
                )))
            }
        }
    }

    /// Acknowledges whatever comes until this message has come.
    pub(super) async fn until(&mut self, last: &Message, what: &str) -> Result<(), Failure> {
        let patience = self.patience;
        let reading = async {
            loop {
                let delivery = self.come(what).await?;
                let came = delivery.message().metadata.id;
                delivery.ack();
                if came == last.metadata.id {
                    return Ok(());
                }
                consume_budget().await;
            }
        };
        patience.within(what, reading).await?
    }

    /// Acknowledges until this message has come; before it comes nothing but repetitions of `expected`.
    pub(super) async fn until_only(
        &mut self,
        last: &Message,
        expected: &HashSet<EventId>,
    ) -> Result<(), Failure> {
        let what = format!("the last message (inbox of {})", self.name);
        let patience = self.patience;
        let reading = async {
            loop {
                let delivery = self.come("the last message").await?;
                let message = delivery.message().clone();
                delivery.ack();
                if message.metadata.id == last.metadata.id {
                    return Ok(());
                }
                ensure(expected.contains(&message.metadata.id), || {
                    format!("awaited the last message; came a stranger: {message:?}")
                })?;
                consume_budget().await;
            }
        };
        patience.within(what, reading).await?
    }

    /// Nothing comes for so long.
    pub(super) async fn is_quiet(&mut self, time: Duration, what: &str) -> Result<(), Failure> {
        match timeout(time, self.stream.next()).await {
            Err(_) => Ok(()),
            Ok(came) => Err(Failure::new(format!(
                "awaited nothing for {time:?}, {what} (inbox of {}); came {came:?}",
                self.name
            ))),
        }
    }

    /// Reads to the end of the stream, which must come; what comes before it is not settled.
    pub(super) async fn end(mut self) -> Result<(), Failure> {
        let what = format!("the end of the arrivals (inbox of {})", self.name);
        let ending = async {
            let mut unsettled = Vec::new();
            while let Some(arrival) = self.stream.next().await {
                unsettled.push(arrival);
                consume_budget().await;
            }
        };
        self.patience.within(what, ending).await
    }

    /// The next delivery, without a deadline.
    async fn come(&mut self, what: &str) -> Result<Delivery, Failure> {
        let name = &self.name;
        match self.stream.next().await {
            Some(Arrival::Message(delivery)) => Ok(delivery),
            Some(Arrival::Malformed(error)) => Err(Failure::new(format!(
                "awaited {what} (inbox of {name}); came something malformed: {error:#}"
            ))),
            None => Err(Failure::new(format!(
                "awaited {what} (inbox of {name}); the arrivals ended"
            ))),
        }
    }
}
