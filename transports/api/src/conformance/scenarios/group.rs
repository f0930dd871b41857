use futures_util::future::try_join_all;

use crate::{
    Lane,
    conformance::{Failure, World, inbox::Inbox, party::Party},
};

/// So many transports of one name, which share its messages, and what arrives at any of them.
///
/// They are listed, for a transport ends when it is dropped.
pub(super) async fn group(
    world: &dyn World,
    name: &str,
    members: usize,
) -> Result<(Vec<Party>, Inbox), Failure> {
    let joining = (0..members).map(|_| Party::listening(world, name, Lane::Event, &["#"]));
    let (parties, inboxes) = try_join_all(joining).await?.into_iter().unzip();
    Ok((parties, Inbox::merge(inboxes)))
}
