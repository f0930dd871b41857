//! Many publishers and many subscribers of every kind on several threads, which come, go, change their
//! minds and drop what they wait for.
//!
//! What each does follows from a seed; how the threads take turns does not. So a seed that failed is likely, not
//! certain, to fail again: see `tests/README.md`.

mod handlers;
mod load;
mod marks;
mod seat;
mod totals;
mod witness;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use algedonic::Bus;
use tokio::task::JoinHandle;

use self::{
    handlers::Group,
    load::{Load, Until, pause},
    marks::{Expiring, Left, Right, is_left},
    seat::{Guests, Seat},
    totals::Totals,
};
use crate::seed::Random;

#[derive(Clone, Copy)]
struct Plan {
    publishers: usize,
    /// Subscribers that are there first and leave last; each has a capacity of its own.
    faithful: usize,
    /// Subscribers that leave, and come back as another.
    restless: usize,
    guests: Guests,
    /// Handlers, too.
    handlers: bool,
    until: Until,
    expiring: Expiring,
}

async fn run(plan: Plan, mut random: Random) -> Totals {
    let bus = Bus::local();
    let load = Arc::new(Load::new(
        bus.clone(),
        plan.publishers,
        plan.until,
        plan.expiring,
    ));
    let faithful: Vec<_> = (1..=plan.faithful)
        .map(|capacity| Seat::take(&load, plan.guests, capacity, &mut random))
        .collect();
    let faithful: Vec<_> = faithful
        .into_iter()
        .map(|seat| tokio::spawn(stay(seat, random.fork())))
        .collect();
    let restless: Vec<_> = (0..plan.restless)
        .map(|_| tokio::spawn(come_and_go(Arc::clone(&load), plan.guests, random.fork())))
        .collect();
    let group = Group::new();
    let stays = plan.handlers.then(|| group.join(&bus, 2));
    let comes_and_goes = plan.handlers.then(|| {
        let work = Arc::clone(&group).come_and_go(bus.clone(), random.fork());
        tokio::spawn(work)
    });
    let publishers = (0..plan.publishers).map(|publisher| {
        let (load, random) = (Arc::clone(&load), random.fork());
        tokio::spawn(async move {
            if is_left(publisher) {
                load.publish::<Left>(publisher, random).await;
            } else {
                load.publish::<Right>(publisher, random).await;
            }
        })
    });
    let publishers: Vec<_> = publishers.collect();
    ended(publishers).await;
    group.end();
    ended(comes_and_goes).await;
    bus.shutdown(Duration::from_secs(60)).await;
    let faithful = ended(faithful).await;
    let restless: Vec<_> = ended(restless).await.into_iter().flatten().collect();
    drop(stays);
    Totals::of(&load, &group, faithful, &restless)
}

/// Reads to the end.
async fn stay(mut seat: Seat, mut random: Random) -> Seat {
    assert!(seat.read(u64::MAX, &mut random).await, "the end");
    seat
}

/// Subscribes, reads a little and leaves, until the bus ends. What each time saw.
async fn come_and_go(load: Arc<Load>, guests: Guests, mut random: Random) -> Vec<Seen> {
    let mut all = Vec::new();
    loop {
        let capacity = 1 + random.index(80);
        let mut seat = Seat::take(&load, guests, capacity, &mut random);
        let times = random.below(120);
        let patience = random.below(2_000);
        let ended = tokio::select! {
            biased;
            ended = seat.read(times, &mut random) => ended,
            () = pause(patience) => false,
        };
        if ended {
            seat.witness.end(&load.done());
        }
        all.push(Seen {
            delivered: seat.witness.delivered,
            missed: seat.witness.missed,
            cancelled: seat.cancelled,
        });
        drop(seat);
        if ended {
            return all;
        }
        pause(random.below(20)).await;
    }
}

/// What a subscriber saw that has left.
struct Seen {
    delivered: u64,
    missed: u64,
    cancelled: u64,
}

async fn ended<T>(tasks: impl IntoIterator<Item = JoinHandle<T>>) -> Vec<T> {
    let mut results = Vec::new();
    for task in tasks {
        match task.await {
            Ok(result) => results.push(result),
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }
    results
}

/// On more threads than there may be processors, and not for ever.
fn on_threads(plan: Plan, random: Random, patience: Duration) -> Totals {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .enable_all()
        .build()
        .expect("a runtime");
    let result = runtime.block_on(async {
        let run = tokio::spawn(run(plan, random));
        tokio::time::timeout(patience, ended([run])).await
    });
    runtime.shutdown_background();
    let mut totals = result.unwrap_or_else(|_| panic!("not at rest after {patience:?}"));
    totals.pop().expect("one run")
}

const SHORT: Plan = Plan {
    publishers: 4,
    faithful: 8,
    restless: 4,
    guests: Guests::All,
    handlers: true,
    until: Until::Published(1_500),
    expiring: Expiring::Nothing,
};

#[test]
fn subscribers_of_all_kinds_see_every_event_or_are_told() {
    let mut random = Random::seeded("stress, all kinds");
    for expiring in [Expiring::Nothing, Expiring::Some].repeat(4) {
        let plan = Plan { expiring, ..SHORT };
        let totals = on_threads(plan, random.fork(), Duration::from_secs(60));
        println!("{totals}");
    }
}

/// Without patterns and inboxes events take the short cut.
#[test]
fn followers_of_the_log_see_every_event_or_are_told() {
    let plan = Plan {
        guests: Guests::Followers,
        handlers: false,
        ..SHORT
    };
    let mut random = Random::seeded("stress, followers");
    for _ in 0..8 {
        let totals = on_threads(plan, random.fork(), Duration::from_secs(60));
        println!("{totals}");
    }
}

/// For `ALGEDONIC_STRESS_SECONDS`, 60 by default.
fn long(what: &str, guests: Guests, handlers: bool) {
    let seconds = std::env::var("ALGEDONIC_STRESS_SECONDS");
    let seconds = seconds.map_or(60, |seconds| seconds.parse().expect("seconds"));
    let plan = Plan {
        publishers: 8,
        faithful: 20,
        restless: 12,
        guests,
        handlers,
        until: Until::Passed(Instant::now() + Duration::from_secs(seconds)),
        expiring: if handlers {
            Expiring::Some
        } else {
            Expiring::Nothing
        },
    };
    let random = Random::seeded(what);
    let totals = on_threads(plan, random, Duration::from_secs(seconds + 60));
    println!("{what}, {seconds} s: {totals}");
}

#[test]
#[ignore = "takes a minute"]
fn the_books_balance_after_a_minute_of_all_kinds() {
    long("long stress, all kinds", Guests::All, true);
}

#[test]
#[ignore = "takes a minute"]
fn the_books_balance_after_a_minute_of_followers() {
    long("long stress, followers", Guests::Followers, false);
}
