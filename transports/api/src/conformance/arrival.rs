//! What is sent arrives, once.

use super::{
    Checked, Finding,
    message::{event, events, ids},
    party::Party,
    world::World,
};
use crate::Lane;

const KEYS: &[&str] = &["conformance.#"];

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
