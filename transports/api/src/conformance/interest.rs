//! Each receiver gets what it asked for, and nothing else.

use super::{
    Checked, Finding,
    failure::{Failure, ensure},
    inbox::Inbox,
    message::{event, events, ids, many_on, on},
    party::{Party, patterns},
    world::World,
};
use crate::{ErrorKind, Lane, Message, Outcome, Verdict};

/// Two receivers with patterns of their own each get a copy of what these select.
pub async fn interest_selects_by_pattern(world: &dyn World) -> Checked {
    let some = ["orders.*", "#.critical", "exact.key"];
    let (_some, mut some) = Party::listening(world, "some", Lane::Event, &some).await?;
    let (_all, mut all) = Party::listening(world, "all", Lane::Event, &["orders.#"]).await?;
    let sender = Party::up(world, "sender").await?;
    let (mut for_some, mut for_all) = (Vec::new(), Vec::new());
    for (key, to_some, to_all) in [
        ("orders", false, true),
        ("orders.new", true, true),
        ("orders.new.eu", false, true),
        ("orders.new.critical", true, true),
        ("critical", true, false),
        ("stock.low.critical", true, false),
        ("critical.mass", false, false),
        ("exact.key", true, false),
        ("exact.key.longer", false, false),
        ("ordersnew", false, false),
    ] {
        let message = event(key);
        if to_some || to_all {
            sender.confirm(&message).await?;
        } else {
            sender.send(message.clone()).await?.ok();
        }
        for_some.extend(to_some.then(|| message.clone()));
        for_all.extend(to_all.then_some(message));
    }
    let last = event("orders.last");
    sender.confirm(&last).await?;
    for (inbox, mut expected) in [(&mut some, for_some), (&mut all, for_all)] {
        expected.push(last.clone());
        inbox.collect(&ids(&expected)).await?;
    }
    Ok(Finding::Kept)
}

/// Several patterns of one receiver that select the same key bring one copy.
pub async fn overlapping_patterns_do_not_duplicate(world: &dyn World) -> Checked {
    let overlapping = ["a.b", "a.*", "*.b", "a.#", "#"];
    let (_receiver, mut inbox) =
        Party::listening(world, "receiver", Lane::Event, &overlapping).await?;
    let sender = Party::up(world, "sender").await?;
    let sent = events("a.b", 10);
    sender.confirm_all(&sent).await?;
    inbox.collect(&ids(&sent)).await?;
    sender.then_only(&event("a.b"), &mut inbox).await?;
    Ok(Finding::Kept)
}

/// A message that nobody wants is `NotRouted`, those around it are confirmed.
pub async fn a_message_nobody_wants_is_told_apart(world: &dyn World) -> Checked {
    let (_receiver, mut inbox) =
        Party::listening(world, "receiver", Lane::Event, &["wanted.#"]).await?;
    let sender = Party::up(world, "sender").await?;
    if !sender.capabilities().reports_unroutable {
        return Ok(Finding::NotApplicable("reports_unroutable"));
    }
    let at_once = sender.capabilities().window.min(200);
    let messages: Vec<Message> = (0..at_once)
        .map(|number| {
            event(if number % 3 == 0 {
                "unwanted"
            } else {
                "wanted.key"
            })
        })
        .collect();
    let outcomes: Vec<_> = messages
        .iter()
        .map(|message| sender.transport.send(message.clone()))
        .collect();
    for (message, outcome) in messages.iter().zip(outcomes) {
        let outcome = sender.patience.within("an outcome", outcome).await?;
        let wanted = &*message.metadata.key == "wanted.key";
        let as_it_should = match &outcome {
            Ok(Outcome::Confirmed) => wanted,
            Ok(Outcome::NotRouted) => !wanted,
            _ => false,
        };
        ensure(as_it_should, || {
            format!("a message to {} became {outcome:?}", message.metadata.key)
        })?;
    }
    let wanted = messages
        .iter()
        .filter(|message| &*message.metadata.key == "wanted.key");
    inbox.collect(&ids(wanted)).await?;
    Ok(Finding::Kept)
}

/// A lane is received once; the second call is an error, and the first goes on.
pub async fn receive_twice_on_a_lane_is_refused(world: &dyn World) -> Checked {
    let (party, mut inbox) = Party::listening(world, "receiver", Lane::Event, &["a.#"]).await?;
    let Err(error) = party.transport.receive(Lane::Event, patterns(&["b.#"])) else {
        return Err(Failure::new("the events were received a second time"));
    };
    ensure(
        error.kind() == ErrorKind::Misconfigured && error.verdict() == Verdict::Permanent,
        || format!("awaited Misconfigured, permanent; came {error:?}"),
    )?;
    party.receive(Lane::Signal, &["a.#"])?;
    party.comes_up().await?;
    let sent = event("a.b");
    party.confirm(&sent).await?;
    inbox
        .expect(&sent, "a message after the refused second receive")
        .await?;
    Ok(Finding::Kept)
}

/// Who drops the stream of a lane is away: what comes meanwhile is kept for the next of the name.
pub async fn what_comes_after_the_stream_was_dropped_waits(world: &dyn World) -> Checked {
    let (receiver, inbox) = Party::listening(world, "receiver", Lane::Event, &["a.#"]).await?;
    if !receiver.capabilities().redelivers {
        return Ok(Finding::NotApplicable("redelivers"));
    }
    let sender = Party::up(world, "sender").await?;
    drop(inbox);
    let kept = events("a.b", 20);
    sender.confirm_all(&kept).await?;
    // Whoever wrongly goes on taking gets some turns to do it.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    receiver.close().await?;
    let more = events("a.b", 20);
    sender.confirm_all(&more).await?;
    let (_receiver, mut inbox) = Party::listening(world, "receiver", Lane::Event, &["a.#"]).await?;
    inbox.collect(&ids(kept.iter().chain(&more))).await?;
    Ok(Finding::Kept)
}

/// Nothing comes on another lane than its own, though all have the same key.
pub async fn lanes_are_separate(world: &dyn World) -> Checked {
    let party = Party::new(world, "receiver");
    let mut inboxes = Vec::new();
    for lane in Lane::ALL {
        inboxes.push(party.receive(lane, &["#"])?);
    }
    party.comes_up().await?;
    let sender = Party::up(world, "sender").await?;
    let sent = Lane::ALL.map(|lane| many_on(lane, "a.b", 20));
    for number in 0..20 {
        for of_a_lane in &sent {
            sender.confirm(&of_a_lane[number]).await?;
        }
    }
    for (inbox, sent) in inboxes.iter_mut().zip(&sent) {
        only(inbox, sent).await?;
    }
    for (inbox, lane) in inboxes.iter_mut().zip(Lane::ALL) {
        sender.then_only(&on(lane, "last"), inbox).await?;
    }
    Ok(Finding::Kept)
}

/// Each of `sent` comes, on its lane, and no stranger before the last of them.
async fn only(inbox: &mut Inbox, sent: &[Message]) -> Result<(), Failure> {
    let lane = sent[0].lane;
    for came in inbox.collect(&ids(sent)).await? {
        ensure(came.lane == lane, || {
            format!("came among the {lane}: {came:?}")
        })?;
    }
    Ok(())
}
