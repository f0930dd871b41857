//! How is one message published, and what is the broker's answer?

use std::sync::{Arc, OnceLock};

use algedonic_transport::{Error, EventId};
use lapin::{
    Channel, Confirmation,
    message::BasicReturnMessage,
    options::BasicPublishOptions,
    protocol::{AMQPErrorKind, AMQPSoftError},
    types::ShortString,
};

use crate::{
    error::{During, classify},
    window::{Answer, Publish},
    wire::Encoded,
};

/// Why a channel has failed.
#[derive(Clone, Debug)]
pub(super) struct Fault {
    pub(super) error: Error,
    /// The broker closed the channel, and may have done so because of one message on it.
    pub(super) blames: bool,
}

/// Publishes at the first poll, and resolves with the broker's answer. The first error of the
/// channel is kept in `fault`.
pub(super) fn confirmed(
    channel: Channel,
    exchange: ShortString,
    message: Encoded,
    fault: Arc<OnceLock<Fault>>,
) -> Publish {
    Box::pin(async move {
        let Encoded {
            routing_key,
            properties,
            body,
            ..
        } = message;
        let options = BasicPublishOptions {
            mandatory: true,
            ..BasicPublishOptions::default()
        };
        let subject = exchange.clone();
        let written = channel
            .basic_publish(exchange, routing_key, options, &body, properties)
            .await;
        // lapin has its own copy: ours need not wait for the answer.
        drop((channel, body));
        let confirmation = match written {
            Ok(confirm) => confirm.await,
            Err(error) => Err(error),
        };
        match confirmation {
            Ok(Confirmation::Ack(returned)) => Answer::Ack(returned.map(|r| returned_id(&r))),
            Ok(Confirmation::Nack(returned)) => Answer::Nack(returned.map(|r| returned_id(&r))),
            Ok(Confirmation::NotRequested) => {
                Answer::Failed("the channel is not in confirm mode".into())
            }
            Err(error) => {
                let fault = fault.get_or_init(|| Fault {
                    error: classify(During::Publish, &format!("exchange {subject}"), &error),
                    blames: is_about_a_message(&error),
                });
                Answer::Failed(fault.error.to_string().into())
            }
        }
    })
}

/// What a missing exchange does to a channel, every message on it has done.
fn is_about_a_message(error: &lapin::Error) -> bool {
    let lapin::ErrorKind::ProtocolError(amqp) = error.kind() else {
        return false;
    };
    matches!(amqp.kind(), AMQPErrorKind::Soft(soft) if *soft != AMQPSoftError::NOTFOUND)
}

fn returned_id(message: &BasicReturnMessage) -> EventId {
    let id = message.properties.message_id().as_ref();
    id.map_or(EventId::from_u128(0), |id| {
        EventId::from_foreign(id.as_str())
    })
}
