//! Is it all still there?

use std::time::Duration;

use algedonic_transport::{Error, Lane, Pattern};
use tokio::time::sleep;

use super::{declare_exchange, declare_lane};
use crate::{
    AmqpConfig,
    connect::{Deadline, Session},
};

/// How often is looked: who deletes an exchange also deletes the bindings to it of everybody, and nobody
/// is told.
const CHECK: Duration = Duration::from_secs(30);

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
    config: &AmqpConfig,
    lane: Lane,
    interest: &[Pattern],
) -> Error {
    loop {
        sleep(CHECK).await;
        let deadline = Deadline::within(config.connect_timeout);
        if let Err(error) = declare_lane(session, config, lane, interest, deadline).await {
            return error;
        }
    }
}
