use std::collections::HashMap;

use futures_util::future::try_join_all;

use crate::{
    EventId, Lane, Message,
    conformance::{
        Checked, Finding, World,
        failure::ensure,
        message::{event, events_to, ids},
        party::Party,
    },
};

const TYPES: usize = 16;

/// A hundred messages (full: 1,000) of sixteen types, sent by as many at once and each by each in
/// order, come in that order, type by type.
pub async fn scenario_publish_subscribe_in_order(world: &dyn World) -> Checked {
    let (_receiver, mut inbox) = Party::listening(world, "receiver", Lane::Event, &["#"]).await?;
    let sender = Party::up(world, "sender").await?;
    if !sender.capabilities().ordered {
        return Ok(Finding::NotApplicable("ordered"));
    }
    let of_each = world.form().of(100, 1_000).div_ceil(TYPES);
    let types: Vec<Vec<Message>> = (0..TYPES)
        .map(|number| events_to(&format!("type.n{number}"), of_each))
        .collect();
    try_join_all(
        types
            .iter()
            .map(|sent| sender.confirm_some(sent, 2 * TYPES)),
    )
    .await?;
    let expected = ids(types.iter().flatten());
    let mut came: HashMap<String, Vec<EventId>> = HashMap::new();
    for message in inbox.collect(&expected).await? {
        let of_its_type = came.entry(message.metadata.key.to_string()).or_default();
        of_its_type.push(message.metadata.id);
    }
    for sent in &types {
        let key = sent[0].metadata.key.to_string();
        let due: Vec<EventId> = sent.iter().map(|message| message.metadata.id).collect();
        ensure(came.get(&key) == Some(&due), || {
            format!("sent of {key}: {due:?}; came: {:?}", came.get(&key))
        })?;
    }
    sender
        .ends_with(&event("last"), &expected, &mut inbox)
        .await?;
    Ok(Finding::Kept)
}
