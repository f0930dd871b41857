//! What does a delivery become: a message, or a dead letter?

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use algedonic_transport::{Error, ErrorKind, Lane, Message};
use bytes::Bytes;
use lapin::message::Delivery;

use super::attempts::{self, Attempt, Attempts};
use crate::{AmqpConfig, QueueType, dead_letter::Reason, guard::Mark, identity::Identity};

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

    /// A classic queue counts nothing, and lets pass what a publisher has written in the place of a count.
    fn attempt(&self, delivery: &Delivery) -> Attempt {
        if !delivery.redelivered {
            return Attempt::uncounted(1);
        }
        let counts = self.config.lane_queue(self.lane).queue_type == QueueType::Quorum;
        if counts && let Some(number) = attempts::of_broker(&delivery.properties) {
            return Attempt::uncounted(number);
        }
        match Identity::of(delivery, &delivery.data) {
            Some(identity) => self.attempts().again(identity),
            None => Attempt::uncounted(2),
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

#[cfg(test)]
mod tests {
    use lapin::{
        BasicProperties,
        types::{AMQPValue, FieldTable},
    };

    use super::*;
    use crate::identity::COUNTS;

    fn numbers(queue_type: QueueType, count: i64) -> Vec<u32> {
        let config = AmqpConfig::new("amqp://localhost").expect("valid");
        let config = Arc::new(config.queue_type(queue_type));
        let reader = Reader::new(Lane::Event, config, Arc::default());
        let mut headers = FieldTable::default();
        headers.insert(COUNTS[0].into(), AMQPValue::LongLongInt(count));
        let number = |redelivered| {
            let mut delivery = Delivery::mock(1, "ex".into(), "a".into(), redelivered, Vec::new());
            delivery.properties = BasicProperties::default().with_headers(headers.clone());
            let attempt = reader.attempt(&delivery);
            reader.give_back(attempt);
            attempt.number
        };
        [false, true, true, true].map(number).into()
    }

    #[test]
    fn a_count_that_a_publisher_made_up_neither_ends_a_message_at_once_nor_keeps_it_for_ever() {
        for made_up in [-3, 0, 1, 400, 1 << 40] {
            assert_eq!(
                numbers(QueueType::Classic, made_up),
                [1, 2, 3, 4],
                "{made_up}"
            );
        }
        // A quorum queue writes its own in its place, but for the first delivery.
        assert_eq!(numbers(QueueType::Quorum, 400), [1, 401, 401, 401]);
        assert_eq!(numbers(QueueType::Quorum, -3), [1, 2, 3, 4]);
    }
}
