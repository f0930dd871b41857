//! A bus that raises signals about itself, and handlers of signals that nothing holds up.

/// Signals that are handled.
mod handlers;
#[path = "../it/patience.rs"]
mod patience;
/// Spools that say how full they are.
mod shelf;
/// What the bus says about itself.
mod watching;

use algedonic::{Bus, Event, Mirror, memory::Broker};
use serde::{Deserialize, Serialize};

use self::shelf::Shelf;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Ordered {
    number: u64,
}

impl Event for Ordered {
    const NAME: &'static str = "test.ordered";
}

/// A bus with a mirror that raises nothing else.
fn mirrored(broker: &Broker, shelf: &Shelf) -> Bus {
    let mirror = Mirror::new(broker.transport("here"))
        .without_alarms()
        .spool(shelf.clone())
        .outbound::<Ordered>();
    Bus::builder().mirror(mirror).build().expect("good")
}
