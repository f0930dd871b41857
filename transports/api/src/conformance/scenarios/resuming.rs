use crate::{
    Lane,
    conformance::{
        Checked, Finding, World,
        failure::{Failure, ensure},
        message::{event, events, ids},
        party::Party,
    },
};

/// The most receivers that may be needed.
const MOST: usize = 20;

/// Fifty messages (full: 5,000) are read in two batches (five), each by a new receiver of the same
/// name that closes with more on its way to it: nothing is lost.
pub async fn scenario_continue_after_subscribe_close(world: &dyn World) -> Checked {
    let (receiver, inbox) = Party::listening(world, "receiver", Lane::Event, &["#"]).await?;
    if !receiver.capabilities().redelivers {
        return Ok(Finding::NotApplicable("redelivers"));
    }
    receiver.close().await?;
    drop(inbox);
    let sender = Party::up(world, "sender").await?;
    let sent = events("batches", world.form().of(50, 5_000));
    let expected = ids(&sent);
    sender.confirm_all(&sent).await?;
    let batch = sent.len() / world.form().of(2, 5);
    let mut missing = expected.clone();
    for _ in 0..MOST {
        let (receiver, mut inbox) =
            Party::listening(world, "receiver", Lane::Event, &["#"]).await?;
        let goal = missing.len().saturating_sub(batch);
        while missing.len() > goal {
            let delivery = inbox
                .next("a message of the batch")
                .await
                .map_err(|failure| {
                    Failure::new(format!("{failure}; {} are missing", missing.len()))
                })?;
            let id = delivery.message().metadata.id;
            ensure(expected.contains(&id), || {
                format!("came a stranger: {delivery:?}")
            })?;
            delivery.ack();
            missing.remove(&id);
        }
        let mut unsettled = Vec::new();
        if !missing.is_empty() {
            unsettled.push(inbox.next("a message to leave unsettled").await?);
            unsettled.extend(inbox.at_hand());
        }
        receiver.close().await?;
        if missing.is_empty() {
            break;
        }
    }
    ensure(missing.is_empty(), || {
        format!("after {MOST} receivers {} are missing", missing.len())
    })?;
    let (_receiver, mut inbox) = Party::listening(world, "receiver", Lane::Event, &["#"]).await?;
    sender
        .ends_with(&event("last"), &expected, &mut inbox)
        .await?;
    Ok(Finding::Kept)
}
