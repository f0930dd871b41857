use std::{collections::BTreeMap, time::Duration};

use algedonic_transport::Lane;
use proptest::prelude::*;
use tokio::time::Instant;

use super::{
    Signs, Vitals, Watch,
    condition::{Condition, Look},
    signs::{Filled, Mirror, Subscribers},
};
use crate::{Feeling, Level, Signal, Status};

const BOUND: u64 = 1_000;

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// What was said, and after how many seconds.
type Said = (u64, Feeling);

/// The same by the words of the documentation, from the whole story each time.
fn told(story: &[(u64, Look)], patience: u64, hold: u64) -> Vec<Said> {
    let is_well_for_hold = |end: usize| {
        let well = story[..=end].iter().rev();
        let first = well.take_while(|(_, look)| *look == Look::Well).last();
        first.is_some_and(|(at, _)| story[end].0 - at >= hold)
    };
    let mut told = Vec::<Said>::new();
    for (now, (at, look)) in story.iter().enumerate() {
        let hurts = told.last().is_some_and(|(_, said)| *said == Feeling::Pain);
        if hurts && is_well_for_hold(now) {
            told.push((*at, Feeling::Pleasure));
        }
        let began = (0..=now).rev().find(|end| is_well_for_hold(*end));
        let began = began.map_or(0, |end| end + 1);
        let bad = story[began..=now]
            .iter()
            .find(|(_, look)| *look == Look::Bad);
        let is_long = bad.is_some_and(|(since, _)| at - since >= patience);
        if !hurts && *look == Look::Bad && is_long {
            told.push((*at, Feeling::Pain));
        }
    }
    told
}

fn assert_takes_turns(said: &[Said], hold: u64) {
    for (number, (at, feeling)) in said.iter().enumerate() {
        let expected = if number % 2 == 0 {
            Feeling::Pain
        } else {
            Feeling::Pleasure
        };
        assert_eq!(*feeling, expected, "{said:?}");
        if let Some((before, _)) = number.checked_sub(2).map(|before| said[before]) {
            assert!(at - before >= hold, "two within a hold: {said:?}");
        }
    }
}

fn looks() -> impl Strategy<Value = Vec<(u64, Look)>> {
    let look = prop::sample::select(vec![
        Look::Well,
        Look::Well,
        Look::Between,
        Look::Bad,
        Look::Bad,
    ]);
    prop::collection::vec((1..4_u64, look), 0..60).prop_map(|steps| {
        let mut now = 0;
        let at = |(step, look)| {
            now += step;
            (now, look)
        };
        steps.into_iter().map(at).collect()
    })
}

/// How a whole bus is at one look.
#[derive(Clone, Debug)]
struct Given {
    step: u64,
    is_up: bool,
    status: Status,
    filled: [u64; 2],
    subscribers: Vec<Option<(u64, Look)>>,
}

const NAMES: [&str; 2] = ["one", "two"];

fn given() -> impl Strategy<Value = Given> {
    let status = prop::sample::select(vec![
        Status::Healthy,
        Status::Degraded,
        Status::Unhealthy,
        Status::Closed,
    ]);
    let room = prop::sample::select(vec![Look::Well, Look::Between, Look::Bad]);
    // Mostly none, or it is one long pain.
    let dropped = prop_oneof![4 => Just(0), 1 => 1..100_u64];
    let subscribers = prop::option::weighted(0.9, (dropped, room));
    (
        1..4_u64,
        any::<bool>(),
        status,
        [0..=BOUND, 0..=BOUND],
        prop::collection::vec(subscribers, NAMES.len()),
    )
        .prop_map(|(step, is_up, status, filled, subscribers)| Given {
            step,
            is_up,
            status,
            filled,
            subscribers,
        })
}

/// Runs that last: what changes with each look says little.
fn story() -> impl Strategy<Value = Vec<Given>> {
    let runs = prop::collection::vec((given(), 1..8_usize), 0..20);
    runs.prop_map(|runs| {
        let run = |(given, times)| std::iter::repeat_n(given, times);
        runs.into_iter().flat_map(run).collect()
    })
}

fn vitals() -> Vitals {
    Vitals::new()
        .hold(seconds(5))
        .mirror_down(seconds(7))
        .health(seconds(11))
        .subscriber_full(seconds(3))
}

/// The signals of the story, each with its time.
fn said(story: &[Given]) -> Vec<(u64, Signal)> {
    let (start, mut now, mut said) = (Instant::now(), 0, Vec::new());
    let mut watch = Watch::default();
    watch.set(vitals());
    let mut dropped = [0; NAMES.len()];
    for given in story {
        now += given.step;
        let mut subscribers = BTreeMap::new();
        for (place, given) in given.subscribers.iter().enumerate() {
            // Those of a pattern that are gone have no books.
            let Some((more, room)) = given else {
                dropped[place] = 0;
                continue;
            };
            dropped[place] += more;
            let of = Subscribers {
                dropped: dropped[place],
                room: *room,
                unread: 7,
            };
            subscribers.insert(NAMES[place].to_owned(), of);
        }
        let lanes = [Lane::Event, Lane::Signal].into_iter().zip(given.filled);
        let signs = Signs {
            mirror: Some(Mirror {
                is_up: given.is_up,
                words: String::new(),
            }),
            lanes: lanes
                .map(|(lane, bytes)| Filled {
                    lane,
                    bytes,
                    bound: BOUND,
                })
                .collect(),
            status: given.status,
            words: String::new(),
            subscribers,
        };
        let signals = watch.look(&signs, start + seconds(now));
        assert!(signals.is_sorted_by(|one, next| one.level >= next.level));
        said.extend(signals.into_iter().map(|signal| (now, signal)));
    }
    said
}

/// How one thing was at each look.
fn seen(story: &[Given], look: impl Fn(&Given) -> Look) -> Vec<(u64, Look)> {
    let mut now = 0;
    let at = |given: &Given| {
        now += given.step;
        (now, look(given))
    };
    story.iter().map(at).collect()
}

fn bad_if(is_bad: bool) -> Look {
    if is_bad { Look::Bad } else { Look::Well }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn he_2_he_3_what_flaps_hurts_once_and_takes_turns(
        story in looks(),
        patience in 0..12_u64,
        hold in 0..12_u64,
    ) {
        let (start, mut condition) = (Instant::now(), Condition::default());
        let look = |(at, look): &(u64, Look)| {
            let now = start + seconds(*at);
            let change = condition.look(*look, now, seconds(patience), seconds(hold))?;
            Some((*at, change.feeling))
        };
        let said: Vec<_> = story.iter().filter_map(look).collect();
        prop_assert_eq!(&said, &told(&story, patience, hold));
        assert_takes_turns(&said, hold);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Each by itself, whatever the others do.
    #[test]
    fn each_thing_hurts_by_its_own_measure(story in story()) {
        let said = said(&story);
        let of = |metric: &str, level| -> Vec<Said> {
            let of = said.iter().filter(|(_, signal)| signal.metric == metric);
            of.map(|(at, signal)| {
                assert_eq!(signal.level, level);
                (*at, signal.feeling)
            }).collect()
        };
        let mirror = seen(&story, |given| bad_if(!given.is_up));
        prop_assert_eq!(of("mirror.down", Level::High), told(&mirror, 7, 5));
        let degraded = seen(&story, |given| {
            bad_if(matches!(given.status, Status::Degraded | Status::Unhealthy))
        });
        prop_assert_eq!(of("health", Level::Medium), told(&degraded, 11, 5));
        let unhealthy = seen(&story, |given| bad_if(given.status == Status::Unhealthy));
        prop_assert_eq!(of("health.unhealthy", Level::Critical), told(&unhealthy, 11, 5));
        for (place, metric) in ["spool.filling.events", "spool.filling.signals"].into_iter().enumerate() {
            let filled = seen(&story, |given| match given.filled[place] {
                ..600 => Look::Well,
                600..800 => Look::Between,
                _ => Look::Bad,
            });
            prop_assert_eq!(of(metric, Level::High), told(&filled, 0, 5));
        }
        let metrics = ["mirror.down", "health", "health.unhealthy"];
        let known = |signal: &Signal| {
            metrics.contains(&signal.metric.as_str())
                || signal.metric.starts_with("spool.filling.")
                || signal.metric.starts_with("subscriber.lagging.")
        };
        prop_assert!(said.iter().all(|(_, signal)| known(signal)));
    }

    /// Every event that was dropped is in a pain or in what follows it, and a drop is told at once.
    #[test]
    fn he_4_what_subscribers_drop_is_counted(story in story()) {
        let said = said(&story);
        for (place, name) in NAMES.iter().enumerate() {
            let metric = format!("subscriber.lagging.{name}");
            let of: Vec<_> = said.iter().filter(|(_, signal)| signal.metric == metric).collect();
            let says: Vec<_> = of.iter().map(|(at, signal)| (*at, signal.feeling)).collect();
            assert_takes_turns(&says, 5);
            let (mut now, mut hurts, mut since, mut total) = (0, false, 0.0, 0.0);
            for given in &story {
                now += given.step;
                let (more, room) = given.subscribers[place].unwrap_or((0, Look::Well));
                total += more as f64;
                since += more as f64;
                let signal = of.iter().find(|(at, _)| *at == now).map(|(_, signal)| signal);
                if more > 0 && !hurts {
                    prop_assert_eq!(signal.map(|signal| signal.feeling), Some(Feeling::Pain));
                }
                if let Some(signal) = signal {
                    hurts = signal.feeling == Feeling::Pain;
                    // Of one that is full and has dropped none: how many wait.
                    let value = if hurts && since == 0.0 { 7.0 } else { since };
                    prop_assert_eq!(signal.value, Some(value));
                    if hurts {
                        prop_assert!(room == Look::Bad || more > 0);
                    } else {
                        prop_assert!(room == Look::Well && more == 0);
                        since = 0.0;
                    }
                }
            }
            let pleasures = of.iter().filter(|(_, signal)| signal.feeling == Feeling::Pleasure);
            let settled: f64 = pleasures.filter_map(|(_, signal)| signal.value).sum();
            prop_assert!((settled + since - total).abs() < 0.5, "{settled} and {since} of {total}");
        }
    }

    /// Patterns come and go: only what hurts, or did within the hold, is kept of those that are gone.
    #[test]
    fn of_what_is_gone_nothing_is_kept(names in prop::collection::vec(0..1_000_u32, 1..30)) {
        let (start, mut watch) = (Instant::now(), Watch::default());
        watch.set(vitals());
        let mut signs = Signs {
            mirror: None,
            lanes: Vec::new(),
            status: Status::Healthy,
            words: String::new(),
            subscribers: BTreeMap::new(),
        };
        let full = Subscribers { dropped: 1, room: Look::Bad, unread: 1 };
        signs.subscribers.extend(names.iter().map(|name| (name.to_string(), full)));
        let count = signs.subscribers.len();
        prop_assert_eq!(watch.look(&signs, start).len(), count);
        signs.subscribers.clear();
        prop_assert_eq!(watch.look(&signs, start + seconds(1)).len(), 0);
        prop_assert_eq!(watch.kept(), count);
        prop_assert_eq!(watch.look(&signs, start + seconds(6)).len(), count);
        prop_assert_eq!(watch.kept(), 0);
    }
}

#[test]
fn it_says_what_was_measured() {
    let given = Given {
        step: 1,
        is_up: false,
        status: Status::Degraded,
        filled: [0, 850],
        subscribers: vec![None, None],
    };
    let said = said(&vec![given; 20]);
    let found: Vec<_> = said
        .iter()
        .map(|(at, signal)| (*at, &*signal.metric, signal.value, signal.threshold))
        .collect();
    let expected = [
        (1, "spool.filling.signals", Some(850.0), Some(800.0)),
        (8, "mirror.down", Some(7.0), Some(7.0)),
        (12, "health", Some(11.0), Some(11.0)),
    ];
    assert_eq!(found, expected);
}
