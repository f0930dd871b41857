mod severity;
mod storms;

use std::time::Duration;

use proptest::prelude::*;
use tokio::time::Instant;

use super::{Alarms, Notices, levels::Levels};
use crate::{
    Feeling,
    resilience::{
        Name, Notice, Observer, Reason, What,
        breaker::State::{Closed, Disabled, ForcedOpen, HalfOpen, Open},
        registry::Health,
    },
};

const HOLD: u64 = 10;

const HEALTHS: [Health; 3] = [Health::Healthy, Health::Degraded, Health::Unhealthy];

/// What is said: when, what, and the count.
type Said = (u64, Feeling, u64);

fn alarms() -> Alarms {
    Alarms::new().hold(Duration::from_secs(HOLD))
}

fn notice(what: What, generation: u64, count: u64, at: Instant) -> Notice {
    Notice {
        name: Name::from_static("llm_api"),
        what,
        generation,
        count,
        at,
    }
}

/// What is said when these things happen at these seconds, by one that sleeps as long as it is told to.
fn said(happens: &[(u64, What, u64)]) -> Vec<Said> {
    said_of(happens, "")
}

/// The same of metrics that begin so.
fn said_of(happens: &[(u64, What, u64)], metric: &str) -> Vec<Said> {
    let (start, mut levels, mut said) = (Instant::now(), Levels::new(alarms()), Vec::new());
    let mut look = |levels: &mut Levels, at: Instant| {
        while let Some(signal) = levels.due(at) {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "small"
            )]
            let count = signal.value.expect("a count") as u64;
            if signal.metric.starts_with(metric) {
                said.push(((at - start).as_secs(), signal.feeling, count));
            }
        }
    };
    for (number, (second, what, count)) in happens.iter().enumerate() {
        let at = start + Duration::from_secs(*second);
        while let Some(next) = levels.next().filter(|next| *next <= at) {
            look(&mut levels, next);
        }
        levels.note(notice(*what, number as u64 + 1, *count, at));
        look(&mut levels, at);
    }
    while let Some(next) = levels.next() {
        look(&mut levels, next);
    }
    said
}

/// The same from the whole story: what follows within the hold is one pain. Of each thing that happens: when it
/// begins, when it is over if it ever is, and how often it counts.
fn told(story: &[(u64, Option<u64>, u64)]) -> Vec<Said> {
    let mut told: Vec<Said> = Vec::new();
    let mut at = 0;
    while at < story.len() {
        let (begins, mut over, mut count) = story[at];
        told.push((begins, Feeling::Pain, count));
        at += 1;
        while at < story.len() && over.is_none_or(|over| story[at].0 < over + HOLD) {
            over = story[at].1;
            count += story[at].2;
            at += 1;
        }
        if let Some(over) = over {
            told.push((over + HOLD, Feeling::Pleasure, count));
        }
    }
    told
}

/// Seconds at which something happens, one after another.
fn seconds() -> impl Strategy<Value = Vec<(u64, u64)>> {
    prop::collection::vec((1..2 * HOLD, 1..1000_u64), 0..30).prop_map(|steps| {
        let mut second = 0;
        let at = |(step, count)| {
            second += step;
            (second, count)
        };
        steps.into_iter().map(at).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// And so its counts sum to the number of refused calls.
    #[test]
    fn he_4_a_storm_of_refusals_is_one_pain(refusals in seconds(), overflow: bool) {
        let what = if overflow {
            What::Overflow
        } else {
            What::Rejected(Reason::BulkheadTimeout)
        };
        let happens: Vec<_> = refusals.iter().map(|(at, count)| (*at, what, *count)).collect();
        let story: Vec<_> = refusals.iter().map(|(at, count)| (*at, Some(*at), *count)).collect();
        prop_assert_eq!(said(&happens), told(&story));
    }

    /// A breaker that goes to and fro is one pain, and pain and pleasure take turns.
    #[test]
    fn he_2_he_3_what_flaps_hurts_once(times in seconds(), tries: Vec<bool>, forced: bool) {
        let (mut happens, mut story) = (Vec::new(), Vec::<(u64, Option<u64>, u64)>::new());
        let (wrong, well) = if forced { (ForcedOpen, Disabled) } else { (Open, Closed) };
        let breaker = |from, to| What::Breaker { from, to };
        for (number, (at, _)) in times.iter().enumerate() {
            if number % 2 == 0 {
                happens.push((*at, breaker(well, wrong), 1));
                story.push((*at, None, 1));
            } else {
                // Some try in between, which is no end of it; and one that fails opens it again.
                if tries.get(number) == Some(&true) {
                    happens.push((*at, breaker(wrong, HalfOpen), 1));
                    happens.push((*at, breaker(HalfOpen, wrong), 1));
                    let open = story.last_mut().expect("open");
                    open.2 += 1;
                }
                happens.push((*at, breaker(wrong, well), 1));
                story.last_mut().expect("open").1 = Some(*at);
            }
        }
        // What is said first was said before the tries that came after it.
        let said: Vec<_> = said(&happens).into_iter().map(|said| match said {
            (at, Feeling::Pain, _) => (at, Feeling::Pain, 1),
            said => said,
        }).collect();
        let told: Vec<_> = told(&story).into_iter().map(|told| match told {
            (at, Feeling::Pain, _) => (at, Feeling::Pain, 1),
            told => told,
        }).collect();
        prop_assert_eq!(said, told);
    }

    /// Requirements 1.19 and 1.20: each threshold hurts once while health is below it, or is again within the hold,
    /// whatever the other does.
    #[test]
    fn health_hurts_below_each_threshold(
        changes in prop::collection::vec((1..2 * HOLD, prop::sample::select(HEALTHS.to_vec())), 0..30),
    ) {
        let (mut second, mut before, mut happens) = (0, Health::Healthy, Vec::new());
        for (step, to) in changes.into_iter().filter(|(_, to)| std::mem::replace(&mut before, *to) != *to) {
            second += step;
            happens.push((second, What::Health { from: Health::Healthy, to }, 1));
        }
        for (metric, threshold) in [("degraded.", Health::Degraded), ("unhealthy.", Health::Unhealthy)] {
            let mut story = Vec::<(u64, Option<u64>, u64)>::new();
            for (at, what, _) in &happens {
                let What::Health { to, .. } = what else { unreachable!() };
                let is_below = story.last().is_some_and(|(_, over, _)| over.is_none());
                match (is_below, *to >= threshold) {
                    (false, true) => story.push((*at, None, 1)),
                    (true, false) => story.last_mut().expect("below").1 = Some(*at),
                    _ => {}
                }
            }
            prop_assert_eq!(said_of(&happens, metric), told(&story), "{}", metric);
        }
    }

    /// Nobody looks while all this happens: the level that is left is told, and that it hurt at all.
    #[test]
    fn he_5_the_last_state_is_told_whoever_was_late(
        states in prop::collection::vec(prop::sample::select(vec![Closed, Open, HalfOpen, ForcedOpen]), 1..20),
        order in any::<prop::sample::Index>(),
    ) {
        let (start, mut levels) = (Instant::now(), Levels::new(alarms()));
        let mut notices: Vec<_> = states.iter().enumerate().map(|(number, to)| {
            notice(What::Breaker { from: Closed, to: *to }, number as u64 + 1, 1, start)
        }).collect();
        // The last of them may be noticed before others that are older.
        let last = notices.pop().expect("one");
        notices.insert(order.index(notices.len() + 1), last);
        for notice in notices {
            levels.note(notice);
        }
        let mut feelings = Vec::new();
        for _ in 0..3 {
            feelings.extend(levels.due(start).map(|signal| signal.feeling));
        }
        let well = Instant::now() + Duration::from_secs(60);
        feelings.extend(levels.due(well).map(|signal| signal.feeling));
        if states.last() == Some(&Closed) {
            prop_assert!(feelings.is_empty() || feelings == [Feeling::Pain, Feeling::Pleasure], "{feelings:?}");
        } else {
            prop_assert_eq!(feelings, [Feeling::Pain]);
        }
        prop_assert_eq!(levels.next(), None);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_noted_wakes_and_the_last_observer_ends_it() {
    let (observer, notices) = Notices::new(alarms());
    let waiting = tokio::spawn(async move { (notices.next().await, notices) });
    tokio::task::yield_now().await;
    let full = What::Rejected(Reason::BulkheadFull);
    observer.clone().notice(notice(full, 0, 1, Instant::now()));
    let (pain, notices) = waiting.await.expect("no panic");
    assert_eq!(pain.expect("pain").feeling, Feeling::Pain);
    let before = Instant::now();
    let pleasure = notices.next().await.expect("pleasure");
    assert_eq!(pleasure.feeling, Feeling::Pleasure);
    assert_eq!(before.elapsed(), Duration::from_secs(HOLD));
    let waiting = tokio::spawn(async move { notices.next().await });
    tokio::task::yield_now().await;
    drop(observer);
    assert_eq!(waiting.await.expect("no panic"), None);
}
