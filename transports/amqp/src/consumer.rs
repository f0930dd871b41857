//! How do the messages of one lane arrive, and how is the broker told that they were settled?

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    sync::{Arc, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::{Duration, SystemTime},
};

use algedonic_transport::{Arrival, Delivery, Error, ErrorKind, Lane, Message, Settlement};
use bytes::Bytes;
use futures_core::Stream;
use lapin::{
    Channel, Consumer,
    options::{
        BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicNackOptions,
        BasicQosOptions, BasicRejectOptions,
    },
    types::FieldTable,
};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until, timeout},
};

use crate::{
    AmqpConfig,
    acks::{Acks, Frame},
    arrivals::{Arrived, Interest, Settled, Settler},
    attempts::Attempts,
    connect::{Deadline, Session},
    dead_letter::{DeadLetters, Reason, compose},
    error::{During, classify, lost},
    guard::Mark,
    phase::Phases,
    topology,
};

/// How long an ack waits for company.
const GATHER: Duration = Duration::from_millis(5);
/// How long a goodbye may take, with the dead letters that are on their way.
const GOODBYE: Duration = Duration::from_secs(1);

/// Why a consumer ended.
pub(crate) enum End {
    /// The application does not want the lane any more, or is closing the transport.
    Unwanted,
    Lost(Error),
}

/// One generation of the consumer of one lane.
pub(crate) struct Attached {
    lane: Lane,
    config: Arc<AmqpConfig>,
    channel: Channel,
    consumer: Consumer,
    interest: Interest,
    acks: Acks<Original>,
    settler: Arc<Settler>,
    settled: mpsc::UnboundedReceiver<Settled>,
    dead_letters: DeadLetters,
    /// The largest frame that can be sent, in bytes.
    frame_max: usize,
}

/// What is kept of a delivery until it is settled: all of it but the body.
struct Original {
    delivery: Box<lapin::message::Delivery>,
    attempt: u32,
}

/// What a consumer has to do next.
enum Step {
    Leave,
    Flush,
    Settle,
    /// A dead letter has arrived, or has not.
    Buried(u64, bool),
    /// There is a place for the delivery that waits for one.
    Room,
    Delivery(Next),
}

/// What lapin's consumer gives. Boxed: a delivery is large, and the other steps are nothing.
type Next = Option<lapin::Result<Box<lapin::message::Delivery>>>;

impl Attached {
    /// Declares what the lane needs, and subscribes, all within the time that connecting may take.
    pub(crate) async fn open(
        session: &Session,
        config: &Arc<AmqpConfig>,
        lane: Lane,
        interest: Interest,
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
        let (settler, settled) = Settler::new();
        Ok(Self {
            lane,
            dead_letters: DeadLetters::new(config.clone(), lane),
            frame_max: session.frame_max(),
            config: config.clone(),
            channel,
            consumer,
            interest,
            acks: Acks::new(),
            settler,
            settled,
        })
    }

    /// Carries deliveries one way and settlements the other, until either side ends it.
    pub(crate) async fn run(mut self, mut phases: Phases) -> End {
        let prefetch = self.config.lane_queue(self.lane).prefetch;
        let gather = usize::from(prefetch / 2).clamp(1, 50);
        let mut parked: Option<Arrived> = None;
        let mut flush_at: Option<Instant> = None;
        let mut settlements = Vec::with_capacity(gather);
        loop {
            let step = tokio::select! {
                biased;
                () = phases.draining() => Step::Leave,
                () = self.interest.arrivals.closed() => Step::Leave,
                () = sleep_until(flush_at.unwrap_or_else(Instant::now)), if flush_at.is_some() => {
                    Step::Flush
                }
                _ = self.settled.recv_many(&mut settlements, gather) => Step::Settle,
                Some((tag, arrived)) = self.dead_letters.next() => Step::Buried(tag, arrived),
                _ = self.interest.arrivals.reserve(), if parked.is_some() => Step::Room,
                delivery = next(&mut self.consumer), if parked.is_none() => {
                    Step::Delivery(delivery)
                }
            };
            let done = match step {
                Step::Leave => return self.leave().await,
                Step::Flush => self.flush(),
                Step::Settle => self.settle(&mut settlements),
                Step::Buried(tag, arrived) => self.buried(tag, arrived),
                Step::Room => {
                    parked = parked.and_then(|arrived| self.pass(arrived));
                    Ok(())
                }
                Step::Delivery(Some(Ok(delivery))) => self.arrive(delivery).map(|arrived| {
                    parked = self.pass(arrived);
                }),
                Step::Delivery(Some(Err(error))) => Err(error),
                // The queue was deleted, or the broker cancelled us.
                Step::Delivery(None) => {
                    let error = lost(During::Consume, "the broker ended the subscription");
                    return End::Lost(error);
                }
            };
            let done = match done {
                Ok(()) if self.acks.gathered() >= gather => self.flush(),
                done => done,
            };
            if let Err(error) = done {
                return self.lost(&error);
            }
            flush_at = match self.acks.gathered() {
                0 => None,
                _ => flush_at.or_else(|| Some(Instant::now() + GATHER)),
            };
        }
    }

    /// Passes on what there is room for, and gives back what there is none for.
    fn pass(&self, arrived: Arrived) -> Option<Arrived> {
        match self.interest.arrivals.try_send(arrived) {
            Err(mpsc::error::TrySendError::Full(arrived)) => Some(arrived),
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => None,
        }
    }

    fn arrive(&mut self, mut delivery: Box<lapin::message::Delivery>) -> lapin::Result<Arrived> {
        let tag = delivery.delivery_tag;
        let redelivered = delivery.redelivered;
        let attempt = self.attempts().of(redelivered, &delivery.properties);
        let mut body = std::mem::take(&mut delivery.data);
        let message = self.read(&delivery, &mut body, attempt);
        self.acks.delivered(tag, Original { delivery, attempt });
        match message {
            Ok(message) => Ok(Arrived {
                arrival: Arrival::Message(
                    Delivery::new(message, redelivered, self.settler.clone(), tag)
                        .with_attempt(attempt),
                ),
                settler: Some(self.settler.clone()),
            }),
            Err((reason, error)) => {
                self.bury(tag, &reason, body.into())?;
                Ok(Arrived {
                    arrival: Arrival::Malformed(error),
                    settler: None,
                })
            }
        }
    }

    /// The message; or why it is none that the application can use.
    fn read(
        &self,
        delivery: &lapin::message::Delivery,
        body: &mut Vec<u8>,
        attempt: u32,
    ) -> Result<Message, (Reason, Error)> {
        let operation = "read a message from RabbitMQ";
        if let Some(mark) = Mark::of(&delivery.properties) {
            let kind = if mark.too_large {
                ErrorKind::TooLarge
            } else {
                ErrorKind::Malformed
            };
            let error = Error::permanent(kind, operation)
                .with_detail(mark.reason.escape_debug().to_string());
            return Err((Reason::unreadable(&error), error));
        }
        let most = self.config.lane_queue(self.lane).max_attempts;
        if attempt > most {
            let error = Error::permanent(ErrorKind::Unexpected, operation).with_detail(format!(
                "it was delivered {most} times, and given back each time"
            ));
            return Err((Reason::exhausted(&error), error));
        }
        crate::wire::decode(
            self.lane,
            delivery.routing_key.as_str(),
            &delivery.properties,
            body,
            self.config.max_body_bytes,
            SystemTime::now(),
        )
        .map_err(|error| (Reason::unreadable(&error), error))
    }

    fn attempts(&self) -> MutexGuard<'_, Attempts> {
        let attempts = &self.interest.attempts;
        attempts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn settle(&mut self, settled: &mut Vec<Settled>) -> lapin::Result<()> {
        for settled in settled.drain(..) {
            match settled {
                Settled::Plainly(tag, settlement) => self.end(tag, settlement)?,
                Settled::Dead(tag, farewell) => {
                    self.bury(tag, &Reason::unwanted(&farewell.reason), farewell.body)?;
                }
            }
        }
        Ok(())
    }

    /// Settles a delivery with the broker.
    fn end(&mut self, tag: u64, settlement: Settlement) -> lapin::Result<()> {
        if settlement != Settlement::Requeue
            && let Some(original) = self.acks.kept(tag)
            && original.delivery.redelivered
        {
            let attempts = &self.interest.attempts;
            let mut attempts = attempts.lock().unwrap_or_else(PoisonError::into_inner);
            attempts.forget(&original.delivery.properties);
        }
        match self.acks.settle(tag, settlement) {
            Some(frame) => self.tell(frame),
            None => Ok(()),
        }
    }

    /// Sends a delivery to the dead-letter queue, and leaves it unsettled until it is there.
    fn bury(&mut self, tag: u64, reason: &Reason, body: Bytes) -> lapin::Result<()> {
        let Some(Original { delivery, attempt }) = self.acks.take(tag) else {
            return Ok(());
        };
        self.attempts().forget(&delivery.properties);
        let now = SystemTime::now();
        match compose(&delivery, body, attempt, reason, now, self.frame_max) {
            Some(letter) => {
                self.dead_letters.send(tag, letter);
                Ok(())
            }
            // RabbitMQ moves it as it is, without the reason.
            None => self.end(tag, Settlement::DeadLetter),
        }
    }

    fn buried(&mut self, tag: u64, arrived: bool) -> lapin::Result<()> {
        self.end(
            tag,
            if arrived {
                Settlement::Ack
            } else {
                Settlement::DeadLetter
            },
        )
    }

    fn flush(&mut self) -> lapin::Result<()> {
        for frame in self.acks.flush() {
            self.tell(frame)?;
        }
        Ok(())
    }

    /// Queues a frame. Awaiting each would cost a trip to lapin's thread and back; that it was
    /// written is learned from the next delivery, that it was not from the end of the consumer.
    fn tell(&self, frame: Frame) -> lapin::Result<()> {
        let channel = &self.channel;
        match frame {
            Frame::Ack { tag, multiple } => {
                queue(pin!(channel.basic_ack(tag, BasicAckOptions { multiple })))
            }
            Frame::Reject { tag } => queue(pin!(
                channel.basic_reject(tag, BasicRejectOptions { requeue: false })
            )),
            // A nack, not a reject: from RabbitMQ 4.3 on a reject counts as a failed attempt.
            Frame::Requeue { tag } => {
                let options = BasicNackOptions {
                    requeue: true,
                    multiple: false,
                };
                queue(pin!(channel.basic_nack(tag, options)))
            }
        }
    }

    fn lost(&self, error: &lapin::Error) -> End {
        let queue = topology::queue(&self.config, self.lane);
        let error = classify(During::Consume, &format!("queue {queue}"), error);
        End::Lost(error)
    }

    /// Cancels the subscription, and tells the broker what was settled by now. What was not comes
    /// again, to the next consumer of the queue.
    async fn leave(mut self) -> End {
        if timeout(GOODBYE, self.say_goodbye()).await.is_err() {
            tracing::debug!("consumer not cancelled in time");
        }
        End::Unwanted
    }

    async fn say_goodbye(&mut self) {
        let said = async {
            let mut settled = Vec::new();
            while let Ok(settlement) = self.settled.try_recv() {
                settled.push(settlement);
            }
            self.settle(&mut settled)?;
            self.flush()?;
            let tag = self.consumer.tag();
            self.channel
                .basic_cancel(tag, BasicCancelOptions::default())
                .await?;
            while let Some((tag, arrived)) = self.dead_letters.next().await {
                self.buried(tag, arrived)?;
            }
            self.flush()?;
            // The answer comes after the acks were read; closing gives the rest back.
            self.channel.close(200, "OK".into()).await
        };
        if let Err(error) = said.await {
            tracing::debug!(error = %crate::error::words(&error), "consumer not cancelled");
        }
    }
}

async fn next(consumer: &mut Consumer) -> Next {
    let next = poll_fn(|context| Pin::new(&mut *consumer).poll_next(context)).await;
    next.map(|delivery| delivery.map(Box::new))
}

/// The first poll puts the frame into lapin's queue; nobody needs to wait for more.
fn queue(frame: Pin<&mut impl Future<Output = lapin::Result<()>>>) -> lapin::Result<()> {
    match frame.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result,
        Poll::Pending => Ok(()),
    }
}
