//! How are the consumers of one lane made, looked after, and left, for as long as one connection lives?

use std::{sync::Arc, time::Duration};

use algedonic_transport::{Error, Lane};
use futures_util::future::try_join_all;
use lapin::Consumer;
use tokio::{
    sync::Notify,
    time::{Instant, MissedTickBehavior, interval_at, sleep_until, timeout},
};

use super::{
    Interest,
    reading::Reader,
    subscription::Subscription,
    unsettled::{Task, Unsettled},
};
use crate::{
    AmqpConfig,
    connect::{Deadline, Session},
    dead_letter::{DeadLetters, Whose},
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

/// Why the consumers of a lane ended.
pub(crate) enum End {
    /// The application does not want the lane any more, or is closing the transport.
    Unwanted,
    Lost(Error),
}

/// One generation of the consumers of one lane, one for each of its queues. Dropped, it is over.
pub(crate) struct Attached<'interest> {
    interest: &'interest Interest,
    /// The most urgent first.
    subscriptions: Vec<Subscription>,
    /// Something in one of their books is to be seen to.
    call: Arc<Notify>,
    dead_letters: DeadLetters,
}

impl Drop for Attached<'_> {
    fn drop(&mut self) {
        self.interest.inlet.shut();
        for subscription in &self.subscriptions {
            subscription.unsettled.over();
        }
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
        let queues = topology::queues(config, lane);
        let prefetch = config.lane_queue(lane).prefetch;
        let call = Arc::new(Notify::new());
        let (letters, dead_letters) = DeadLetters::new(config.clone(), lane, queues.len());
        let channels = queues
            .iter()
            .map(|_| Subscription::channel(session, deadline, prefetch));
        let channels = try_join_all(channels).await?;
        let (mut subscriptions, mut sources) = (Vec::new(), Vec::new());
        // One after the other: what is most urgent is on its way before what can wait.
        for ((queue, letters), channel) in queues.into_iter().zip(letters).zip(channels) {
            let reader = Reader::new(lane, config.clone(), interest.attempts.clone());
            let unsettled = Unsettled::new(
                reader,
                channel.clone(),
                letters,
                session.frame_max(),
                usize::from(prefetch / 2).clamp(1, 50),
                call.clone(),
            );
            let opening = Subscription::open(session, deadline, channel, queue, unsettled.clone());
            let (subscription, consumer) = opening.await?;
            sources.push((consumer, unsettled));
            subscriptions.push(subscription);
        }
        // All at once: nobody reads what can wait before it is known whether something cannot.
        interest.inlet.open(sources);
        Ok(Self {
            interest,
            subscriptions,
            call,
            dead_letters,
        })
    }

    /// Looks after the consumers, until either side ends one.
    pub(crate) async fn run(mut self, mut phases: Phases) -> End {
        let mut look = interval_at(Instant::now() + LOOK, LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut flush_at: Option<Instant> = None;
        loop {
            tokio::select! {
                biased;
                () = phases.draining() => return self.leave().await,
                () = self.interest.unwanted() => return self.leave().await,
                () = self.call.notified() => {
                    let mut attend = false;
                    for subscription in &self.subscriptions {
                        match subscription.unsettled.task() {
                            Some(Task::End(error)) => return ended(subscription, error),
                            Some(Task::Attend) => attend = true,
                            None => {}
                        }
                    }
                    if attend {
                        flush_at.get_or_insert_with(|| Instant::now() + GATHER);
                    }
                }
                () = sleep_until(flush_at.unwrap_or_else(Instant::now)), if flush_at.is_some() => {
                    let more = self.flush();
                    flush_at = more.then(|| Instant::now() + GATHER);
                }
                Some((of, arrived)) = self.dead_letters.next() => self.buried(of, arrived),
                _ = look.tick() => self.interest.inlet.look(),
            }
        }
    }

    /// Tells the broker of all acks that were gathered; none were since the last time: false.
    fn flush(&self) -> bool {
        let flushed = self.subscriptions.iter();
        // Each, whatever the others had.
        flushed.fold(false, |more, one| one.unsettled.flush() | more)
    }

    fn buried(&self, of: Whose, arrived: bool) {
        self.subscriptions[of.queue]
            .unsettled
            .buried(of.tag, arrived);
    }

    fn burying(&self) -> bool {
        let mut subscriptions = self.subscriptions.iter();
        subscriptions.any(|one| one.unsettled.burying() > 0)
    }

    /// Cancels the subscriptions, and tells the broker what was settled by now. What was not comes
    /// again, to the next consumer of its queue.
    async fn leave(mut self) -> End {
        let consumers = self.interest.inlet.shut();
        if timeout(GOODBYE, self.say_goodbye(consumers)).await.is_err() {
            tracing::debug!("consumer not cancelled in time");
        }
        End::Unwanted
    }

    /// To none if one of them has ended.
    async fn say_goodbye(&mut self, consumers: Vec<Consumer>) {
        let said = async {
            self.flush();
            let each = self.subscriptions.iter().zip(&consumers);
            try_join_all(each.map(|(subscription, consumer)| subscription.cancel(consumer)))
                .await?;
            while self.burying()
                && let Some((of, arrived)) = self.dead_letters.next().await
            {
                self.buried(of, arrived);
            }
            try_join_all(self.subscriptions.iter().map(Subscription::close)).await?;
            Ok::<_, lapin::Error>(())
        };
        if let Err(error) = said.await {
            tracing::debug!(error = %crate::error::words(&error), "consumer not cancelled");
        }
    }
}

fn ended(subscription: &Subscription, error: Option<lapin::Error>) -> End {
    End::Lost(match error {
        Some(error) => {
            let queue = &subscription.queue;
            classify(During::Consume, &format!("queue {queue}"), &error)
        }
        None => lost(During::Consume, "the broker ended the subscription"),
    })
}
