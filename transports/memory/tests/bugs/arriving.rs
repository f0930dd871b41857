use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use algedonic_transport::{
    Arrival, BoxStream, Delivery, Error, EventId, Lane, Pattern, Settle, Settlement,
};
use futures_util::{StreamExt, stream};

use super::{Bug, Planted};

impl Planted {
    pub(super) fn receive_wrongly(
        &self,
        lane: Lane,
        mut interest: Vec<Pattern>,
    ) -> Result<BoxStream<Arrival>, Error> {
        let again = {
            let mut received = self.received.lock().expect("whole");
            received.push(lane);
            received
                .iter()
                .filter(|received| **received == lane)
                .count()
                > 1
        };
        if self.bug == Bug::AcceptsASecondReceive && again {
            return Ok(Box::pin(stream::pending()));
        }
        let patterns = interest.len();
        if self.bug == Bug::ReceivesEverything {
            interest = vec![Pattern::new("#").expect("a pattern")];
        }
        let settling = Arc::new(Wrongly {
            bug: self.bug,
            returned: Mutex::default(),
            last: AtomicU64::new(0),
            held: Mutex::default(),
        });
        let (bug, traffic, own) = (self.bug, self.traffic.clone(), self.own.clone());
        let mut number = 0_usize;
        let arrivals = self
            .inner
            .receive(lane, interest)?
            .flat_map(move |arrival| {
                let Arrival::Message(delivery) = arrival else {
                    return stream::iter(vec![arrival]);
                };
                traffic.taken[lane as usize].fetch_add(1, Ordering::SeqCst);
                number += 1;
                let id = delivery.message().metadata.id;
                let copies = match bug {
                    Bug::DeliversOncePerPattern => patterns,
                    Bug::RepeatsEveryFiftieth if number.is_multiple_of(50) => 2,
                    Bug::HidesItsOwn if own.lock().expect("whole").contains(&id) => 0,
                    _ => 1,
                };
                stream::iter(settling.deliver(delivery, copies))
            });
        if self.bug == Bug::ReplaysHistory {
            let history = self.traffic.history.lock().expect("whole").clone();
            let replayed = history.into_iter().map(|message| {
                Arrival::Message(Delivery::new(message, false, Arc::new(Nothing), 0))
            });
            return Ok(Box::pin(
                stream::iter(replayed.collect::<Vec<_>>()).chain(arrivals),
            ));
        }
        if self.bug != Bug::TakesOnAfterTheStreamIsDropped {
            return Ok(Box::pin(arrivals));
        }
        let mut taker = TakesOn(Some(Box::pin(arrivals)));
        Ok(Box::pin(stream::poll_fn(move |cx| {
            taker.0.as_mut().expect("not dropped").poll_next_unpin(cx)
        })))
    }
}

/// Goes on to take and to acknowledge when it is dropped.
struct TakesOn(Option<BoxStream<Arrival>>);

impl Drop for TakesOn {
    fn drop(&mut self) {
        let mut arrivals = self.0.take().expect("dropped once");
        tokio::spawn(async move {
            while let Some(arrival) = arrivals.next().await {
                if let Arrival::Message(delivery) = arrival {
                    delivery.ack();
                }
            }
        });
    }
}

/// Settles in another way than it is told.
struct Wrongly {
    bug: Bug,
    /// What was given back once.
    returned: Mutex<HashSet<EventId>>,
    last: AtomicU64,
    held: Mutex<HashMap<u64, Delivery>>,
}

impl Wrongly {
    /// The delivery as often as asked for, the first of them to be settled here.
    fn deliver(self: &Arc<Self>, delivery: Delivery, copies: usize) -> Vec<Arrival> {
        let message = delivery.message().clone();
        let redelivered = delivery.is_redelivered();
        let attempt = match self.bug {
            Bug::ForgetsAttempts => 1,
            _ => delivery.attempt(),
        };
        let first = self.last.fetch_add(copies as u64, Ordering::SeqCst);
        if self.bug == Bug::AcksOnArrival || copies == 0 {
            delivery.ack();
        } else {
            self.held.lock().expect("whole").insert(first, delivery);
        }
        (first..first + copies as u64)
            .map(|tag| Delivery::new(message.clone(), redelivered, self.clone(), tag))
            .map(|delivery| delivery.with_attempt(attempt))
            .map(Arrival::Message)
            .collect()
    }
}

impl Settle for Wrongly {
    fn settle(&self, tag: u64, settlement: Settlement) {
        let settlement = match (self.bug, settlement) {
            (Bug::NeverAcks, Settlement::Ack) => return,
            (Bug::AcksWhatIsDropped, Settlement::Requeue)
            | (Bug::AcksDeadLetters, Settlement::DeadLetter) => Settlement::Ack,
            (Bug::RequeuesDeadLetters, Settlement::DeadLetter) => Settlement::Requeue,
            (_, settlement) => settlement,
        };
        let delivery = self.held.lock().expect("whole").remove(&tag);
        if let Some(delivery) = delivery {
            if self.bug == Bug::LosesTheSecondReturn && settlement == Settlement::Requeue {
                let id = delivery.message().metadata.id;
                if !self.returned.lock().expect("whole").insert(id) {
                    return delivery.ack();
                }
            }
            delivery.settle(settlement);
        }
    }
}

/// What was replayed is nobody's to settle.
struct Nothing;

impl Settle for Nothing {
    fn settle(&self, _tag: u64, _settlement: Settlement) {}
}
