//! A breaker that several threads use at once.

use std::time::Duration;

use loom::{sync::Arc, thread};

use crate::{
    models::check,
    resilience::breaker::{
        BreakerConfig, Outcome, State, Trip,
        core::{Change, Core, Ticket},
    },
};

const RESET: u64 = 100;
const HALF_OPEN: u64 = 50;

/// Opens after so many failures in a row; so many probes at a time, two successes to close.
fn core(failures: u32, permits: u32) -> Arc<Core> {
    core_with(
        Trip::Consecutive {
            failure_threshold: failures,
        },
        permits,
    )
}

fn core_with(trip: Trip, permits: u32) -> Arc<Core> {
    let config = BreakerConfig::default()
        .trip(trip)
        .half_open_permits(permits)
        .success_threshold(2)
        .half_open_timeout(Duration::from_nanos(HALF_OPEN))
        .reset_timeout(Duration::from_nanos(RESET))
        .reset_jitter(0.0);
    Arc::new(Core::new((&config).into(), Some(1)))
}

/// Whether it was admitted, and what that changed.
fn admit(core: &Core, now: u64) -> (Option<Ticket>, Option<Change>) {
    let (admitted, change) = core.admit(|| now);
    (admitted.ok(), change)
}

fn record(core: &Core, ticket: Ticket, outcome: Outcome, now: u64) -> Option<Change> {
    core.record(ticket, outcome, false, || now)
}

/// An open one, whose period is over at `RESET`.
fn open(permits: u32) -> Arc<Core> {
    let core = core(1, permits);
    let ticket = admit(&core, 0).0.expect("closed");
    let change = record(&core, ticket, Outcome::Failure, 0).expect("the first failure opens it");
    assert_eq!(change.to, State::Open);
    core
}

/// A half-open one, with this many probes under way.
fn half_open(permits: u32, probes: usize) -> (Arc<Core>, Vec<Ticket>) {
    let core = open(permits);
    let tickets = (0..probes).map(|_| admit(&core, RESET).0.expect("a place"));
    let tickets = tickets.collect();
    (core, tickets)
}

/// Runs them at once; what each has to say.
fn at_once<T: 'static, const N: usize>(core: &Arc<Core>, threads: [fn(&Core) -> T; N]) -> [T; N] {
    let running = threads.map(|run| {
        let core = Arc::clone(core);
        thread::spawn(move || run(&core))
    });
    running.map(|thread| thread.join().expect("no panic"))
}

/// L-1.
#[test]
fn three_calls_at_the_end_of_the_open_period_are_two_probes_and_one_transition() {
    check(2, || {
        let core = open(2);
        let call = |core: &Core| admit(core, RESET);
        let calls = at_once(&core, [call; 3]);
        let probes = calls.iter().filter(|(ticket, _)| ticket.is_some()).count();
        let changes: Vec<_> = calls.iter().filter_map(|(_, change)| *change).collect();
        assert_eq!(probes, 2);
        assert_eq!(changes.len(), 1);
        assert_eq!((changes[0].to, changes[0].generation), (State::HalfOpen, 2));
        assert_eq!(core.snapshot(RESET).probes, 2);
    });
}

/// L-1, the other way: all probes hang, and two calls find that out.
#[test]
fn probes_that_hang_are_given_up_once() {
    check(2, || {
        let (core, hung) = half_open(1, 1);
        let late = RESET + HALF_OPEN;
        let call = |core: &Core| {
            let late = RESET + HALF_OPEN;
            (core.refuses(|| late).1, admit(core, late).1)
        };
        let calls = at_once(&core, [call; 2]);
        let changes: Vec<_> = calls
            .iter()
            .flat_map(|(asked, called)| [*asked, *called])
            .flatten()
            .collect();
        assert_eq!(changes.len(), 1);
        assert_eq!((changes[0].to, changes[0].generation), (State::Open, 3));
        assert_eq!(record(&core, hung[0], Outcome::Success, late), None);
        assert_eq!(core.snapshot(late).state, State::Open);
    });
}

/// L-2, for each rule that counts under the lock.
#[test]
fn failures_at_the_threshold_open_it_once_and_none_is_lost() {
    let window = Duration::from_secs(1);
    let rules = [
        Trip::Consecutive {
            failure_threshold: 3,
        },
        Trip::Failures {
            failure_threshold: 3,
            window,
        },
        Trip::RateOfCalls {
            calls: 3,
            failure_rate: 1.0,
            minimum_calls: 3,
            slow: None,
        },
        Trip::RateInWindow {
            window,
            failure_rate: 1.0,
            minimum_calls: 3,
            minimum_failures: 3,
            slow: None,
        },
    ];
    for rule in rules {
        check(2, move || {
            let core = core_with(rule.clone(), 1);
            let fail = |core: &Core| {
                let (ticket, change) = admit(core, 1);
                assert_eq!(change, None);
                ticket.and_then(|ticket| record(core, ticket, Outcome::Failure, 1))
            };
            let changes = at_once(&core, [fail; 3]);
            assert_eq!(changes.iter().flatten().count(), 1);
            assert_eq!(core.snapshot(1).generation, 1);
        });
    }
}

/// A success among failures: where it comes between them it counts, else it does not.
#[test]
fn a_success_starts_the_row_anew() {
    check(2, || {
        let core = core(2, 1);
        let end = |core: &Core, outcome| {
            let ticket = admit(core, 1).0?;
            record(core, ticket, outcome, 1)
        };
        let threads: [fn(&Core) -> Option<Change>; 2] = [
            |core| {
                let ticket = admit(core, 1).0?;
                record(core, ticket, Outcome::Failure, 1)
            },
            |core| {
                let ticket = admit(core, 1).0?;
                record(core, ticket, Outcome::Success, 1)
            },
        ];
        assert_eq!(at_once(&core, threads), [None, None]);
        let failures = core.snapshot(1).failures;
        assert!(failures <= 1);
        let opened = end(&core, Outcome::Failure).is_some();
        assert_eq!(opened, failures == 1);
    });
}

/// L-3.
#[test]
fn a_cancelled_probe_a_failed_one_and_a_call_leak_no_place() {
    check(2, || {
        let (core, tickets) = half_open(2, 2);
        let [cancelled, failed] = [tickets[0], tickets[1]];
        let other = Arc::clone(&core);
        let cancel = thread::spawn(move || record(&other, cancelled, Outcome::Ignore, RESET));
        let other = Arc::clone(&core);
        let fail = thread::spawn(move || record(&other, failed, Outcome::Failure, RESET));
        let (ticket, change) = admit(&core, RESET);
        assert_eq!(change, None);
        assert_eq!(cancel.join().expect("no panic"), None);
        let opened = fail
            .join()
            .expect("no panic")
            .expect("the failure opens it");
        assert_eq!(opened.generation, 3);
        // Whoever got a place before that holds none of the next half-open state.
        let (first, change) = admit(&core, 2 * RESET);
        assert_eq!(change.map(|change| change.to), Some(State::HalfOpen));
        if let Some(ticket) = ticket {
            assert_eq!(record(&core, ticket, Outcome::Ignore, 2 * RESET), None);
            assert_eq!(record(&core, ticket, Outcome::Failure, 2 * RESET), None);
        }
        assert!(first.is_some());
        assert!(admit(&core, 2 * RESET).0.is_some());
        assert!(admit(&core, 2 * RESET).0.is_none());
        assert_eq!(core.snapshot(2 * RESET).probes, 2);
    });
}

/// Two probes succeed at once: together they close it, once.
#[test]
fn the_last_success_closes_it() {
    check(2, || {
        let (core, tickets) = half_open(2, 2);
        let threads = [tickets[0], tickets[1]].map(|ticket| {
            let core = Arc::clone(&core);
            thread::spawn(move || record(&core, ticket, Outcome::Success, RESET))
        });
        // A third call finds it half-open with a place or without, or closed.
        let late = admit(&core, RESET).0;
        let changes = threads.map(|thread| thread.join().expect("no panic"));
        let closed: Vec<_> = changes.into_iter().flatten().collect();
        assert_eq!(closed.len(), 1);
        assert_eq!((closed[0].to, closed[0].generation), (State::Closed, 3));
        if let Some(late) = late {
            record(&core, late, Outcome::Success, RESET);
        }
        assert_eq!(core.snapshot(RESET).probes, 0);
    });
}

/// L-8.
#[test]
fn what_a_person_says_is_not_undone_by_a_call() {
    check(2, || {
        let (core, tickets) = half_open(2, 1);
        assert_eq!(record(&core, tickets[0], Outcome::Success, RESET), None);
        let last = admit(&core, RESET).0.expect("a place");
        let other = Arc::clone(&core);
        let succeed = thread::spawn(move || record(&other, last, Outcome::Success, RESET));
        let other = Arc::clone(&core);
        let reset = thread::spawn(move || other.reset(RESET));
        let forced = core.force_open(RESET);
        let mut changes = vec![reset.join().expect("no panic")];
        changes.extend(succeed.join().expect("no panic"));
        changes.extend(forced);
        changes.sort_by_key(|change| change.generation);
        // Each begins where the one before has ended, and the last is what it is.
        let mut state = State::HalfOpen;
        for (number, change) in (3..).zip(&changes) {
            assert_eq!((change.from, change.generation), (state, number));
            state = change.to;
        }
        assert_eq!(core.snapshot(RESET).state, state);
        assert_ne!(state, State::HalfOpen);
        assert_eq!(core.snapshot(RESET).probes, 0);
    });
}
