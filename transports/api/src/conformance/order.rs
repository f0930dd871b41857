//! Messages keep the order of the calls that sent them.

use super::{
    Checked, Finding,
    failure::{Failure, ensure},
    inbox::Inbox,
    message::{event, events, ids},
    party::Party,
    world::World,
};
use crate::{Lane, Message, Outcome};

/// A thousand messages on one lane, sent without waiting for each, arrive in order.
pub async fn messages_arrive_in_order_of_sending(world: &dyn World) -> Checked {
    let (_receiver, mut inbox) = Party::listening(world, "receiver", Lane::Event, &["#"]).await?;
    let sender = Party::up(world, "sender").await?;
    if !sender.capabilities().ordered {
        return Ok(Finding::NotApplicable("ordered"));
    }
    let sent = events("in.order", 1_000);
    sender.confirm_all(&sent).await?;
    come_in_order(&mut inbox, &sent).await?;
    Ok(Finding::Kept)
}

/// The place in the order is taken by the call to `send`, not by the first poll.
pub async fn order_is_taken_by_the_call(world: &dyn World) -> Checked {
    let (_receiver, mut inbox) = Party::listening(world, "receiver", Lane::Event, &["#"]).await?;
    let sender = Party::up(world, "sender").await?;
    if !sender.capabilities().ordered {
        return Ok(Finding::NotApplicable("ordered"));
    }
    let sent = events("in.order", 2);
    let first = sender.transport.send(sent[0].clone());
    let second = sender.transport.send(sent[1].clone());
    for (which, outcome) in [("second", second), ("first", first)] {
        let what = format!("the outcome of the {which} message; the second was polled first");
        let outcome = sender.patience.within(what, outcome).await?;
        ensure(matches!(outcome, Ok(Outcome::Confirmed)), || {
            format!("the {which} message became {outcome:?}")
        })?;
    }
    come_in_order(&mut inbox, &sent).await?;
    Ok(Finding::Kept)
}

/// A message goes on its way even if the future of its outcome is dropped, polled or not.
pub async fn a_dropped_send_still_arrives(world: &dyn World) -> Checked {
    let (_receiver, mut inbox) = Party::listening(world, "receiver", Lane::Event, &["#"]).await?;
    let sender = Party::up(world, "sender").await?;
    let mut sent = events("dropped", 10);
    for (number, message) in sent.iter().enumerate() {
        let outcome = sender.transport.send(message.clone());
        if number % 2 == 0 {
            futures_util::FutureExt::now_or_never(outcome);
        }
    }
    let after = event("after.the.dropped");
    sender.confirm(&after).await?;
    sent.push(after);
    if sender.capabilities().ordered {
        come_in_order(&mut inbox, &sent).await?;
    } else {
        inbox.collect(&ids(&sent)).await?;
    }
    Ok(Finding::Kept)
}

/// Each of `sent` comes, in their order.
pub(super) async fn come_in_order(inbox: &mut Inbox, sent: &[Message]) -> Result<(), Failure> {
    let came = inbox.collect(&ids(sent)).await?;
    for (place, (came, due)) in came.iter().zip(sent).enumerate() {
        ensure(came.metadata.id == due.metadata.id, || {
            format!(
                "at place {place} of {} came {came:?}; due was {due:?}",
                sent.len()
            )
        })?;
    }
    Ok(())
}
