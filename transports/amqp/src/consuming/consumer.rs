//! How is the consumer of one lane made, looked after, and left, for as long as one channel lives?

use std::{sync::Arc, time::Duration};

use algedonic_transport::{Error, Lane};
use lapin::{
    Channel, Consumer,
    options::{BasicCancelOptions, BasicConsumeOptions, BasicQosOptions},
    types::FieldTable,
};
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until, timeout};

use super::{
    Interest,
    reading::Reader,
    unsettled::{Task, Unsettled},
};
use crate::{
    AmqpConfig,
    connect::{Deadline, Session},
    dead_letter::DeadLetters,
    error::{During, classify, lost},
    phase::Phases,
    topology,
};

/// How long an ack waits for company.
const GATHER: Duration = Duration::from_millis(5);
/// How often is looked whether the consumer has ended, where the application does not read.
const LOOK: Duration = Duration::from_millis(250);
/// How long a goodbye may take, with the dead letters that are on their way.
const GOODBYE: Duration = Duration::from_secs(1);

/// Why a consumer ended.
pub(crate) enum End {
    /// The application does not want the lane any more, or is closing the transport.
    Unwanted,
    Lost(Error),
}

/// One generation of the consumer of one lane. Dropped, it is over.
pub(crate) struct Attached<'interest> {
    lane: Lane,
    config: Arc<AmqpConfig>,
    interest: &'interest Interest,
    channel: Channel,
    unsettled: Arc<Unsettled>,
    dead_letters: DeadLetters,
}

impl Drop for Attached<'_> {
    fn drop(&mut self) {
        self.interest.inlet.shut();
        self.unsettled.over();
    }
}

impl<'interest> Attached<'interest> {
    /// Declares what the lane needs, and subscribes, all within the time that connecting may take.
    pub(crate) async fn open(
        session: &Session,
        config: &Arc<AmqpConfig>,
        lane: Lane,
        interest: &'interest Interest,
    ) -> Result<Self, Error> {
        let deadline = Deadline::within(config.connect_timeout);
        topology::declare_lane(session, config, lane, &interest.patterns, deadline).await?;
        let channel = session.channel(deadline).await?;
        let prefetch = config.lane_queue(lane).prefetch;
        let qos = channel.basic_qos(prefetch, BasicQosOptions::default());
        session.step(deadline, qos).await?;
        let consumer = channel.basic_consume(
            topology::queue(config, lane),
            "".into(),
            BasicConsumeOptions::default(),
            FieldTable::default(),
        );
        let consumer = session.step(deadline, consumer).await?;
        let (letters, dead_letters) = DeadLetters::new(config.clone(), lane);
        let unsettled = Unsettled::new(
            Reader::new(lane, config.clone(), interest.attempts.clone()),
            channel.clone(),
            letters,
            session.frame_max(),
            usize::from(prefetch / 2).clamp(1, 50),
        );
        interest.inlet.open(consumer, unsettled.clone());
        Ok(Self {
            lane,
            config: config.clone(),
            interest,
            channel,
            unsettled,
            dead_letters,
        })
    }

    /// Looks after the consumer, until either side ends it.
    pub(crate) async fn run(mut self, mut phases: Phases) -> End {
        let mut look = interval_at(Instant::now() + LOOK, LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut flush_at: Option<Instant> = None;
        loop {
            tokio::select! {
                biased;
                () = phases.draining() => return self.leave().await,
                () = self.interest.unwanted() => return self.leave().await,
                task = self.unsettled.called() => match task {
                    Task::Attend => flush_at = Some(Instant::now() + GATHER),
                    Task::End(error) => return self.ended(error),
                },
                () = sleep_until(flush_at.unwrap_or_else(Instant::now)), if flush_at.is_some() => {
                    let more = self.unsettled.flush();
                    flush_at = more.then(|| Instant::now() + GATHER);
                }
                Some((tag, arrived)) = self.dead_letters.next() => {
                    self.unsettled.buried(tag, arrived);
                }
                _ = look.tick() => self.interest.inlet.look(),
            }
        }
    }

    fn ended(&self, error: Option<lapin::Error>) -> End {
        End::Lost(match error {
            Some(error) => {
                let queue = topology::queue(&self.config, self.lane);
                classify(During::Consume, &format!("queue {queue}"), &error)
            }
            None => lost(During::Consume, "the broker ended the subscription"),
        })
    }

    /// Cancels the subscription, and tells the broker what was settled by now. What was not comes
    /// again, to the next consumer of the queue.
    async fn leave(mut self) -> End {
        let consumer = self.interest.inlet.shut();
        if timeout(GOODBYE, self.say_goodbye(consumer)).await.is_err() {
            tracing::debug!("consumer not cancelled in time");
        }
        End::Unwanted
    }

    async fn say_goodbye(&mut self, consumer: Option<Consumer>) {
        let said = async {
            self.unsettled.flush();
            if let Some(consumer) = &consumer {
                let cancel = BasicCancelOptions::default();
                self.channel.basic_cancel(consumer.tag(), cancel).await?;
            }
            while self.unsettled.burying() > 0
                && let Some((tag, arrived)) = self.dead_letters.next().await
            {
                self.unsettled.buried(tag, arrived);
            }
            self.unsettled.flush();
            self.unsettled.over();
            // The answer comes after the acks were read; closing gives the rest back.
            self.channel.close(200, "OK".into()).await
        };
        if let Err(error) = said.await {
            tracing::debug!(error = %crate::error::words(&error), "consumer not cancelled");
        }
    }
}
