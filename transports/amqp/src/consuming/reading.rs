//! What does a delivery become: a message, or a dead letter?

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use algedonic_transport::{Error, ErrorKind, Lane, Message};
use bytes::Bytes;
use lapin::message::Delivery;

use super::attempts::Attempts;
use crate::{AmqpConfig, dead_letter::Reason, guard::Mark};

/// Reads the deliveries of one lane.
pub(crate) struct Reader {
    lane: Lane,
    config: Arc<AmqpConfig>,
    /// Kept from one connection to the next.
    attempts: Arc<Mutex<Attempts>>,
}

/// What was read.
pub(crate) struct Read {
    pub(crate) attempt: u32,
    /// Or why it is none that the application can use, and the body as it came.
    pub(crate) message: Result<Message, (Reason, Error, Bytes)>,
}

impl Reader {
    pub(crate) fn new(
        lane: Lane,
        config: Arc<AmqpConfig>,
        attempts: Arc<Mutex<Attempts>>,
    ) -> Self {
        Self {
            lane,
            config,
            attempts,
        }
    }

    fn attempts(&self) -> MutexGuard<'_, Attempts> {
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the body.
    pub(crate) fn read(&self, delivery: &mut Delivery) -> Read {
        let attempt = self
            .attempts()
            .of(delivery.redelivered, &delivery.properties);
        let mut body = std::mem::take(&mut delivery.data);
        let message = self.message(delivery, &mut body, attempt);
        Read {
            attempt,
            message: message.map_err(|(reason, error)| (reason, error, body.into())),
        }
    }

    fn message(
        &self,
        delivery: &Delivery,
        body: &mut Vec<u8>,
        attempt: u32,
    ) -> Result<Message, (Reason, Error)> {
        let operation = "read a message from RabbitMQ";
        if let Some(mark) = Mark::of(&delivery.properties) {
            let kind = if mark.too_large {
                ErrorKind::TooLarge
            } else {
                ErrorKind::Malformed
            };
            let error = Error::permanent(kind, operation)
                .with_detail(mark.reason.escape_debug().to_string());
            return Err((Reason::unreadable(&error), error));
        }
        let most = self.config.lane_queue(self.lane).max_attempts;
        if attempt > most {
            let error = Error::permanent(ErrorKind::Unexpected, operation).with_detail(format!(
                "it was delivered {most} times, and given back each time"
            ));
            return Err((Reason::exhausted(&error), error));
        }
        crate::wire::decode(
            self.lane,
            delivery.routing_key.as_str(),
            &delivery.properties,
            body,
            self.config.max_body_bytes,
            SystemTime::now(),
        )
        .map_err(|error| (Reason::unreadable(&error), error))
    }

    /// The message will not come again.
    pub(crate) fn forget(&self, delivery: &Delivery) {
        if delivery.redelivered {
            self.attempts().forget(&delivery.properties);
        }
    }
}
