//! What does a delivery become: a message, or a dead letter?

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use algedonic_transport::{Error, ErrorKind, Lane, Message};
use bytes::Bytes;
use lapin::message::Delivery;

use super::attempts::{self, Attempt, Attempts};
use crate::{AmqpConfig, dead_letter::Reason, guard::Mark, identity::Identity};

/// Reads the deliveries of one lane.
pub(crate) struct Reader {
    lane: Lane,
    config: Arc<AmqpConfig>,
    /// Kept from one connection to the next.
    attempts: Arc<Mutex<Attempts>>,
}

/// What was read.
pub(crate) struct Read {
    pub(crate) attempt: Attempt,
    /// Or why it is none that the application can use, and the body as it came.
    pub(crate) message: Result<Message, (Reason, Error, Bytes)>,
}

impl Reader {
    pub(crate) fn new(lane: Lane, config: Arc<AmqpConfig>, attempts: Arc<Mutex<Attempts>>) -> Self {
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
        let attempt = self.attempt(delivery);
        let mut body = std::mem::take(&mut delivery.data);
        let message = self.message(delivery, &mut body, attempt.number);
        Read {
            attempt,
            message: message.map_err(|(reason, error)| (reason, error, body.into())),
        }
    }

    fn attempt(&self, delivery: &Delivery) -> Attempt {
        let number = attempts::of_broker(&delivery.properties);
        if number.is_none()
            && delivery.redelivered
            && let Some(identity) = Identity::of(delivery, &delivery.data)
        {
            return self.attempts().again(identity);
        }
        Attempt {
            number: number.unwrap_or(1 + u32::from(delivery.redelivered)),
            counted: None,
        }
    }

    /// The message will come again.
    pub(crate) fn give_back(&self, attempt: Attempt) {
        if attempt.counted.is_some() {
            self.attempts().give_back(attempt);
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
}
