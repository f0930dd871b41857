//! One channel for all subscribers.
//!
//! `TRY_RECEIVE`: first without waiting, and only then with.

use tokio::sync::broadcast;

use crate::{
    case::Case,
    load::{CAPACITY, Round},
    payload::Payload,
};

/// It overwrites what is unread, so it is as large as the round, and its publishers give way after
/// every [`CAPACITY`] events, as the others do when they are full.
pub(crate) fn tokio_broadcast<P: Payload, const TRY_RECEIVE: bool>(case: Case) -> Round {
    let (sender, _) = broadcast::channel(usize::try_from(case.events).expect("a few"));
    let maker = P::maker();
    let turn = CAPACITY as u64 / case.publishers;
    let publisher = |numbers| {
        let (sender, maker) = (sender.clone(), maker.clone());
        async move {
            for number in numbers {
                assert!(sender.send(P::make(&maker, number)).is_ok(), "subscribers");
                if number % turn == turn - 1 {
                    tokio::task::yield_now().await;
                }
            }
        }
    };
    case.round(publisher, |mut tally| {
        let mut receiver = sender.subscribe();
        async move {
            while tally.open() {
                if TRY_RECEIVE && let Ok(event) = receiver.try_recv() {
                    tally.read(event.reading());
                    continue;
                }
                let event = receiver.recv().await.expect("nothing is overwritten");
                tally.read(event.reading());
            }
            tally.check();
        }
    })
}

/// It waits for the slowest.
pub(crate) fn async_broadcast<P: Payload, const TRY_RECEIVE: bool>(case: Case) -> Round {
    let (sender, receiver) = async_broadcast::broadcast(CAPACITY);
    let maker = P::maker();
    let publisher = |numbers| {
        let (sender, maker) = (sender.clone(), maker.clone());
        async move {
            for number in numbers {
                let sent = sender.broadcast_direct(P::make(&maker, number)).await;
                assert!(sent.is_ok_and(|overwritten| overwritten.is_none()));
            }
        }
    };
    let round = case.round(publisher, |mut tally| {
        let mut receiver = receiver.new_receiver();
        async move {
            while tally.open() {
                if TRY_RECEIVE && let Ok(event) = receiver.try_recv() {
                    tally.read(event.reading());
                    continue;
                }
                let event = receiver.recv_direct().await.expect("open");
                tally.read(event.reading());
            }
            tally.check();
        }
    });
    // Or it would be a subscriber that never reads.
    drop(receiver);
    round
}
