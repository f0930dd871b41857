//! Questions and answers inside a process (requirements 2.01, 2.06, 2.16).

/// A bus that ends.
mod ending;
/// Each way in which a request can end without a reply.
mod failures;
/// Responders that leave.
mod leaving;
/// Every request resolves exactly once, for any sequence of steps.
mod model;
/// Replies, and what goes with them.
mod replies;

use std::{fmt, time::Duration};

use algedonic::{Answer, Asked, Bus, Request, Responder};
use futures_util::FutureExt;
use tokio::sync::mpsc;

/// Asks a responder to behave in a certain way.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    number: u64,
    how: How,
}

#[derive(Clone, Debug)]
enum How {
    Answer,
    Fail,
    Panic,
    Take(Duration),
    Hang,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refused(u64);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is refused", self.0)
    }
}

impl std::error::Error for Refused {}

impl Request for Ask {
    const NAME: &'static str = "test.ask";
    type Reply = u64;
    type Error = Refused;
}

impl Ask {
    fn new(number: u64, how: How) -> Self {
        Self { number, how }
    }
}

/// Does what is asked; the reply is the number.
async fn obey(asked: Asked<Ask>) -> Result<u64, Refused> {
    match asked.how {
        How::Answer => {}
        How::Fail => return Err(Refused(asked.number)),
        How::Panic => panic!("a planted panic"),
        How::Take(time) => tokio::time::sleep(time).await,
        How::Hang => std::future::pending().await,
    }
    Ok(asked.number)
}

/// Every request in the books has one outcome.
fn balanced(bus: &Bus) -> bool {
    let counts = bus.counts();
    counts.requests
        == counts.requests_answered
            + counts.requests_declined
            + counts.requests_timed_out
            + counts.requests_lost
            + counts.requests_refused
            + counts.requests_withdrawn
}

/// A responder with one request in hand and one that waits.
struct Scene {
    bus: Bus,
    responder: Responder,
    in_hand: Answer<Ask>,
    queued: Answer<Ask>,
}

async fn scene(how: How) -> Scene {
    let bus = Bus::local();
    let (begun, mut taken) = mpsc::unbounded_channel();
    let responder = bus.respond::<Ask>().with(move |asked| {
        // The scene hears of the first only.
        let _ = begun.send(());
        obey(asked)
    });
    let mut in_hand = bus.request(Ask::new(1, how)).into_future();
    assert!((&mut in_hand).now_or_never().is_none());
    taken.recv().await.expect("begun");
    let mut queued = bus.request(Ask::new(2, How::Answer)).into_future();
    assert!((&mut queued).now_or_never().is_none());
    Scene {
        bus,
        responder,
        in_hand,
        queued,
    }
}
