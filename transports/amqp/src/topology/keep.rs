//! Is it all still there?

use std::time::Duration;

use algedonic_transport::{Error, Lane, Pattern};
use tokio::time::{Instant, sleep, sleep_until};

use super::{declare_exchange, declare_lane};
use crate::{
    AmqpConfig, TopologyMode,
    connect::{Deadline, Session},
    transport::Shared,
};

/// How often is looked: who deletes an exchange also deletes the bindings to it of everybody, and nobody
/// is told.
const CHECK: Duration = Duration::from_secs(30);
/// How soon after one look there may be another, because something was missed.
const AGAIN: Duration = Duration::from_secs(1);

/// Sees to the exchange of `lane` again and again, until that fails.
pub(crate) async fn keep_exchange(session: &Session, config: &AmqpConfig, lane: Lane) -> Error {
    loop {
        sleep(CHECK).await;
        let deadline = Deadline::within(config.connect_timeout);
        if let Err(error) = declare_exchange(session, config, lane, deadline).await {
            return error;
        }
    }
}

/// Sees to what `lane` needs to receive again and again, until that fails.
pub(crate) async fn keep_lane(
    session: &Session,
    shared: &Shared,
    lane: Lane,
    interest: &[Pattern],
) -> Error {
    let config = &shared.config;
    let mut looked = Instant::now();
    loop {
        let missed = async {
            sleep_until(looked + AGAIN).await;
            shared.hearing.missed(lane).await;
        };
        let missed = tokio::select! {
            () = sleep(CHECK) => false,
            () = missed => true,
        };
        let deadline = Deadline::within(config.connect_timeout);
        if let Err(error) = declare_lane(session, config, lane, interest, deadline).await {
            return error;
        }
        if missed && config.topology_mode == TopologyMode::Expect {
            tracing::warn!(
                %lane,
                "a message that this instance publishes and wants was not routed: its queue is there, and a \
                 binding is missing; AmqpConfig::definitions lists them"
            );
        }
        looked = Instant::now();
    }
}
