//! Signals on a real broker: who gets a copy, in which queue it waits, and what is read first.

mod audit;
mod bands;
mod durable;
mod far;
mod settled;

use algedonic_amqp::Amqp;
use algedonic_transport::{Arrival, BoxStream, Key, Lane, Message, Pattern, Priority, Transport};
use lapin::Channel;

use crate::{dead_letters::waiting, support::signal};

/// What the bus makes of each level, from the most urgent on.
const LEVELS: [(&str, u8); 4] = [
    ("algedonic.pain.critical", 10),
    ("algedonic.pleasure.high", 8),
    ("algedonic.pain.medium", 5),
    ("algedonic.pleasure.low", 2),
];

/// One of each level, the least urgent first.
fn one_of_each() -> Vec<Message> {
    let of = |(key, priority): &(&'static str, u8)| {
        let mut message = signal(key);
        message.metadata.priority = Priority::new(*priority);
        message
    };
    LEVELS.iter().rev().map(of).collect()
}

fn with_key(key: &'static str) -> Message {
    let mut message = signal("a");
    message.metadata.key = Key::from_static(key);
    message
}

/// What the mirror of a bus asks for.
fn receive(amqp: &Amqp) -> BoxStream<Arrival> {
    let interest = vec![Pattern::new("algedonic.*.*").expect("a pattern")];
    amqp.receive(Lane::Signal, interest).expect("first call")
}

async fn lengths<const N: usize>(channel: &Channel, queues: &[String; N]) -> [u32; N] {
    let mut lengths = [0; N];
    for (length, queue) in lengths.iter_mut().zip(queues) {
        *length = waiting(channel, queue).await;
    }
    lengths
}
