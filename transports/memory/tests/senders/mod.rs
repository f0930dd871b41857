//! Those who send, a few at a time, and write down what became of each message.

use std::time::Duration;

use algedonic_memory::Memory;
use algedonic_transport::{
    Error, ErrorKind, Key, Lane, Message, Metadata, Outcome, Pattern, Transport,
};
use futures_util::future::join_all;
use tokio::time::sleep;

/// One message, and what became of it.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) number: u64,
    pub(crate) wanted: bool,
    pub(crate) outcome: Result<Outcome, Error>,
}

impl PartialEq for Sent {
    fn eq(&self, other: &Self) -> bool {
        let kind = |sent: &Self| sent.outcome.as_ref().map_err(Error::kind).cloned();
        self.number == other.number && kind(self) == kind(other)
    }
}

pub(crate) fn wanted() -> Vec<Pattern> {
    vec![Pattern::new("wanted.#").expect("a pattern")]
}

/// One in ten is wanted by nobody.
pub(crate) fn message(from: &str, number: u64) -> Message {
    let key = match number % 10 {
        0 => Key::from_static("unwanted"),
        _ => Key::from_static("wanted.here"),
    };
    let metadata = Metadata::new(key, from.to_owned());
    Message::new(metadata, Lane::Event, "text/plain", number.to_string())
}

/// Who sent it, and its number there.
pub(crate) fn stamp(message: &Message) -> (String, u64) {
    let number = std::str::from_utf8(&message.body).expect("text");
    let number = number.parse().expect("a number");
    (message.metadata.source.to_string(), number)
}

/// Sends so many, five at a time; while the broker is away it waits a little.
pub(crate) async fn send_all(transport: &Memory, from: &str, messages: u64) -> Vec<Sent> {
    let numbers: Vec<u64> = (1..=messages).collect();
    let mut all = Vec::new();
    for five in numbers.chunks(5) {
        let outcomes = join_all(five.iter().map(|n| transport.send(message(from, *n)))).await;
        for (number, outcome) in five.iter().zip(outcomes) {
            let away = matches!(&outcome, Err(error) if error.kind() == ErrorKind::Unavailable);
            assert!(away || outcome.is_ok(), "{outcome:?}");
            all.push(Sent {
                number: *number,
                wanted: number % 10 != 0,
                outcome,
            });
        }
        sleep(Duration::from_millis(40)).await;
    }
    all
}
