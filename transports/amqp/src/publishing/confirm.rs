//! How is one message published, and what is the broker's answer?

use std::{
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll, ready},
};

use algedonic_transport::{Error, EventId};
use lapin::{
    Channel, Confirmation, PublisherConfirm,
    message::BasicReturnMessage,
    options::BasicPublishOptions,
    protocol::{AMQPErrorKind, AMQPSoftError},
    types::ShortString,
};

use crate::{
    error::{During, classify},
    window::Answer,
    wire::Encoded,
};

/// Why a channel has failed.
#[derive(Clone, Debug)]
pub(super) struct Fault {
    pub(super) error: Error,
    /// The broker closed the channel, and may have done so because of one message on it.
    pub(super) blames: bool,
}

/// Where messages are published, and why that has ended.
#[derive(Debug)]
pub(super) struct Outlet {
    pub(super) channel: Channel,
    exchange: ShortString,
    /// The first error of the channel, but for those that say no more than that it has ended.
    pub(super) fault: OnceLock<Fault>,
}

impl Outlet {
    pub(super) fn new(channel: Channel, exchange: ShortString) -> Self {
        Self {
            channel,
            exchange,
            fault: OnceLock::new(),
        }
    }

    /// Publishes at the first poll, and resolves once that is written.
    pub(super) fn write(
        self: &Arc<Self>,
        message: Encoded,
    ) -> impl Future<Output = Result<Confirm, Answer>> + Send + use<> {
        let outlet = self.clone();
        async move {
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
            let exchange = outlet.exchange.clone();
            let written = outlet
                .channel
                .basic_publish(exchange, routing_key, options, &body, properties)
                .await;
            match written {
                Ok(confirm) => Ok(Confirm { confirm, outlet }),
                Err(error) => Err(outlet.failed(&error)),
            }
        }
    }

    fn failed(&self, error: &lapin::Error) -> Answer {
        // Why it has ended, those that were published before are told; lapin does that a little later.
        if matches!(error.kind(), lapin::ErrorKind::InvalidChannelState(..)) {
            return Answer::Failed(error.to_string().into());
        }
        let fault = self.fault.get_or_init(|| Fault {
            error: classify(
                During::Publish,
                &format!("exchange {}", self.exchange),
                error,
            ),
            blames: is_about_a_message(error),
        });
        Answer::Failed(fault.error.to_string().into())
    }
}

/// Resolves with the broker's answer to one message.
pub(super) struct Confirm {
    confirm: PublisherConfirm,
    outlet: Arc<Outlet>,
}

impl Future for Confirm {
    type Output = Answer;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Answer> {
        let returned_id = |returned: Option<BasicReturnMessage>| returned.map(|r| returned_id(&r));
        Poll::Ready(match ready!(Pin::new(&mut self.confirm).poll(context)) {
            Ok(Confirmation::Ack(returned)) => Answer::Ack(returned_id(returned)),
            Ok(Confirmation::Nack(returned)) => Answer::Nack(returned_id(returned)),
            Ok(Confirmation::NotRequested) => {
                Answer::Failed("the channel is not in confirm mode".into())
            }
            Err(error) => self.outlet.failed(&error),
        })
    }
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
