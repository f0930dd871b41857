use algedonic::{Buffer, Bus, Gap, Lag, PatternSubscription, Subscription};
use futures_util::StreamExt;

use super::{
    load::{Load, pause},
    marks::{Left, Mark, Marked, Right, is_left},
    witness::Witness,
};
use crate::seed::Random;

/// Who may sit there.
#[derive(Clone, Copy)]
pub(super) enum Guests {
    /// Subscribers of types that follow the log.
    Followers,
    /// Of types and patterns, of all policies.
    All,
}

/// A subscription of some kind.
pub(super) enum Sub {
    Left(Subscription<Left>),
    Right(Subscription<Right>),
    Pattern(PatternSubscription),
}

/// A subscriber: what it subscribed to, and what it saw.
pub(super) struct Seat {
    pub(super) sub: Sub,
    pub(super) buffer: (Lag, usize),
    pub(super) hears: Vec<bool>,
    pub(super) witness: Witness,
    /// How many `recv` it dropped.
    pub(super) cancelled: u64,
}

impl Seat {
    pub(super) fn take(load: &Load, guests: Guests, capacity: usize, random: &mut Random) -> Self {
        let (kinds, lags): (_, &[Lag]) = match guests {
            Guests::Followers => (2, &[Lag::Block, Lag::DropOldest]),
            Guests::All => {
                let all = &[Lag::Block, Lag::DropOldest, Lag::DropNewest, Lag::Error];
                (6, all)
            }
        };
        let lag = lags[random.index(lags.len())];
        let buffer = Buffer::new(lag, capacity);
        let done = load.done();
        let publisher = random.index(done.len());
        let (sub, hears) = subscribe(&load.bus, random.below(kinds), buffer, publisher);
        let begun = load.begun();
        let hears: Vec<_> = (0..done.len()).map(hears).collect();
        Self {
            sub,
            buffer: (lag, capacity),
            witness: Witness::new(lag, load.expiring, hears.clone(), done, begun),
            hears,
            cancelled: 0,
        }
    }

    /// Reads until the end (true), or so many times.
    pub(super) async fn read(&mut self, times: u64, random: &mut Random) -> bool {
        let mut marks = Vec::new();
        for _ in 0..times {
            let way = random.below(4);
            let limit = random.index(40);
            let item = if random.one_in(8) {
                tokio::select! {
                    biased;
                    item = self.sub.receive(way, limit, &mut marks) => Some(item),
                    () = pause(random.below(3)) => None,
                }
            } else {
                Some(self.sub.receive(way, limit, &mut marks).await)
            };
            match item {
                None => self.cancelled += 1,
                Some(None) => return true,
                Some(Some(Err(gap))) => self.witness.gap(gap),
                Some(Some(Ok(()))) => {
                    let marks = marks.drain(..);
                    marks.for_each(|mark| self.witness.event(mark));
                }
            }
            assert!(marks.is_empty(), "a dropped recv has taken {marks:?}");
            // Sometimes it is slow, and what is lent to it stays so.
            if random.one_in(64) {
                pause(random.below(40)).await;
            }
        }
        false
    }
}

/// A subscription, and which publishers it hears.
fn subscribe(
    bus: &Bus,
    kind: u64,
    buffer: Buffer,
    publisher: usize,
) -> (Sub, Box<dyn Fn(usize) -> bool>) {
    let pattern = |pattern: &str| {
        let subscription = bus.subscribe_pattern_with(pattern, buffer);
        Sub::Pattern(subscription.expect("a pattern"))
    };
    match kind {
        0 => (Sub::Left(bus.subscribe_with(buffer)), Box::new(is_left)),
        1 => (
            Sub::Right(bus.subscribe_with(buffer)),
            Box::new(|other| !is_left(other)),
        ),
        2 => (pattern("#"), Box::new(|_| true)),
        3 => (pattern("stress.*"), Box::new(is_left)),
        4 => (pattern("stress.*.*"), Box::new(|other| !is_left(other))),
        _ => (
            pattern(&format!("#.right.{publisher}")),
            Box::new(move |other| !is_left(other) && other == publisher),
        ),
    }
}

impl Sub {
    async fn receive(
        &mut self,
        way: u64,
        limit: usize,
        marks: &mut Vec<Mark>,
    ) -> Option<Result<(), Gap>> {
        match self {
            Self::Left(subscription) => receive(subscription, way, limit, marks).await,
            Self::Right(subscription) => receive(subscription, way, limit, marks).await,
            Self::Pattern(subscription) => {
                let item = match way {
                    0 => subscription.next().await?,
                    _ => subscription.recv().await?,
                };
                Some(item.map(|event| {
                    let left = event.downcast::<Left>().map(|event| event.mark());
                    let right = || event.downcast::<Right>().map(|event| event.mark());
                    marks.push(left.or_else(right).expect("one of the two"));
                }))
            }
        }
    }
}

async fn receive<E: Marked>(
    subscription: &mut Subscription<E>,
    way: u64,
    limit: usize,
    marks: &mut Vec<Mark>,
) -> Option<Result<(), Gap>> {
    Some(match way {
        0 => subscription
            .next()
            .await?
            .map(|event| marks.push(event.mark())),
        1 => subscription
            .recv()
            .await?
            .map(|event| marks.push(event.mark())),
        2 => {
            let lent = subscription.recv_ref().await?;
            lent.map(|event| marks.push(event.mark()))
        }
        _ => {
            let batch = subscription.recv_many(limit).await?;
            batch.map(|batch| marks.extend(batch.iter().map(|event| event.mark())))
        }
    })
}
