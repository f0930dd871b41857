//! Many at once, too many, too large, and nobody who takes them.

use futures_util::future::join_all;

use super::{
    Checked, Finding,
    crowd::crowd,
    failure::ensure,
    message::{event, events, ids, many_on, on},
    party::{Party, confirmed_or_busy},
    world::World,
};
use crate::{Capabilities, ErrorKind, Lane, Message, Outcome, Verdict};

/// Five thousand messages of fifty tasks, by one transport: each arrives, and nothing else.
pub async fn fifty_senders_at_once_lose_nothing(world: &dyn World) -> Checked {
    let (_receiver, mut inbox) = Party::listening(world, "receiver", Lane::Event, &["#"]).await?;
    let sender = Party::up(world, "sender").await?;
    let sent = events("crowd", 5_000);
    let expected = ids(&sent);
    tokio::try_join!(inbox.collect(&expected), crowd(&sender, &sent, 50))?;
    sender.then_only(&event("last"), &mut inbox).await?;
    Ok(Finding::Kept)
}

/// Several windows' worth are confirmed though their receiver takes none; then it gets them all.
pub async fn a_slow_receiver_does_not_stop_the_sender(world: &dyn World) -> Checked {
    let (_receiver, mut inbox) = Party::listening(world, "receiver", Lane::Event, &["#"]).await?;
    let sender = Party::up(world, "sender").await?;
    let sent = events("slow", several_windows(sender.capabilities()));
    sender.confirm_all(&sent).await?;
    inbox.collect(&ids(&sent)).await?;
    Ok(Finding::Kept)
}

/// A signal is sent and arrives while the events' way is full at both ends.
pub async fn signals_pass_events_that_nobody_takes(world: &dyn World) -> Checked {
    passes_a_full_lane(world, Lane::Event, &[Lane::Signal]).await
}

/// A command is sent and arrives while the events' way is full at both ends.
pub async fn commands_pass_events_that_nobody_takes(world: &dyn World) -> Checked {
    passes_a_full_lane(world, Lane::Event, &[Lane::Command]).await
}

/// Events and signals are sent and arrive while the commands' way is full at both ends.
pub async fn events_and_signals_pass_commands_that_nobody_takes(world: &dyn World) -> Checked {
    passes_a_full_lane(world, Lane::Command, &[Lane::Event, Lane::Signal]).await
}

/// One message on each of the other lanes, while nobody takes what comes on one and its sender's window
/// is full.
async fn passes_a_full_lane(world: &dyn World, full: Lane, others: &[Lane]) -> Checked {
    let receiver = Party::new(world, "receiver");
    let mut arriving = receiver.receive(full, &["#"])?;
    let mut inboxes = Vec::new();
    for other in others {
        inboxes.push((*other, receiver.receive(*other, &["#"])?));
    }
    receiver.comes_up().await?;
    let sender = Party::up(world, "sender").await?;
    let capabilities = sender.capabilities();
    let before = many_on(full, "slow", several_windows(capabilities));
    sender.confirm_all(&before).await?;
    let mut unsettled = vec![arriving.next("the first of many").await?];
    unsettled.extend(arriving.at_hand());
    let on_their_way: Vec<_> = many_on(full, "slow", capabilities.window.min(MANY))
        .into_iter()
        .map(|message| sender.transport.send(message))
        .collect();
    for (lane, inbox) in &mut inboxes {
        let passing = on(*lane, "passing");
        sender.confirm(&passing).await?;
        let what = format!("one of the {lane} past {full} that nobody takes");
        inbox.expect(&passing, &what).await?;
    }
    drop(unsettled);
    let outcomes = sender
        .patience
        .within("the outcomes of the others", join_all(on_their_way))
        .await?;
    for outcome in outcomes {
        ensure(matches!(outcome, Ok(Outcome::Confirmed)), || {
            format!("one of the {full} within the window became {outcome:?}")
        })?;
    }
    Ok(Finding::Kept)
}

/// Four windows' worth sent at once: each is confirmed or refused as busy, a window of them at least
/// is confirmed, and exactly the confirmed ones arrive.
pub async fn more_than_the_window_is_refused_as_busy_or_confirmed(world: &dyn World) -> Checked {
    let (_receiver, mut inbox) = Party::listening(world, "receiver", Lane::Event, &["#"]).await?;
    let sender = Party::up(world, "sender").await?;
    let sent = events("burst", several_windows(sender.capabilities()));
    let outcomes: Vec<_> = sent
        .iter()
        .map(|message| sender.transport.send(message.clone()))
        .collect();
    let outcomes = sender
        .patience
        .within(format!("{} outcomes", sent.len()), join_all(outcomes))
        .await?;
    for outcome in &outcomes {
        if let Err(error) = outcome {
            ensure(error.is_transient(), || {
                format!("awaited an error that passes; came {error:?}")
            })?;
        }
    }
    let outcomes = sent.iter().map(|sent| sent.metadata.id).zip(outcomes);
    let taken = confirmed_or_busy(outcomes)?;
    let window = sender.capabilities().window.min(sent.len());
    ensure(taken.len() >= window, || {
        format!(
            "of {} messages {} were confirmed; the window is {window}",
            sent.len(),
            taken.len()
        )
    })?;
    inbox.collect(&taken).await?;
    sender.then_only(&event("last"), &mut inbox).await?;
    Ok(Finding::Kept)
}

/// A body of the greatest size passes, one byte more is refused for good, and neither harms the
/// messages around it.
pub async fn too_large_is_refused_and_harms_nobody(world: &dyn World) -> Checked {
    let (_receiver, mut inbox) = Party::listening(world, "receiver", Lane::Event, &["#"]).await?;
    let sender = Party::up(world, "sender").await?;
    let greatest = sender.capabilities().max_body_bytes;
    let of_size = |bytes: usize| Message {
        body: vec![0; bytes].into(),
        ..event("size")
    };
    let fitting = [of_size(1), of_size(greatest), of_size(1)];
    let before = sender.transport.send(fitting[0].clone());
    let large = sender.transport.send(fitting[1].clone());
    let too_large = sender.transport.send(of_size(greatest + 1));
    let after = sender.transport.send(fitting[2].clone());
    let refused = sender.patience.within("the refusal", too_large).await?;
    ensure(
        matches!(&refused, Err(error)
            if error.kind() == ErrorKind::TooLarge && error.verdict() == Verdict::Permanent),
        || {
            format!(
                "awaited TooLarge, permanent, for {} bytes; came {refused:?}",
                greatest + 1
            )
        },
    )?;
    for (which, outcome) in [
        ("before", before),
        ("of the greatest size", large),
        ("after", after),
    ] {
        let outcome = sender.patience.within("an outcome", outcome).await?;
        ensure(matches!(outcome, Ok(Outcome::Confirmed)), || {
            format!("the message {which} became {outcome:?}")
        })?;
    }
    for came in inbox.collect(&ids(&fitting)).await? {
        ensure(came.body.len() == 1 || came.body.len() == greatest, || {
            format!("a body of another size came: {came:?}")
        })?;
    }
    sender.then_only(&event("last"), &mut inbox).await?;
    Ok(Finding::Kept)
}

/// The most messages a check sends to fill something, however large the window.
const MANY: usize = 8_192;

fn several_windows(capabilities: Capabilities) -> usize {
    capabilities.window.saturating_mul(4).min(MANY)
}
