//! How does a connection get its next channel, though there may be an alarm?

use std::future::pending;

use algedonic_transport::Error;
use lapin::{Channel, options::ConfirmSelectOptions};

use super::{Parcel, Publishing};
use crate::{
    connect::{Change, Changes, Deadline, Session},
    part::Part,
    topology,
    transport::Shared,
};

enum Step {
    Changed(Change),
    Opened(Result<Channel, Error>),
}

impl Publishing {
    /// Declares what the lane needs, and opens a confirm channel. During an alarm that waits: the broker reads
    /// nothing more of a connection that it has blocked, and owes no answer. None: the transport is closing.
    pub(super) async fn channel(
        &mut self,
        session: &Session,
        changes: &mut Changes,
    ) -> Option<Result<Channel, Error>> {
        loop {
            let (shared, part, blocked) = (self.shared.clone(), self.part, self.blocked);
            let step = async {
                tokio::select! {
                    biased;
                    change = changes.next() => Step::Changed(change),
                    opened = open(&shared, session, part, blocked) => Step::Opened(opened),
                }
            };
            match self.meanwhile(step).await? {
                Step::Opened(Ok(channel)) => return Some(Ok(channel)),
                Step::Opened(Err(error)) => return Some(Err(changes.cause(error).await)),
                Step::Changed(Change::Lost(error)) => return Some(Err(error)),
                // Messages leave once there is a channel.
                Step::Changed(Change::Unblocked) => self.blocked = false,
                Step::Changed(Change::Blocked(reason)) => {
                    self.block(&reason);
                    self.batch.drain(..).for_each(Parcel::refuse);
                }
            }
        }
    }
}

async fn open(
    shared: &Shared,
    session: &Session,
    part: Part,
    blocked: bool,
) -> Result<Channel, Error> {
    if blocked {
        return pending().await;
    }
    let config = &shared.config;
    let deadline = Deadline::within(config.connect_timeout);
    topology::declare_exchange(session, config, part.lane, deadline).await?;
    let channel = session.channel(deadline).await?;
    let confirm = channel.confirm_select(ConfirmSelectOptions::default());
    session.step(deadline, confirm).await?;
    Ok(channel)
}
