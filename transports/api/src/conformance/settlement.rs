//! What is not done with comes again; what is done with does not.

use std::time::Duration;

use super::{
    Checked, Finding,
    failure::{Failure, ensure},
    message::{event, events, ids},
    party::Party,
    world::World,
};
use crate::{Lane, Settlement};

/// A delivery that is dropped, or given back, comes again until it is acknowledged.
pub async fn a_message_not_settled_comes_again(world: &dyn World) -> Checked {
    let (receiver, mut inbox) = Party::listening(world, "receiver", Lane::Event, &["#"]).await?;
    if !receiver.capabilities().redelivers {
        return Ok(Finding::NotApplicable("redelivers"));
    }
    let sender = Party::up(world, "sender").await?;
    let sent = event("again");
    sender.confirm(&sent).await?;
    drop(inbox.next("a message").await?);
    for (after, ends) in [
        ("it was dropped unsettled", Settlement::Requeue),
        ("it was given back", Settlement::Ack),
    ] {
        let delivery = inbox
            .next(&format!("the message again, after {after}"))
            .await?;
        let came = delivery.message();
        ensure(came.metadata.id == sent.metadata.id, || {
            format!("awaited the message again, after {after}; came {came:?}")
        })?;
        delivery.settle(ends);
    }
    sender.then_only(&event("last"), &mut inbox).await?;
    Ok(Finding::Kept)
}

/// What was acknowledged before the receiver closed does not come when it is there again.
pub async fn an_acknowledged_message_does_not_come_again(world: &dyn World) -> Checked {
    let (receiver, mut inbox) = Party::listening(world, "receiver", Lane::Event, &["#"]).await?;
    let sender = Party::up(world, "sender").await?;
    let sent = events("done", 10);
    sender.confirm_all(&sent).await?;
    inbox.collect(&ids(&sent)).await?;
    receiver.close().await?;
    let (_receiver, mut inbox) = Party::listening(world, "receiver", Lane::Event, &["#"]).await?;
    sender.then_only(&event("last"), &mut inbox).await?;
    Ok(Finding::Kept)
}

/// What was delivered and not settled, and what was sent meanwhile, waits for the next receiver of
/// the same name.
pub async fn unsettled_messages_wait_for_the_next_receiver_of_the_same_name(
    world: &dyn World,
) -> Checked {
    let (receiver, mut inbox) = Party::listening(world, "receiver", Lane::Event, &["#"]).await?;
    if !receiver.capabilities().redelivers {
        return Ok(Finding::NotApplicable("redelivers"));
    }
    let sender = Party::up(world, "sender").await?;
    let mut sent = events("waiting", 10);
    sender.confirm_all(&sent).await?;
    let held = [
        inbox.next("a message").await?,
        inbox.next("a message").await?,
    ];
    receiver.close_within(Duration::from_secs(1)).await?;
    let meanwhile = events("waiting", 10);
    sender.confirm_all(&meanwhile).await?;
    sent.extend(meanwhile);
    let (_receiver, mut inbox) = Party::listening(world, "receiver", Lane::Event, &["#"]).await?;
    // Too late: these belong to a receiver that is gone.
    held.into_iter().for_each(crate::Delivery::ack);
    inbox.collect(&ids(&sent)).await?;
    sender.then_only(&event("last"), &mut inbox).await?;
    Ok(Finding::Kept)
}

/// What was dead-lettered does not come again, here or to a later receiver of the same name.
pub async fn a_dead_lettered_message_does_not_come_again(world: &dyn World) -> Checked {
    let (receiver, mut inbox) = Party::listening(world, "receiver", Lane::Event, &["#"]).await?;
    let sender = Party::up(world, "sender").await?;
    sender.confirm(&event("worthless")).await?;
    inbox.next("a message").await?.dead_letter();
    sender.then_only(&event("next"), &mut inbox).await?;
    receiver.close().await?;
    let (_receiver, mut inbox) = Party::listening(world, "receiver", Lane::Event, &["#"]).await?;
    sender.then_only(&event("last"), &mut inbox).await?;
    Ok(Finding::Kept)
}

/// What was dead-lettered is kept where an operator can find it.
pub async fn a_dead_lettered_message_is_kept(world: &dyn World) -> Checked {
    let (receiver, mut inbox) = Party::listening(world, "receiver", Lane::Event, &["#"]).await?;
    if !receiver.capabilities().dead_letters {
        return Ok(Finding::NotApplicable("dead_letters"));
    }
    if world.dead_letters("receiver").is_none() {
        return Ok(Finding::NotApplicable("World::dead_letters"));
    }
    let sender = Party::up(world, "sender").await?;
    sender.confirm_all(&events("worthless", 3)).await?;
    for _ in 0..3 {
        inbox.next("a message").await?.dead_letter();
    }
    dead_letters(world, &receiver, 3).await?;
    Ok(Finding::Kept)
}

/// Waits until so many dead letters of a receiver are found.
pub(super) async fn dead_letters(
    world: &dyn World,
    receiver: &Party,
    expected: usize,
) -> Result<(), Failure> {
    let mut found = 0;
    let kept = async {
        while let Some(count) = world.dead_letters(&receiver.name) {
            found = count.await;
            if found == expected {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let what = format!("{expected} dead letters");
    let waited = receiver.patience.within(what, kept).await;
    waited.map_err(|failure| Failure::new(format!("{failure}; found {found}")))
}
