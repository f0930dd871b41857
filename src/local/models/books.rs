//! The books, while they change.

use std::time::{Duration, SystemTime};

use algedonic_transport::{EventId, Metadata};
use loom::thread;

use super::{Lag, Tick, block_on, check, lane, publish, subscribe};
use crate::local::{Draft, Publication, lane::AnyLane};

#[test]
fn an_event_that_expired_is_never_counted_as_delivered() {
    check(3, || {
        let lane = lane();
        let mut subscription = subscribe(&lane, Lag::Block, 8);
        let now = SystemTime::now();
        let mut metadata = Box::new(Metadata::of(
            EventId::at(now),
            now,
            lane.origin().name.clone(),
            "model",
        ));
        metadata.expires = Some(now - Duration::from_secs(1));
        let draft = Draft {
            event: Tick(0),
            full: Some(metadata),
        };
        assert!(Publication::new(&lane, draft).try_now().is_ok());
        assert_eq!(block_on(publish(&lane, Tick(1))), Ok(1));
        let reader = thread::spawn(move || {
            let number = block_on(subscription.recv()).expect("not the end");
            assert_eq!(number.expect("no gap").0, 1);
            subscription
        });
        let books = lane.books();
        let account = books.subscribers[0].account;
        assert!(account.delivered <= account.expired, "{account:?}");
        let subscription = reader.join().expect("no panic");
        let account = lane.books().subscribers[0].account;
        assert_eq!((account.delivered, account.expired), (1, 1));
        drop(subscription);
    });
}
