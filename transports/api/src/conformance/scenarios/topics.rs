use super::group::group;
use crate::{
    Lane, Message,
    conformance::{
        Checked, Finding, World,
        message::{event, events, ids},
        party::Party,
    },
};

/// One message on each of two topics: each receiver gets its own, and not the other's.
pub async fn scenario_topic(world: &dyn World) -> Checked {
    let keys = ["topic.one", "topic.two"];
    let (_one, one) = Party::listening(world, "one", Lane::Event, &keys[..1]).await?;
    let (_two, two) = Party::listening(world, "two", Lane::Event, &keys[1..]).await?;
    let sender = Party::up(world, "sender").await?;
    let sent = keys.map(event);
    for message in &sent {
        sender.confirm(message).await?;
    }
    for ((mut inbox, key), message) in [one, two].into_iter().zip(keys).zip(&sent) {
        let expected = ids([message]);
        inbox.collect(&expected).await?;
        sender.ends_with(&event(key), &expected, &mut inbox).await?;
    }
    Ok(Finding::Kept)
}

/// Each of two groups, of two members that share its messages, gets all fifty.
pub async fn scenario_consumer_groups(world: &dyn World) -> Checked {
    let (_first, mut first) = group(world, "first group", 2).await?;
    let (_second, mut second) = group(world, "second group", 2).await?;
    let sender = Party::up(world, "sender").await?;
    let sent = events("grouped", 50);
    let expected = ids(&sent);
    sender.confirm_all(&sent).await?;
    first.collect(&expected).await?;
    second.collect(&expected).await?;
    let last = event("last");
    sender.ends_with(&last, &expected, &mut first).await?;
    second.until_only(&last, &expected).await?;
    Ok(Finding::Kept)
}

/// Three rounds, a new receiver in each: it gets what is sent from its coming on, and nothing of
/// before, for no transport promises a history; those before it get everything since theirs.
pub async fn scenario_new_subscriber_receives_old_messages(world: &dyn World) -> Checked {
    let sender = Party::up(world, "sender").await?;
    let mut receivers = Vec::new();
    let mut sent: Vec<Message> = Vec::new();
    for name in ["first", "second", "third"] {
        let (party, inbox) = Party::listening(world, name, Lane::Event, &["#"]).await?;
        receivers.push((party, inbox, sent.len()));
        let round = events("round", 20);
        sender.confirm_all(&round).await?;
        sent.extend(round);
    }
    for (_party, inbox, since) in &mut receivers {
        inbox.collect(&ids(&sent[*since..])).await?;
    }
    let last = event("last");
    sender.confirm(&last).await?;
    for (_party, inbox, since) in &mut receivers {
        inbox.until_only(&last, &ids(&sent[*since..])).await?;
    }
    Ok(Finding::Kept)
}
