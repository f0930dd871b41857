//! Many tasks that send by one transport.

use tokio::task::JoinSet;

use super::{
    failure::Failure,
    party::{Party, is_busy},
};
use crate::Message;

/// Sends each message, in so many tasks at once; one that is refused as busy, again.
pub(super) async fn crowd(
    sender: &Party,
    messages: &[Message],
    tasks: usize,
) -> Result<(), Failure> {
    let mut sending = JoinSet::new();
    for share in messages.chunks(messages.len().div_ceil(tasks)) {
        let (sender, share) = (sender.clone(), share.to_vec());
        sending.spawn(async move {
            for message in &share {
                sender.insist(message, is_busy).await?;
            }
            Ok::<(), Failure>(())
        });
    }
    while let Some(ended) = sending.join_next().await {
        ended.map_err(|error| Failure::new(error.to_string()))??;
    }
    Ok(())
}
