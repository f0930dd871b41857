//! Work that is to be done once: it comes to exactly one of a group, and waits for it.

use std::time::Duration;

use futures_util::future::try_join_all;

use super::{
    Checked, Finding,
    failure::{Failure, ensure},
    inbox::Inbox,
    message::{commands, event, ids, on},
    order::come_in_order,
    outages::NO_OUTAGE,
    party::Party,
    patience::Patience,
    settlement::dead_letters,
    switch::Switch,
    world::World,
};
use crate::{Delivery, Lane, Message, Outcome};

const WORK: &[&str] = &["work.#"];

/// One more member of the group, at work.
async fn member(world: &dyn World) -> Result<(Party, Inbox), Failure> {
    Party::listening(world, "group", Lane::Command, WORK).await
}

fn command(key: &'static str) -> Message {
    on(Lane::Command, key)
}

/// Of three members each of 200 commands comes to exactly one.
pub async fn a_command_comes_to_exactly_one_of_its_group(world: &dyn World) -> Checked {
    let joining = (0..3).map(|_| member(world));
    let (_members, inboxes): (Vec<_>, Vec<_>) = try_join_all(joining).await?.into_iter().unzip();
    let mut inbox = Inbox::merge(inboxes);
    let sender = Party::up(world, "sender").await?;
    let sent = commands("work.shared", 200);
    sender.confirm_all(&sent).await?;
    inbox.collect_once(&ids(&sent)).await?;
    sender.then_only(&command("work.last"), &mut inbox).await?;
    Ok(Finding::Kept)
}

/// A command reaches the one group that asks for its key, and no other.
pub async fn a_command_reaches_the_group_that_its_key_is_for(world: &dyn World) -> Checked {
    let mut groups = Vec::new();
    for (name, keys, key) in [
        ("s3", ["s3.#"], "s3.allocate"),
        ("s4", ["s4.#"], "s4.adjust_policy"),
    ] {
        let (party, inbox) = Party::listening(world, name, Lane::Command, &keys).await?;
        groups.push((party, inbox, key, commands(key, 20)));
    }
    let sender = Party::up(world, "sender").await?;
    for (.., sent) in &mut groups {
        sender.confirm_all(sent).await?;
    }
    for (_party, inbox, key, sent) in &mut groups {
        inbox.collect_once(&ids(&*sent)).await?;
        sender.then_only(&command(key), inbox).await?;
    }
    Ok(Finding::Kept)
}

/// A command whose key no group asks for is `NotRouted`, though others hear events of that key; those
/// around it are confirmed, and come to nobody as events.
pub async fn a_command_that_no_group_wants_is_told_apart(world: &dyn World) -> Checked {
    let (_member, mut inbox) = member(world).await?;
    let (_listener, mut heard) = Party::listening(world, "listener", Lane::Event, &["#"]).await?;
    let sender = Party::up(world, "sender").await?;
    if !sender.capabilities().reports_unroutable {
        return Ok(Finding::NotApplicable("reports_unroutable"));
    }
    let sent: Vec<Message> = (0..sender.capabilities().window.min(100))
        .map(|number| command(if number % 3 == 0 { "play" } else { "work.now" }))
        .collect();
    let outcomes: Vec<_> = sent
        .iter()
        .map(|message| sender.transport.send(message.clone()))
        .collect();
    let mut wanted = Vec::new();
    for (message, outcome) in sent.iter().zip(outcomes) {
        let outcome = sender.patience.within("an outcome", outcome).await?;
        let expected = if &*message.metadata.key == "play" {
            Outcome::NotRouted
        } else {
            wanted.push(message);
            Outcome::Confirmed
        };
        ensure(outcome.as_ref().ok() == Some(&expected), || {
            format!("a command to {} became {outcome:?}", message.metadata.key)
        })?;
    }
    inbox.collect_once(&ids(wanted)).await?;
    sender.then_only(&event("play"), &mut heard).await?;
    Ok(Finding::Kept)
}

/// What is sent while no member of the group is there waits for the next.
pub async fn a_command_waits_for_a_group_that_is_away(world: &dyn World) -> Checked {
    let (first, inbox) = member(world).await?;
    if !first.capabilities().redelivers {
        return Ok(Finding::NotApplicable("redelivers"));
    }
    first.close().await?;
    drop(inbox);
    let sender = Party::up(world, "sender").await?;
    let sent = commands("work.later", 30);
    sender.confirm_all(&sent).await?;
    let (_next, mut inbox) = member(world).await?;
    inbox.collect_once(&ids(&sent)).await?;
    sender.then_only(&command("work.last"), &mut inbox).await?;
    Ok(Finding::Kept)
}

/// A member goes, by closing or by being dropped, with some commands done and others in its hands: these come to
/// another, with all that it had not begun. What it had done before it closed does not come again.
pub async fn commands_of_a_member_that_goes_come_to_another(world: &dyn World) -> Checked {
    for by_dropping in [false, true] {
        let (leaving, mut inbox) = member(world).await?;
        if !leaving.capabilities().redelivers {
            return Ok(Finding::NotApplicable("redelivers"));
        }
        let sender = Party::up(world, "sender").await?;
        let sent = commands("work.begun", 60);
        sender.confirm_all(&sent).await?;
        let mut left = ids(&sent);
        for _ in 0..3 {
            let done = inbox.next("a command to be done").await?;
            left.remove(&done.message().metadata.id);
            done.ack();
        }
        let held = [
            inbox.next("a command to hold").await?,
            inbox.next("a command to hold").await?,
        ];
        let (staying, mut others) = member(world).await?;
        if by_dropping {
            drop(leaving);
            inbox.end().await?;
            // An ack that was lost with the connection brings its command again.
            others.collect_among(&left, &ids(&sent)).await?;
        } else {
            leaving.close_within(Duration::from_secs(1)).await?;
            others.collect_once(&left).await?;
        }
        // Too late: these are the other's by now.
        held.into_iter().for_each(Delivery::ack);
        let last = command("work.last");
        sender.ends_with(&last, &ids(&sent), &mut others).await?;
        staying.close().await?;
    }
    Ok(Finding::Kept)
}

/// Five hundred commands, sent without waiting for each, come to the one member in order.
pub async fn commands_arrive_in_order_of_sending(world: &dyn World) -> Checked {
    let (_member, mut inbox) = member(world).await?;
    let sender = Party::up(world, "sender").await?;
    if !sender.capabilities().ordered {
        return Ok(Finding::NotApplicable("ordered"));
    }
    let sent = commands("work.in.order", 500);
    sender.confirm_all(&sent).await?;
    come_in_order(&mut inbox, &sent).await?;
    Ok(Finding::Kept)
}

/// Each delivery of a command that is given back says how many there were; that of another begins at 1.
pub async fn attempts_at_a_command_are_counted(world: &dyn World) -> Checked {
    let (member, mut inbox) = member(world).await?;
    let capabilities = member.capabilities();
    if !capabilities.redelivers || !capabilities.counts_attempts {
        return Ok(Finding::NotApplicable("redelivers, counts_attempts"));
    }
    let sender = Party::up(world, "sender").await?;
    for key in ["work.hard", "work.harder"] {
        let sent = command(key);
        sender.confirm(&sent).await?;
        for attempt in 1..=4 {
            let delivery = inbox.next(&format!("attempt {attempt} of {key}")).await?;
            let told = (delivery.attempt(), delivery.is_redelivered());
            ensure(told == (attempt, attempt > 1), || {
                format!("awaited attempt {attempt} of {key}; came {delivery:?}")
            })?;
            if attempt < 4 {
                delivery.requeue();
            } else {
                delivery.ack();
            }
        }
    }
    sender.then_only(&command("work.last"), &mut inbox).await?;
    Ok(Finding::Kept)
}

/// A command that was dead-lettered is kept for an operator, and comes to no member again.
pub async fn a_dead_lettered_command_is_kept_and_does_not_come_again(world: &dyn World) -> Checked {
    let (first, mut inbox) = member(world).await?;
    if !first.capabilities().dead_letters {
        return Ok(Finding::NotApplicable("dead_letters"));
    }
    if world.dead_letters(&first.name).is_none() {
        return Ok(Finding::NotApplicable("World::dead_letters"));
    }
    let sender = Party::up(world, "sender").await?;
    sender.confirm_all(&commands("work.worthless", 3)).await?;
    for _ in 0..3 {
        let worthless = inbox.next("a command").await?;
        worthless.dead_letter_because("worthless");
    }
    dead_letters(world, &first, 3).await?;
    sender.then_only(&command("work.next"), &mut inbox).await?;
    first.close().await?;
    let (_next, mut inbox) = member(world).await?;
    sender.then_only(&command("work.last"), &mut inbox).await?;
    Ok(Finding::Kept)
}

/// Commands that were confirmed, and not yet taken, arrive after an outage, and so do those that are sent
/// then.
pub async fn confirmed_commands_survive_an_outage(world: &dyn World) -> Checked {
    let Some(broker) = Switch::of(world) else {
        return Ok(NO_OUTAGE);
    };
    let (member, inbox) = member(world).await?;
    if !member.capabilities().durable {
        return Ok(Finding::NotApplicable("durable"));
    }
    let sender = Party::up(world, "sender").await?;
    let sent = commands("work.kept", 100);
    sender.confirm_all(&sent).await?;
    broker.stop().await?;
    sender
        .becomes("a link that is not up", |link| !link.is_up())
        .await?;
    broker.start().await?;
    let mut inbox = inbox.with_patience(Patience(world.outage_deadline()));
    inbox.collect(&ids(&sent)).await?;
    let sender = sender.patient(world);
    let after = command("work.after");
    sender.insist(&after, |_| true).await?;
    inbox.until(&after, "a command after the outage").await?;
    Ok(Finding::Kept)
}
