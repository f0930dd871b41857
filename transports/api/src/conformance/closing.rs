//! A transport ends when it is told to, in time, and leaves nothing behind.

use std::time::Duration;

use futures_util::{StreamExt, future::join_all};

use super::{
    Checked, Finding,
    failure::{Failure, ensure},
    message::{event, events, ids},
    party::{Party, patterns},
    world::World,
};
use crate::{ErrorKind, Lane, LinkState, Outcome};

const DEADLINE: Duration = Duration::from_secs(1);

/// Closing twice at once, and once more, ends by the deadline, whatever was taken and not settled.
pub async fn close_is_idempotent_and_bounded(world: &dyn World) -> Checked {
    let (party, mut inbox) = Party::listening(world, "receiver", Lane::Event, &["#"]).await?;
    party.confirm_all(&events("unsettled", 10)).await?;
    let _unsettled = inbox.next("a message").await?;
    let (first, second) = tokio::join!(party.close_within(DEADLINE), party.close_within(DEADLINE));
    let (first, second) = (first?, second?);
    let third = party.close_within(DEADLINE).await?;
    ensure(first == second && second == third, || {
        format!("one close, told in three ways: {first:?}, {second:?}, {third:?}")
    })?;
    Ok(Finding::Kept)
}

/// After the close everything is refused as closed, and every stream ends.
pub async fn after_the_close_everything_has_ended(world: &dyn World) -> Checked {
    let (party, inbox) = Party::listening(world, "receiver", Lane::Event, &["#"]).await?;
    let mut links = party.transport.links();
    party.confirm_all(&events("before", 3)).await?;
    party.close().await?;
    let sent = party.send(event("after")).await?;
    ensure(
        matches!(&sent, Err(error) if error.kind() == ErrorKind::Closed),
        || format!("awaited Closed for a message after the close; came {sent:?}"),
    )?;
    match party.transport.receive(Lane::Signal, patterns(&["#"])) {
        Err(error) if error.kind() == ErrorKind::Closed => {}
        Err(error) => return Err(Failure::new(format!("awaited Closed; came {error:?}"))),
        Ok(_) => return Err(Failure::new("the signals can be received after the close")),
    }
    inbox.end().await?;
    let mut last = None;
    let ending = async {
        while let Some(link) = links.next().await {
            last = Some(link.state);
        }
    };
    party
        .patience
        .within("the end of the links", ending)
        .await?;
    ensure(last == Some(LinkState::Closed), || {
        format!("awaited Closed as the last state of the link; came {last:?}")
    })?;
    let now = party.transport.link().state;
    ensure(now == LinkState::Closed, || {
        format!("the link is {now} after the close")
    })?;
    Ok(Finding::Kept)
}

/// What is on its way when the transport is closed is confirmed before it ends.
pub async fn close_waits_for_what_is_in_flight(world: &dyn World) -> Checked {
    let (_receiver, mut inbox) = Party::listening(world, "receiver", Lane::Event, &["#"]).await?;
    let sender = Party::up(world, "sender").await?;
    let sent = events("in.flight", sender.capabilities().window.min(200));
    let outcomes: Vec<_> = sent
        .iter()
        .map(|message| sender.transport.send(message.clone()))
        .collect();
    let closed = sender.close().await?;
    ensure(closed.unknown == 0, || {
        format!("closed with {} outcomes unknown", closed.unknown)
    })?;
    let outcomes = sender
        .patience
        .within("the outcomes, after the close", join_all(outcomes))
        .await?;
    for outcome in outcomes {
        ensure(matches!(outcome, Ok(Outcome::Confirmed)), || {
            format!("a message in flight at the close became {outcome:?}")
        })?;
    }
    inbox.collect(&ids(&sent)).await?;
    Ok(Finding::Kept)
}

/// A transport that is dropped without a close ends: its arrivals end, and what it had taken and not
/// settled goes to the next of its name.
pub async fn what_a_dropped_transport_held_goes_to_the_next_of_its_name(
    world: &dyn World,
) -> Checked {
    let (receiver, mut inbox) = Party::listening(world, "receiver", Lane::Event, &["#"]).await?;
    if !receiver.capabilities().redelivers {
        return Ok(Finding::NotApplicable("redelivers"));
    }
    let sender = Party::up(world, "sender").await?;
    let sent = events("held", 10);
    sender.confirm_all(&sent).await?;
    let _unsettled = inbox.next("a message").await?;
    drop(receiver);
    inbox.end().await?;
    let (_receiver, mut inbox) = Party::listening(world, "receiver", Lane::Event, &["#"]).await?;
    inbox.collect(&ids(&sent)).await?;
    Ok(Finding::Kept)
}
