//! The other side goes away and comes back; nothing that was promised is lost.

use std::time::Duration;

use super::{
    Checked, Finding,
    failure::{Failure, ensure},
    message::{event, events, ids},
    party::Party,
    patience::Patience,
    switch::Switch,
    world::World,
};
use crate::{Error, ErrorKind, Lane, LinkState, Outcome};

pub(super) const NO_OUTAGE: Finding = Finding::NotApplicable("World::outage");

/// The link leaves `Up` in an outage, comes back by itself, and counts how often it came up.
pub async fn the_link_tells_what_happens(world: &dyn World) -> Checked {
    let Some(broker) = Switch::of(world) else {
        return Ok(NO_OUTAGE);
    };
    let party = Party::new(world, "party");
    let before = party.comes_up().await?;
    ensure(before.connects >= 1, || {
        format!("came up, and tells {before:?}")
    })?;
    broker.stop().await?;
    party
        .becomes("a link that is not up", |link| !link.is_up())
        .await?;
    broker.start().await?;
    let after = party.patient(world).comes_up().await?;
    ensure(after.connects > before.connects, || {
        format!("came up again: before {before:?}, after {after:?}")
    })?;
    Ok(Finding::Kept)
}

/// In an outage a message is refused, or its fate unknown, in time; never is it confirmed. Afterwards
/// messages flow again on the streams that were there before.
pub async fn sending_during_an_outage_is_refused_at_once_or_unknown(world: &dyn World) -> Checked {
    /// What "at once" may take on a busy machine.
    const AT_ONCE: Duration = Duration::from_secs(1);

    let Some(broker) = Switch::of(world) else {
        return Ok(NO_OUTAGE);
    };
    let (receiver, inbox) = Party::listening(world, "receiver", Lane::Event, &["#"]).await?;
    let sender = Party::up(world, "sender").await?;
    broker.stop().await?;
    let unnoticed = sender.send(event("during")).await?;
    not_confirmed(&unnoticed)?;
    sender
        .becomes("a link that is not up", |link| !link.is_up())
        .await?;
    let told = Patience(AT_ONCE).within(
        "a refusal at once, the link being down",
        sender.transport.send(event("during")),
    );
    not_confirmed(&told.await?)?;
    broker.start().await?;
    let (sender, receiver) = (sender.patient(world), receiver.patient(world));
    receiver.comes_up().await?;
    sender.comes_up().await?;
    let after = event("after");
    sender.insist(&after, |_| true).await?;
    let mut inbox = inbox.with_patience(sender.patience);
    // One of the messages above may have arrived after all.
    inbox.until(&after, "a message after the outage").await?;
    Ok(Finding::Kept)
}

/// Messages that were confirmed, and not yet taken by their receiver, arrive after the outage.
pub async fn confirmed_messages_survive_an_outage(world: &dyn World) -> Checked {
    let Some(broker) = Switch::of(world) else {
        return Ok(NO_OUTAGE);
    };
    let (receiver, inbox) = Party::listening(world, "receiver", Lane::Event, &["#"]).await?;
    if !receiver.capabilities().durable {
        return Ok(Finding::NotApplicable("durable"));
    }
    let sender = Party::up(world, "sender").await?;
    let sent = events("kept", 300);
    sender.confirm_all(&sent).await?;
    broker.stop().await?;
    sender
        .becomes("a link that is not up", |link| !link.is_up())
        .await?;
    broker.start().await?;
    let mut inbox = inbox.with_patience(Patience(world.outage_deadline()));
    inbox.collect(&ids(&sent)).await?;
    Ok(Finding::Kept)
}

/// A transport that is made while the other side is away refuses messages, connects when it is
/// there, and then keeps the interest it was given before.
pub async fn a_transport_without_a_broker_at_start_connects_later(world: &dyn World) -> Checked {
    let Some(broker) = Switch::of(world) else {
        return Ok(NO_OUTAGE);
    };
    broker.stop().await?;
    let party = Party::new(world, "party").patient(world);
    let mut inbox = party
        .receive(Lane::Event, &["#"])?
        .with_patience(party.patience);
    let early = party.send(event("early")).await?;
    ensure(
        matches!(&early, Err(error) if error.kind() == ErrorKind::Unavailable && error.is_transient()),
        || format!("awaited Unavailable, transient, before the first connection; came {early:?}"),
    )?;
    broker.start().await?;
    party.comes_up().await?;
    let sent = event("later");
    party.insist(&sent, |_| true).await?;
    inbox
        .expect(&sent, "a message after the first connection")
        .await?;
    Ok(Finding::Kept)
}

/// Closing while the other side is away ends by the deadline.
pub async fn close_is_bounded_during_an_outage(world: &dyn World) -> Checked {
    let Some(broker) = Switch::of(world) else {
        return Ok(NO_OUTAGE);
    };
    let (party, inbox) = Party::listening(world, "party", Lane::Event, &["#"]).await?;
    broker.stop().await?;
    let never_up = Party::new(world, "never up");
    for party in [party, never_up] {
        party.close_within(Duration::from_secs(1)).await?;
        let link = party.transport.link();
        ensure(link.state == LinkState::Closed, || {
            format!("closed during an outage; the link is {link:?}")
        })?;
    }
    inbox.end().await?;
    broker.start().await?;
    Ok(Finding::Kept)
}

fn not_confirmed(outcome: &Result<Outcome, Error>) -> Result<(), Failure> {
    let fine = match outcome {
        Err(error) => error.kind() == ErrorKind::Unavailable && error.is_transient(),
        Ok(outcome) => matches!(outcome, Outcome::Unknown { .. }),
    };
    ensure(fine, || {
        format!("awaited Unavailable or Unknown for a message during an outage; came {outcome:?}")
    })
}
