use futures_util::future::{join_all, try_join_all};

use crate::{
    Lane, Outcome,
    conformance::{
        Checked, Failure, Finding, World,
        failure::ensure,
        message::{event, events, ids},
        party::Party,
    },
};

/// Ten receivers of one name begin and close at once, each with a sender; what is sent to the next
/// one of that name waits over its close for the one after it.
pub async fn scenario_concurrent_close(world: &dyn World) -> Checked {
    let sender = Party::up(world, "sender").await?;
    if !sender.capabilities().redelivers {
        return Ok(Finding::NotApplicable("redelivers"));
    }
    let pairs = (0..10).map(|number| async move {
        let receiver = Party::new(world, "receiver");
        let inbox = receiver.receive(Lane::Event, &["#"])?;
        let sender = Party::new(world, &format!("sender {number}"));
        // Some are closed in the midst of connecting.
        if number % 2 == 0 {
            receiver.comes_up().await?;
            sender.comes_up().await?;
        }
        tokio::try_join!(receiver.close(), sender.close())?;
        inbox.end().await
    });
    try_join_all(pairs).await?;
    let (receiver, _inbox) = Party::listening(world, "receiver", Lane::Event, &["#"]).await?;
    let sent = events("concurrent.close", 50);
    let expected = ids(&sent);
    sender.confirm_all(&sent).await?;
    receiver.close().await?;
    let (_receiver, mut inbox) = Party::listening(world, "receiver", Lane::Event, &["#"]).await?;
    inbox.collect(&expected).await?;
    sender
        .ends_with(&event("last"), &expected, &mut inbox)
        .await?;
    Ok(Finding::Kept)
}

/// Five senders (full: twenty) hand over a hundred messages (10,000) among them and close, without
/// waiting for any outcome: all are confirmed, and arrive.
pub async fn scenario_publisher_close(world: &dyn World) -> Checked {
    let (_receiver, mut inbox) = Party::listening(world, "receiver", Lane::Event, &["#"]).await?;
    let senders = world.form().of(5, 20);
    let names: Vec<String> = (0..senders)
        .map(|number| format!("sender {number}"))
        .collect();
    let senders = try_join_all(names.iter().map(|name| Party::up(world, name))).await?;
    let window = senders[0].capabilities().window;
    let share = (world.form().of(100, 10_000) / senders.len()).min(window);
    let sent = events("published", share * senders.len());
    let expected = ids(&sent);
    let closing = senders
        .iter()
        .zip(sent.chunks(share))
        .map(|(sender, share)| async move {
            let outcomes: Vec<_> = share
                .iter()
                .map(|message| sender.transport.send(message.clone()))
                .collect();
            let closed = sender.close().await?;
            ensure(closed.unknown == 0, || {
                format!("closed with {} outcomes unknown", closed.unknown)
            })?;
            let what = "the outcomes, after the close";
            for outcome in sender.patience.within(what, join_all(outcomes)).await? {
                ensure(matches!(outcome, Ok(Outcome::Confirmed)), || {
                    format!("a message in flight at the close became {outcome:?}")
                })?;
            }
            Ok::<(), Failure>(())
        });
    tokio::try_join!(inbox.collect(&expected), try_join_all(closing))?;
    let sender = Party::up(world, "sender").await?;
    sender
        .ends_with(&event("last"), &expected, &mut inbox)
        .await?;
    Ok(Finding::Kept)
}
