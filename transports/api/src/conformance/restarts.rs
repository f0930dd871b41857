//! Outages in the midst of traffic: whatever was confirmed arrives.

use std::sync::Arc;

use tokio::{
    sync::{Semaphore, watch},
    task::JoinSet,
};

use super::{
    Checked, Finding,
    failure::Failure,
    message::{events, ids},
    outages::NO_OUTAGE,
    party::Party,
    patience::Patience,
    switch::Switch,
    world::World,
};
use crate::{Error, Lane, Message, Outcome};

const MESSAGES: usize = 2_000;
const TASKS: usize = 20;

/// Two thousand messages of twenty tasks, each sent again under the same id until it is confirmed,
/// over two outages: every one arrives, and no stranger.
pub async fn nothing_confirmed_is_lost_over_restarts(world: &dyn World) -> Checked {
    let Some(broker) = Switch::of(world) else {
        return Ok(NO_OUTAGE);
    };
    let (receiver, inbox) = Party::listening(world, "receiver", Lane::Event, &["#"]).await?;
    if !receiver.capabilities().durable {
        return Ok(Finding::NotApplicable("durable"));
    }
    let sender = Party::up(world, "sender").await?.patient(world);
    let mut inbox = inbox.with_patience(Patience(world.outage_deadline()));
    let sent = events("restart", MESSAGES);
    let expected = ids(&sent);
    tokio::try_join!(
        inbox.collect(&expected),
        send_over_outages(&broker, &sender, &sent),
    )?;
    Ok(Finding::Kept)
}

/// How far the tasks have come.
#[derive(Clone, Copy, Default)]
struct Progress {
    /// Whatever the outcome.
    answers: usize,
    confirmed: usize,
}

/// Sends everything, with an outage after a third and another after a half.
async fn send_over_outages(
    broker: &Switch,
    sender: &Party,
    messages: &[Message],
) -> Result<(), Failure> {
    let released = Arc::new(Semaphore::new(MESSAGES / 3));
    let (progress, mut seen) = watch::channel(Progress::default());
    let progress = Arc::new(progress);
    let mut tasks = JoinSet::new();
    for share in messages.chunks(MESSAGES / TASKS) {
        tasks.spawn(send_share(
            sender.clone(),
            share.to_vec(),
            released.clone(),
            progress.clone(),
        ));
    }
    for (until, then) in [(MESSAGES / 3, MESSAGES / 2), (MESSAGES / 2, MESSAGES)] {
        let what = format!("{until} confirmed messages");
        let reached = reach(&mut seen, &mut tasks, |now| now.confirmed >= until);
        sender.patience.within(what, reached).await??;
        // However fast the tasks are, each outage meets some of their messages on the way, and some
        // that are sent while it lasts.
        let around = (then - until) / 2;
        released.add_permits(around);
        broker.stop().await?;
        sender
            .becomes("a link that is not up", |link| !link.is_up())
            .await?;
        let before = seen.borrow().answers;
        released.add_permits(then - until - around);
        // One answer of each task may be from before.
        let met = reach(&mut seen, &mut tasks, |now| now.answers > before + TASKS);
        sender
            .patience
            .within("answers during the outage", met)
            .await??;
        broker.start().await?;
    }
    while let Some(ended) = tasks.join_next().await {
        ended.map_err(|error| Failure::new(error.to_string()))??;
    }
    Ok(())
}

/// Waits until the tasks have come so far, or one of them fails.
async fn reach(
    seen: &mut watch::Receiver<Progress>,
    tasks: &mut JoinSet<Result<(), Failure>>,
    far: impl Fn(&Progress) -> bool,
) -> Result<(), Failure> {
    loop {
        tokio::select! {
            reached = seen.wait_for(&far) => {
                return reached.map(drop).map_err(|error| Failure::new(error.to_string()));
            }
            Some(ended) = tasks.join_next() => {
                ended.map_err(|error| Failure::new(error.to_string()))??;
            }
        }
    }
}

/// Sends its share, each message when it is released, and again until it is confirmed.
async fn send_share(
    sender: Party,
    share: Vec<Message>,
    released: Arc<Semaphore>,
    progress: Arc<watch::Sender<Progress>>,
) -> Result<(), Failure> {
    let again = |outcome: &Result<Outcome, Error>| {
        progress.send_modify(|now| now.answers += 1);
        match outcome {
            Ok(_) => true,
            Err(error) => error.is_transient(),
        }
    };
    for message in &share {
        let permit = released.acquire().await;
        permit
            .map_err(|error| Failure::new(error.to_string()))?
            .forget();
        sender.insist(message, again).await?;
        progress.send_modify(|now| {
            now.answers += 1;
            now.confirmed += 1;
        });
    }
    Ok(())
}
