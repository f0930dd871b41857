//! A rate limit that several threads use at once.

use loom::{sync::Arc, thread};

use crate::{models::check, resilience::rate_limit::core::Core};

const INTERVAL: u64 = 10;

/// Two tokens, and three who want one now: two get one.
#[test]
fn no_token_is_taken_twice() {
    check(3, || {
        let core = Arc::new(Core::new(INTERVAL, 2));
        let others = [(); 2].map(|()| {
            let core = Arc::clone(&core);
            thread::spawn(move || core.take(0, 0).is_ok())
        });
        let mine = core.take(0, 0).is_ok();
        let taken = others.map(|other| other.join().expect("no panic"));
        let taken = taken.into_iter().chain([mine]).filter(|taken| *taken);
        assert_eq!(taken.count(), 2);
        assert_eq!(core.available(0), 0);
        assert_eq!(core.take(0, 0), Err(INTERVAL));
    });
}

/// L-6. One gives back a time, while two take theirs: all times differ, and what was given back is taken once or wasted.
#[test]
fn a_time_that_is_given_back_is_taken_once_or_wasted() {
    check(3, || {
        let core = Arc::new(Core::new(INTERVAL, 1));
        assert_eq!(core.take(0, 0).expect("the first").at, 0);
        let leaver = core.take(0, u64::MAX).expect("any time");
        assert_eq!(leaver.at, INTERVAL);
        let others = [(); 2].map(|()| {
            let core = Arc::clone(&core);
            thread::spawn(move || core.take(0, u64::MAX).expect("any time").at)
        });
        let given = core.give_back(leaver);
        let mut times = others.map(|other| other.join().expect("no panic"));
        times.sort_unstable();
        let first = if given { INTERVAL } else { 2 * INTERVAL };
        assert_eq!(times, [first, first + INTERVAL]);
        let next = core.take(0, u64::MAX).expect("any time").at;
        assert_eq!(next, first + 2 * INTERVAL);
    });
}

/// L-6. Two give back, one takes: nothing is given twice.
#[test]
fn two_who_leave_give_nothing_twice() {
    check(3, || {
        let core = Arc::new(Core::new(INTERVAL, 1));
        let [older, newer] = [(); 2].map(|()| core.take(0, u64::MAX).expect("any time"));
        let other = {
            let core = Arc::clone(&core);
            thread::spawn(move || core.give_back(older))
        };
        let taker = {
            let core = Arc::clone(&core);
            thread::spawn(move || core.take(0, u64::MAX).expect("any time").at)
        };
        let newer = core.give_back(newer);
        let older = other.join().expect("no panic");
        let taken = taker.join().expect("no panic");
        let back = u64::from(newer) + u64::from(older);
        assert!(
            !older || newer,
            "the older one is not the newest while the newer is there"
        );
        let next = core.take(0, u64::MAX).expect("any time").at;
        // Three were taken, and so many of them given back.
        assert_eq!(next, (3 - back) * INTERVAL);
        assert!(taken < next);
    });
}
