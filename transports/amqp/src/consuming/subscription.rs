//! How is one queue of a lane consumed, on a channel of its own?
//!
//! Of its own, since the tags of a channel are settled in the order in which they came, and a lane with several
//! queues hands out what is urgent first.

use std::sync::Arc;

use algedonic_transport::Error;
use lapin::{
    Channel, Consumer,
    options::{BasicCancelOptions, BasicConsumeOptions, BasicQosOptions},
    types::{FieldTable, ShortString},
};

use super::unsettled::Unsettled;
use crate::connect::{Deadline, Session};

/// The consumer of one queue, for as long as its channel lives.
pub(crate) struct Subscription {
    pub(crate) queue: ShortString,
    pub(crate) unsettled: Arc<Unsettled>,
    channel: Channel,
}

impl Subscription {
    /// One to subscribe on.
    pub(crate) async fn channel(
        session: &Session,
        deadline: Deadline,
        prefetch: u16,
    ) -> Result<Channel, Error> {
        let channel = session.channel(deadline).await?;
        let qos = channel.basic_qos(prefetch, BasicQosOptions::default());
        session.step(deadline, qos).await?;
        Ok(channel)
    }

    /// With where its deliveries come from.
    pub(crate) async fn open(
        session: &Session,
        deadline: Deadline,
        channel: Channel,
        queue: ShortString,
        unsettled: Arc<Unsettled>,
    ) -> Result<(Self, Consumer), Error> {
        let consumer = channel.basic_consume(
            queue.clone(),
            "".into(),
            BasicConsumeOptions::default(),
            FieldTable::default(),
        );
        let consumer = session.step(deadline, consumer).await?;
        let subscription = Self {
            queue,
            unsettled,
            channel,
        };
        Ok((subscription, consumer))
    }

    /// The broker sends nothing more; what it has sent can still be settled.
    pub(crate) async fn cancel(&self, consumer: &Consumer) -> lapin::Result<()> {
        let cancel = BasicCancelOptions::default();
        self.channel.basic_cancel(consumer.tag(), cancel).await
    }

    /// Tells what was settled, and gives the rest back. The answer comes after the acks were read.
    pub(crate) async fn close(&self) -> lapin::Result<()> {
        self.unsettled.flush();
        self.unsettled.over();
        self.channel.close(200, "OK".into()).await
    }
}
