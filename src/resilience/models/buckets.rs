//! Calls counted in buckets of time by several threads, while a bucket gives way to the next.

use std::time::Duration;

use loom::{sync::Arc, thread};

use crate::{
    models::check,
    resilience::breaker::{Trip, core::buckets::Buckets},
};

const BUCKET: u64 = 1_000_000;

fn buckets() -> Arc<Buckets> {
    let trip = Trip::RateInWindow {
        window: Duration::from_nanos(10 * BUCKET),
        failure_rate: 1.0,
        minimum_calls: 1,
        minimum_failures: 1,
        slow: None,
    };
    Arc::new(Buckets::of(&trip).expect("the rule of buckets"))
}

/// L-7. A call whose time slot is over when it is counted may be lost with it; no other is.
#[test]
fn a_bucket_that_gives_way_loses_no_call_of_the_next() {
    check(2, || {
        let buckets = buckets();
        buckets.record(0, 0, true, false);
        // The same place, a window later: the first one empties it.
        let later = 10 * BUCKET;
        let threads = [0, later, later].map(|now| {
            let buckets = Arc::clone(&buckets);
            thread::spawn(move || buckets.record(0, now, true, false))
        });
        for thread in threads {
            thread.join().expect("no panic");
        }
        let tally = buckets.tally(0, later);
        assert_eq!((tally.calls, tally.failures), (2, 2));
    });
}

/// BR-4, without a lock: a call of an older generation is not counted in a newer, whatever the time.
#[test]
fn a_call_of_an_older_generation_is_not_counted() {
    check(2, || {
        let buckets = buckets();
        let threads = [(1, 7), (2, 1), (2, 7)].map(|(generation, bucket)| {
            let buckets = Arc::clone(&buckets);
            thread::spawn(move || buckets.record(generation, bucket * BUCKET, true, false))
        });
        for thread in threads {
            thread.join().expect("no panic");
        }
        for bucket in 7..10 {
            let tally = buckets.tally(2, bucket * BUCKET);
            assert_eq!((tally.calls, tally.failures), (2, 2));
        }
        assert_eq!(buckets.tally(3, 9 * BUCKET).calls, 0);
    });
}
