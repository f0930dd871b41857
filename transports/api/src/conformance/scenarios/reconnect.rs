//! Outages in the midst of traffic: whatever was confirmed arrives.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{Semaphore, watch},
    task::JoinSet,
};

use crate::{
    Error, Lane, Message, Outcome,
    conformance::{
        Checked, Finding, World,
        failure::Failure,
        message::{event, events, ids},
        outages::NO_OUTAGE,
        party::Party,
        patience::Patience,
        switch::Switch,
    },
};

/// Two thousand messages (full: 10,000) of twenty tasks (a hundred), which pause now and then, each
/// message sent again under the same id until it is confirmed, over two outages: every one arrives,
/// and no stranger.
pub async fn scenario_reconnect(world: &dyn World) -> Checked {
    let Some(broker) = Switch::of(world) else {
        return Ok(NO_OUTAGE);
    };
    let (receiver, inbox) = Party::listening(world, "receiver", Lane::Event, &["#"]).await?;
    if !receiver.capabilities().durable {
        return Ok(Finding::NotApplicable("durable"));
    }
    let sender = Party::up(world, "sender").await?.patient(world);
    let mut inbox = inbox.with_patience(Patience(world.outage_deadline()));
    let sent = events("restart", world.form().of(2_000, 10_000));
    let load = Load {
        tasks: world.form().of(20, 100),
        pause: Duration::from_millis(world.form().of(50, 500) as u64),
    };
    let expected = ids(&sent);
    tokio::try_join!(
        inbox.collect(&expected),
        send_over_outages(&broker, &sender, &sent, load),
    )?;
    sender
        .ends_with(&event("last"), &expected, &mut inbox)
        .await?;
    Ok(Finding::Kept)
}

#[derive(Clone, Copy)]
struct Load {
    tasks: usize,
    /// The longest pause of a task, which it takes after one message in ten.
    pause: Duration,
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
    load: Load,
) -> Result<(), Failure> {
    let all = messages.len();
    let released = Arc::new(Semaphore::new(all / 3));
    let (progress, mut seen) = watch::channel(Progress::default());
    let progress = Arc::new(progress);
    let mut tasks = JoinSet::new();
    for share in messages.chunks(all.div_ceil(load.tasks)) {
        tasks.spawn(send_share(
            sender.clone(),
            share.to_vec(),
            load.pause,
            released.clone(),
            progress.clone(),
        ));
    }
    for (until, then) in [(all / 3, all / 2), (all / 2, all)] {
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
        let met = reach(&mut seen, &mut tasks, |now| {
            now.answers > before + load.tasks
        });
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
    pause: Duration,
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
        tokio::time::sleep(now_and_then(message, pause)).await;
    }
    Ok(())
}

/// A pause after one message in ten, of any length up to the longest, by the digits of its id.
fn now_and_then(message: &Message, longest: Duration) -> Duration {
    let mixed = message
        .metadata
        .id
        .as_u128()
        .wrapping_mul(0x9e37_79b9_7f4a_7c15);
    // At most as many bits as are asked for.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the low bits are asked for"
    )]
    let digits = (mixed >> 40) as u32 % 10_000;
    if digits.is_multiple_of(10) {
        longest * digits / 10_000
    } else {
        Duration::ZERO
    }
}
