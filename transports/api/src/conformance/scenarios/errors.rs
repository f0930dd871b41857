use crate::{
    Lane,
    conformance::{
        Checked, Finding, World,
        failure::ensure,
        message::{event, events, ids},
        party::Party,
    },
};

/// Of a hundred messages the first two to come are given back: all hundred arrive.
pub async fn scenario_resend_on_error(world: &dyn World) -> Checked {
    let (receiver, mut inbox) = Party::listening(world, "receiver", Lane::Event, &["#"]).await?;
    if !receiver.capabilities().redelivers {
        return Ok(Finding::NotApplicable("redelivers"));
    }
    let sender = Party::up(world, "sender").await?;
    let sent = events("again", 100);
    let expected = ids(&sent);
    sender.confirm_all(&sent).await?;
    for _ in 0..2 {
        inbox.next("a message to give back").await?.requeue();
    }
    inbox.collect(&expected).await?;
    sender
        .ends_with(&event("last"), &expected, &mut inbox)
        .await?;
    Ok(Finding::Kept)
}

/// One receiver (full: three), one after the other, gives back what it gets five times (100) and
/// leaves; the next one gets all fifty messages.
pub async fn scenario_continue_after_errors(world: &dyn World) -> Checked {
    let sender = Party::up(world, "sender").await?;
    if !sender.capabilities().redelivers {
        return Ok(Finding::NotApplicable("redelivers"));
    }
    let (receiver, _) = Party::listening(world, "receiver", Lane::Event, &["#"]).await?;
    receiver.close().await?;
    let sent = events("errors", 50);
    let expected = ids(&sent);
    sender.confirm_all(&sent).await?;
    for _ in 0..world.form().of(1, 3) {
        let (receiver, mut inbox) =
            Party::listening(world, "receiver", Lane::Event, &["#"]).await?;
        for _ in 0..world.form().of(5, 100) {
            let delivery = inbox.next("a message to give back").await?;
            ensure(expected.contains(&delivery.message().metadata.id), || {
                format!("came a stranger: {delivery:?}")
            })?;
            delivery.requeue();
        }
        receiver.close().await?;
    }
    let (_receiver, mut inbox) = Party::listening(world, "receiver", Lane::Event, &["#"]).await?;
    inbox.collect(&expected).await?;
    sender
        .ends_with(&event("last"), &expected, &mut inbox)
        .await?;
    Ok(Finding::Kept)
}
