use futures_util::future::try_join_all;

use super::group::group;
use crate::{
    Lane,
    conformance::{
        Checked, Failure, Finding, World,
        crowd::crowd,
        message::{event, events, events_to, ids},
        party::Party,
    },
};

/// A hundred messages (full: 5,000) of fifty tasks reach ten receivers (fifty) that share them.
pub async fn scenario_concurrent_subscribe(world: &dyn World) -> Checked {
    let (_receivers, mut inbox) = group(world, "receiver", world.form().of(10, 50)).await?;
    let sender = Party::up(world, "sender").await?;
    let sent = events("crowd", world.form().of(100, 5_000));
    let expected = ids(&sent);
    tokio::try_join!(inbox.collect(&expected), crowd(&sender, &sent, 50))?;
    sender
        .ends_with(&event("last"), &expected, &mut inbox)
        .await?;
    Ok(Finding::Kept)
}

/// Fifty messages (full: 100) on each of ten topics (twenty) at once: each receiver gets exactly what
/// was sent on its own.
pub async fn scenario_concurrent_subscribe_multiple_topics(world: &dyn World) -> Checked {
    let count = world.form().of(50, 100);
    let sender = Party::up(world, "sender").await?;
    let topics = (0..world.form().of(10, 20)).map(|number| {
        let sender = &sender;
        async move {
            let (name, topic) = (format!("receiver {number}"), format!("topic.n{number}"));
            let (_receiver, mut inbox) =
                Party::listening(world, &name, Lane::Event, &[&topic]).await?;
            let sent = events_to(&topic, count);
            let expected = ids(&sent);
            tokio::try_join!(inbox.collect(&expected), crowd(sender, &sent, 2))?;
            let last = &events_to(&topic, 1)[0];
            sender.ends_with(last, &expected, &mut inbox).await?;
            Ok::<(), Failure>(())
        }
    });
    try_join_all(topics).await?;
    Ok(Finding::Kept)
}
