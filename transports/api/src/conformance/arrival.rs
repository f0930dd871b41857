//! What is sent arrives, whole and once.

use std::collections::HashMap;

use super::{
    Checked, Finding,
    failure::ensure,
    message::{event, events, ids, varied},
    party::Party,
    world::World,
};
use crate::{Lane, Message};

const KEYS: &[&str] = &["conformance.#"];

/// A hundred messages, each with other metadata, arrive as they were sent.
pub async fn every_message_arrives_with_its_body_and_metadata(world: &dyn World) -> Checked {
    let (_receiver, mut inbox) = Party::listening(world, "receiver", Lane::Event, KEYS).await?;
    let sender = Party::up(world, "sender").await?;
    let most = sender.capabilities().max_body_bytes;
    let sent: Vec<Message> = (0..100).map(|number| varied(number, most)).collect();
    sender.confirm_all(&sent).await?;
    let by_id: HashMap<_, _> = sent.iter().map(|sent| (sent.metadata.id, sent)).collect();
    for came in inbox.collect(&ids(&sent)).await? {
        let sent = by_id[&came.metadata.id];
        ensure(came.metadata == sent.metadata, || {
            format!(
                "metadata sent: {:?}; came: {:?}",
                sent.metadata, came.metadata
            )
        })?;
        ensure(came.body == sent.body, || {
            format!("the body of {came:?} is not the one that was sent")
        })?;
        ensure(
            (came.lane, &came.content_type, came.persistent)
                == (sent.lane, &sent.content_type, sent.persistent),
            || format!("sent: {sent:?}; came: {came:?}"),
        )?;
    }
    Ok(Finding::Kept)
}

/// While no link fails, a message that was confirmed and acknowledged arrives exactly once.
pub async fn nothing_comes_twice_without_a_cause(world: &dyn World) -> Checked {
    let (_receiver, mut inbox) = Party::listening(world, "receiver", Lane::Event, KEYS).await?;
    let sender = Party::up(world, "sender").await?;
    let sent = events("conformance.once", 100);
    sender.confirm_all(&sent).await?;
    inbox.collect(&ids(&sent)).await?;
    sender
        .then_only(&event("conformance.once"), &mut inbox)
        .await?;
    Ok(Finding::Kept)
}

/// A transport hears itself: it is the bus that drops its own events.
pub async fn own_messages_come_too(world: &dyn World) -> Checked {
    let (party, mut inbox) = Party::listening(world, "both", Lane::Event, KEYS).await?;
    let sent = event("conformance.own");
    party.confirm(&sent).await?;
    inbox.expect(&sent, "its own message").await?;
    Ok(Finding::Kept)
}
