use std::collections::HashMap;

use crate::{
    Lane, Message,
    conformance::{
        Checked, Finding, World,
        failure::ensure,
        message::{event, ids, varied},
        party::Party,
    },
};

/// A hundred messages, each with other metadata, arrive as they were sent, and nothing else; the
/// arrivals end with the close.
pub async fn scenario_publish_subscribe(world: &dyn World) -> Checked {
    let (receiver, mut inbox) =
        Party::listening(world, "receiver", Lane::Event, &["conformance.#"]).await?;
    let sender = Party::up(world, "sender").await?;
    let most = sender.capabilities().max_body_bytes;
    let sent: Vec<Message> = (0..100).map(|number| varied(number, most)).collect();
    sender.confirm_all(&sent).await?;
    let by_id: HashMap<_, _> = sent.iter().map(|sent| (sent.metadata.id, sent)).collect();
    let expected = ids(&sent);
    for came in inbox.collect(&expected).await? {
        let sent = by_id[&came.metadata.id];
        ensure(came.metadata == sent.metadata, || {
            format!(
                "metadata sent: {:?}; came: {:?}",
                sent.metadata, came.metadata
            )
        })?;
        ensure(came.body == sent.body, || {
            format!("the body of {came:?} is not the one that was sent")
        })?;
        ensure(
            (came.lane, &came.content_type, came.persistent)
                == (sent.lane, &sent.content_type, sent.persistent),
            || format!("sent: {sent:?}; came: {came:?}"),
        )?;
    }
    let last = event("conformance.last");
    sender.ends_with(&last, &expected, &mut inbox).await?;
    receiver.close().await?;
    inbox.end().await?;
    Ok(Finding::Kept)
}
