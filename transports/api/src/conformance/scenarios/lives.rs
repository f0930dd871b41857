//! How long a delivery is its receiver's, and a subscription its owner's.

use std::time::Duration;

use crate::{
    Lane, Settlement,
    conformance::{
        Checked, Finding, World,
        failure::ensure,
        message::{event, events, ids},
        party::Party,
        patience::Patience,
    },
};

/// How long a message must not come that waits for another's settlement.
const QUIET: Duration = Duration::from_millis(100);
/// How soon it must come then.
const PROMPT: Duration = Duration::from_secs(5);

/// Where one message is let in at a time, the second of two does not come while the first is held; it
/// comes soon after the first was acknowledged, and nothing after it.
pub async fn scenario_no_ack(world: &dyn World) -> Checked {
    let Some(transport) = world.connect_one_at_a_time("receiver") else {
        return Ok(Finding::NotApplicable("World::connect_one_at_a_time"));
    };
    let receiver = Party::of(transport, world, "receiver");
    let mut inbox = receiver.receive(Lane::Event, &["#"])?;
    receiver.comes_up().await?;
    let sender = Party::up(world, "sender").await?;
    let sent = events("one.by.one", 2);
    let expected = ids(&sent);
    sender.confirm_all(&sent).await?;
    let first = inbox.next("the first message").await?;
    inbox.is_quiet(QUIET, "the first being held").await?;
    let held = first.message().metadata.id;
    first.settle(Settlement::Ack);
    let mut inbox = inbox.with_patience(Patience(PROMPT));
    let second = inbox.next("the second message").await?;
    let came = second.message().metadata.id;
    ensure(expected.contains(&came) && came != held, || {
        format!("awaited the second message; came {second:?}")
    })?;
    second.ack();
    sender
        .ends_with(&event("last"), &expected, &mut inbox)
        .await?;
    Ok(Finding::Kept)
}

/// A delivery is its receiver's until it is settled, or the receiver closes: what was acknowledged is
/// done with; what was held at the close is not, however it is settled afterwards.
pub async fn scenario_message_ctx(world: &dyn World) -> Checked {
    let (receiver, mut inbox) = Party::listening(world, "receiver", Lane::Event, &["#"]).await?;
    if !receiver.capabilities().redelivers {
        return Ok(Finding::NotApplicable("redelivers"));
    }
    let sender = Party::up(world, "sender").await?;
    let sent = events("held", 2);
    sender.confirm_all(&sent).await?;
    let done = inbox.next("a message to settle").await?;
    let held = inbox.next("a message to hold").await?;
    let id = held.message().metadata.id;
    done.ack();
    receiver.close().await?;
    inbox.end().await?;
    held.ack();
    let (_receiver, mut inbox) = Party::listening(world, "receiver", Lane::Event, &["#"]).await?;
    let again = inbox.next("the message that was held, again").await?;
    ensure(again.message().metadata.id == id, || {
        format!("awaited {id:?}, which was held; came {again:?}")
    })?;
    again.ack();
    let last = event("last");
    let expected = ids(sent.iter().filter(|sent| sent.metadata.id == id));
    sender.ends_with(&last, &expected, &mut inbox).await?;
    Ok(Finding::Kept)
}

/// A subscription that is ended, by dropping its stream or by closing, ends in time; a new one of the
/// same name gets all twenty messages, of which the first has settled none.
pub async fn scenario_subscribe_ctx(world: &dyn World) -> Checked {
    let sender = Party::up(world, "sender").await?;
    if !sender.capabilities().redelivers {
        return Ok(Finding::NotApplicable("redelivers"));
    }
    for by_dropping in [true, false] {
        let (receiver, mut inbox) =
            Party::listening(world, "receiver", Lane::Event, &["#"]).await?;
        let sent = events("subscribed", 20);
        let expected = ids(&sent);
        let (before, meanwhile) = sent.split_at(10);
        sender.confirm_all(before).await?;
        let held = inbox.next("a message to hold").await?;
        if by_dropping {
            drop((held, inbox));
            sender.confirm_all(meanwhile).await?;
            // Whoever wrongly goes on taking gets some turns to do it.
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            receiver.close().await?;
        } else {
            sender.confirm_all(meanwhile).await?;
            receiver.close().await?;
            inbox.end().await?;
            drop(held);
        }
        let (receiver, mut inbox) =
            Party::listening(world, "receiver", Lane::Event, &["#"]).await?;
        inbox.collect(&expected).await?;
        sender
            .ends_with(&event("last"), &expected, &mut inbox)
            .await?;
        receiver.close().await?;
    }
    Ok(Finding::Kept)
}
