//! Signals, and what else must not be lost: on the disk until it is confirmed, and up a chain until somebody reacts.

/// Who is to react.
mod chain;
/// One who does not read.
mod deaf;
/// A disk that fails or hangs, and what is not for it.
mod disk;
/// Events whose type is kept through an outage.
mod events;
/// A real broker, a real disk, a process that is killed.
#[cfg(feature = "amqp")]
mod faults;
/// The same for any sequence of steps, with a process that dies among them.
mod histories;
/// Callers who go on publishing through outages.
mod load;
#[path = "../it/patience.rs"]
mod patience;
/// A spool in memory, which fails when it is told to.
mod shelf;
/// Signals that are confirmed, or on the disk.
mod signals;

use algedonic::{Bus, Event, Level, LinkState, Mirror, Signal, SignalSubscription, memory::Broker};
use serde::{Deserialize, Serialize};

use self::shelf::Shelf;

/// An event that is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Kept {
    number: u64,
}

impl Event for Kept {
    const NAME: &'static str = "test.kept";
}

/// An event that is not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Fleeting {
    number: u64,
}

impl Event for Fleeting {
    const NAME: &'static str = "test.fleeting";
}

/// A bus that sends, and keeps on this shelf.
fn sender(broker: &Broker, shelf: &Shelf) -> Bus {
    let mirror = Mirror::new(broker.transport("sender"))
        .without_alarms()
        .spool(shelf.clone())
        .outbound::<Kept>()
        .outage::<Kept>(algedonic::Outage::Spool)
        .outbound::<Fleeting>();
    Bus::builder().mirror(mirror).build().expect("good")
}

/// A bus that receives.
fn receiver(broker: &Broker) -> Bus {
    let mirror = Mirror::new(broker.transport("receiver"))
        .inbound::<Kept>()
        .inbound::<Fleeting>();
    Bus::builder().mirror(mirror).build().expect("good")
}

async fn link_is(bus: &Bus, state: LinkState) {
    let mut links = bus.links();
    while links.next().await.expect("the link is not closed").state != state {}
}

fn numbered(level: Level, number: u64) -> Signal {
    Signal::pain(level, "test").message(number.to_string())
}

/// The number of the next signal.
async fn next(signals: &mut SignalSubscription) -> u64 {
    let signal = patience::within("the signal", signals.recv()).await;
    number_of(&signal.expect("open").expect("no gap"))
}

fn number_of(signal: &Signal) -> u64 {
    signal.message.parse().expect("a number")
}
