//! How do the messages of one lane reach the broker, and their outcomes the senders?
//!
//! One task owns the confirm channel of a lane: two tasks publishing on one channel would swap
//! each other's confirms inside lapin.

use std::sync::{Arc, OnceLock};

use algedonic_transport::{Error, EventId, Outcome};
use lapin::{Channel, Confirmation, options::BasicPublishOptions, types::ShortString};
use tokio::{
    sync::{OwnedSemaphorePermit, mpsc, oneshot},
    time::{Duration, Instant, sleep_until},
};

use crate::{
    error::{During, classify, lost},
    gate::Pass,
    tally::Ticket,
    window::{Answer, Fate, Publish, Window},
    wire::Encoded,
};

/// A message on its way to the channel.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) encoded: Encoded,
    pub(crate) ticket: Ticket,
    /// The place in the lane's window, kept until lapin has let go of the message.
    pub(crate) permit: OwnedSemaphorePermit,
    pub(crate) deadline: Instant,
}

/// A channel for the lane to publish on, from now until either side ends it.
pub(crate) struct Attach {
    pub(crate) channel: Channel,
    pub(crate) exchange: ShortString,
    /// Its hold on the lane's gate.
    pub(crate) pass: Pass,
    /// Told by the lane that it is done with the channel before, and uses this one.
    pub(crate) taken: oneshot::Sender<()>,
    /// Told by the lane when the channel has failed, and why.
    pub(crate) failed: oneshot::Sender<Error>,
    /// Told by the supervisor when the link is gone, and why.
    pub(crate) detach: oneshot::Receiver<Arc<str>>,
}

/// What stays of a job in the window.
struct InFlight {
    ticket: Option<Ticket>,
    permit: OwnedSemaphorePermit,
}

/// How many messages are handed over before confirms are looked at again.
const BATCH: usize = 64;

/// The task of one lane; ends when both of its inputs have. `silence` is how long the broker may
/// owe an answer while the link is up.
pub(crate) async fn run(
    mut jobs: mpsc::Receiver<Job>,
    mut attachments: mpsc::Receiver<Attach>,
    silence: Duration,
) {
    loop {
        tokio::select! {
            biased;
            attach = attachments.recv() => match attach {
                Some(attach) => publish(&mut jobs, attach, silence).await,
                None => return,
            },
            job = jobs.recv() => match job {
                Some(job) => job.ticket.refuse(),
                None => return,
            },
        }
    }
}

async fn publish(jobs: &mut mpsc::Receiver<Job>, attach: Attach, silence: Duration) {
    let Attach {
        channel,
        exchange,
        pass,
        taken,
        failed,
        mut detach,
    } = attach;
    // Nobody listens when the connection was given up meanwhile: then the next thing is to detach.
    let _ = taken.send(());
    let mut window: Window<InFlight> = Window::new();
    let fault = Arc::new(OnceLock::new());
    let mut batch = Vec::with_capacity(BATCH);
    let mut progress = Instant::now();
    let reason: Arc<str> = loop {
        let deadline = window.deadline();
        let overdue = progress + silence;
        tokio::select! {
            biased;
            reason = &mut detach => {
                break reason.unwrap_or_else(|_| "the link was cut".into());
            }
            () = window.woken() => {}
            count = jobs.recv_many(&mut batch, BATCH) => if count == 0 {
                break "the transport was dropped".into();
            },
            () = sleep_until(deadline.unwrap_or(overdue)), if deadline.is_some() => {}
            () = sleep_until(overdue), if !window.is_empty() => {}
        }
        // Confirms that come without a pause must not keep messages waiting.
        while batch.len() < BATCH
            && let Ok(job) = jobs.try_recv()
        {
            batch.push(job);
        }
        let now = Instant::now();
        if window.is_empty() || !pass.is_open() {
            progress = now;
        }
        for job in batch.drain(..) {
            let Some((encoded, held, deadline)) = hand_over(job, &channel, &pass) else {
                continue;
            };
            let id = encoded.id;
            let publish = confirmed(channel.clone(), exchange.clone(), encoded, fault.clone());
            window.push(id, deadline, publish, held);
        }
        let mut broken = None;
        for (held, fate) in window.drain() {
            progress = now;
            if let Fate::Unknown(reason) = &fate {
                broken = Some(reason.clone());
            }
            resolve(held, fate);
        }
        if let Some(reason) = broken {
            break reason;
        }
        window.expire(now, |held| {
            if let Some(ticket) = held.ticket.take() {
                ticket.resolve(Outcome::unknown("no confirm within the deadline"));
            }
        });
        if !window.is_empty() && now >= progress + silence {
            break "the broker owes confirms, and sends none".into();
        }
    };
    pass.shut();
    for (held, fate) in window.finish(&reason) {
        resolve(held, fate);
    }
    let error = fault
        .get()
        .cloned()
        .unwrap_or_else(|| lost(During::Publish, reason.to_string()));
    // Nobody listens after a detachment: then it is known already.
    let _ = failed.send(error);
}

/// Refuses a message that cannot leave now; after this, any other may have left.
fn hand_over(job: Job, channel: &Channel, pass: &Pass) -> Option<(Encoded, InFlight, Instant)> {
    let Job {
        encoded,
        mut ticket,
        permit,
        deadline,
    } = job;
    if !pass.is_open() || !channel.status().connected() {
        ticket.refuse();
        return None;
    }
    ticket.hand_over();
    Some((
        encoded,
        InFlight {
            ticket: Some(ticket),
            permit,
        },
        deadline,
    ))
}

/// Publishes at the first poll, and resolves with the broker's answer. The first error of the
/// channel is kept in `fault`.
fn confirmed(
    channel: Channel,
    exchange: ShortString,
    message: Encoded,
    fault: Arc<OnceLock<Error>>,
) -> Publish {
    Box::pin(async move {
        let Encoded {
            routing_key,
            properties,
            body,
            ..
        } = message;
        let options = BasicPublishOptions {
            mandatory: true,
            ..BasicPublishOptions::default()
        };
        let subject = format!("exchange {exchange}");
        let written = channel
            .basic_publish(exchange, routing_key, options, &body, properties)
            .await;
        // lapin has its own copy: ours need not wait for the answer.
        drop((channel, body));
        let confirmation = match written {
            Ok(confirm) => confirm.await,
            Err(error) => Err(error),
        };
        match confirmation {
            Ok(Confirmation::Ack(returned)) => Answer::Ack(returned.map(|r| returned_id(&r))),
            Ok(Confirmation::Nack(returned)) => Answer::Nack(returned.map(|r| returned_id(&r))),
            Ok(Confirmation::NotRequested) => {
                Answer::Failed("the channel is not in confirm mode".into())
            }
            Err(error) => {
                let error = fault.get_or_init(|| classify(During::Publish, &subject, &error));
                Answer::Failed(error.to_string().into())
            }
        }
    })
}

fn returned_id(message: &lapin::message::BasicReturnMessage) -> EventId {
    let id = message.properties.message_id().as_ref();
    id.map_or(EventId::from_u128(0), |id| {
        EventId::from_foreign(id.as_str())
    })
}

fn resolve(held: InFlight, fate: Fate) {
    let InFlight { ticket, permit } = held;
    // Before the outcome is told: who knows of it may take the place at once.
    drop(permit);
    if let Some(ticket) = ticket {
        ticket.resolve(match fate {
            Fate::Confirmed => Outcome::Confirmed,
            Fate::NotRouted => Outcome::NotRouted,
            Fate::Rejected => Outcome::rejected("the broker answered with a nack"),
            Fate::Unknown(reason) => Outcome::unknown(reason),
        });
    }
}
