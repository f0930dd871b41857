//! The chain against a plain model.

use std::time::Duration;

use algedonic_transport::EventId;
use proptest::prelude::*;
use tokio::time::Instant;

use super::chain::{Act, Open, takes};
use crate::{Level, Signal};

const PATIENCE: [u64; 3] = [10, 20, 5];
const CAPACITY: usize = 3;
const LEVELS: [Level; 4] = [Level::Low, Level::Medium, Level::High, Level::Critical];

#[derive(Clone, Debug)]
enum Step {
    Pain {
        place: u8,
        level: usize,
    },
    Pleasure(u8),
    /// Of the one among all ids so far.
    Acknowledge(prop::sample::Index),
    Wait(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0..5_u8, 0..4_usize).prop_map(|(place, level)| Step::Pain { place, level }),
        1 => (0..5_u8).prop_map(Step::Pleasure),
        2 => any::<prop::sample::Index>().prop_map(Step::Acknowledge),
        4 => (0..25_u64).prop_map(Step::Wait),
    ];
    prop::collection::vec(step, 1..60)
}

fn pain(place: u8, level: usize) -> Signal {
    Signal::pain(LEVELS[level], place.to_string()).source("s1")
}

/// What the model knows of one open pain.
#[derive(Clone, Debug)]
struct Known {
    place: u8,
    level: Level,
    seat: usize,
    /// When it was opened, and when it came to its seat.
    since: u64,
    at: u64,
    ids: Vec<EventId>,
}

#[derive(Default)]
struct Model {
    open: Vec<Known>,
    opened: u64,
    acknowledged: u64,
    relieved: u64,
    unanswered: u64,
}

impl Model {
    fn at(&mut self, place: u8) -> Option<&mut Known> {
        self.open.iter_mut().find(|known| known.place == place)
    }
}

/// Goes through the steps with both, and compares them after each; gives the model at the end.
fn run(steps: &[Step]) -> Result<Model, TestCaseError> {
    let start = Instant::now();
    let patience = PATIENCE.map(Duration::from_secs).to_vec();
    let mut open = Open::new(patience, CAPACITY);
    let (mut model, mut now, mut ids) = (Model::default(), 0, Vec::new());
    let mut last = steps.to_vec();
    // Long enough for all that is open to reach the top, a seat at a time.
    last.extend(vec![Step::Wait(100); 4]);
    for step in last {
        match step {
            Step::Wait(seconds) => {
                now += seconds;
                let instant = start + Duration::from_secs(now);
                let mut severity = None;
                while let Some(((), act)) = open.due(instant) {
                    let signal = match &act {
                        Act::Raise(signal, _) | Act::Unanswered(signal) => signal.clone(),
                    };
                    let place: u8 = signal.metric.parse().expect("a number");
                    let known = model.at(place).expect("nothing is raised that is not open");
                    let due = known.at + PATIENCE[known.seat];
                    prop_assert!(due <= now, "before its time: {due} at {now}");
                    // The most severe first.
                    prop_assert!(severity.is_none_or(|before| before >= known.level));
                    severity = Some(known.level);
                    match act {
                        Act::Raise(signal, seat) => {
                            prop_assert_eq!(seat, known.seat + 1, "a seat was left out");
                            prop_assert_eq!(signal.step as usize, seat);
                            let higher = LEVELS.into_iter().find(|level| *level > known.level);
                            known.level = higher.unwrap_or(Level::Critical);
                            prop_assert_eq!(signal.level, known.level);
                            // What is raised again is of no other chain.
                            prop_assert!(!takes(&signal, Level::Low));
                            (known.seat, known.at) = (seat, now);
                            let id = EventId::new();
                            prop_assert!(open.raised(id, &signal));
                            known.ids.push(id);
                            ids.push(id);
                        }
                        Act::Unanswered(_) => {
                            prop_assert_eq!(known.seat, PATIENCE.len() - 1, "not at the top");
                            model.open.retain(|known| known.place != place);
                            model.unanswered += 1;
                        }
                    }
                }
                for known in &model.open {
                    prop_assert!(known.at + PATIENCE[known.seat] > now, "late: {known:?}");
                }
            }
            Step::Pain { place, level } => {
                let (id, signal) = (EventId::new(), pain(place, level));
                ids.push(id);
                let instant = start + Duration::from_secs(now);
                let (is_new, gone) = open.pain(id, &signal, (), instant);
                if let Some(known) = model.at(place) {
                    prop_assert!(!is_new && gone.is_none());
                    known.level = known.level.max(signal.level);
                    known.ids.push(id);
                    continue;
                }
                prop_assert!(is_new);
                if model.open.len() == CAPACITY {
                    let Some(Act::Unanswered(gone)) = gone else {
                        return Err(TestCaseError::fail("nothing made room"));
                    };
                    let gone: u8 = gone.metric.parse().expect("a number");
                    let least = model
                        .open
                        .iter()
                        .map(|known| (known.level, known.since))
                        .min();
                    let known = model.at(gone).expect("it was open");
                    prop_assert_eq!(Some((known.level, known.since)), least);
                    model.open.retain(|known| known.place != gone);
                    model.unanswered += 1;
                } else {
                    prop_assert!(gone.is_none());
                }
                model.opened += 1;
                model.open.push(Known {
                    place,
                    level: signal.level,
                    seat: 0,
                    since: now,
                    at: now,
                    ids: vec![id],
                });
            }
            Step::Pleasure(place) => {
                let was_open = model.at(place).is_some();
                model.open.retain(|known| known.place != place);
                model.relieved += u64::from(was_open);
                let signal = Signal::pleasure(Level::Low, place.to_string()).source("s1");
                prop_assert_eq!(open.pleasure(&signal), was_open);
            }
            Step::Acknowledge(which) => {
                if ids.is_empty() {
                    continue;
                }
                let id = ids[which.index(ids.len())];
                let holder = model.open.iter().find(|known| known.ids.contains(&id));
                let was_open = holder.map(|known| known.place);
                prop_assert_eq!(open.acknowledge(id), was_open.is_some());
                model.open.retain(|known| Some(known.place) != was_open);
                model.acknowledged += u64::from(was_open.is_some());
            }
        }
        prop_assert_eq!(open.len(), model.open.len());
        let next = model
            .open
            .iter()
            .map(|known| known.at + PATIENCE[known.seat])
            .min();
        prop_assert_eq!(open.next(), next.map(|at| start + Duration::from_secs(at)));
    }
    Ok(model)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// By an acknowledgement, a pleasure, or the top of the chain; in order, and never before its time.
    #[test]
    fn every_pain_is_settled_once(steps in steps()) {
        let model = run(&steps)?;
        prop_assert!(model.open.is_empty());
        prop_assert_eq!(model.opened, model.acknowledged + model.relieved + model.unanswered);
    }
}

/// What is kept of one pain is bounded, however often it is raised.
#[test]
fn a_storm_of_one_pain_is_one_pain() {
    let now = Instant::now();
    let mut open = Open::new(vec![Duration::from_secs(1)], 8);
    let first = EventId::new();
    assert!(open.pain(first, &pain(1, 0), (), now).0);
    for _ in 0..100_000 {
        assert!(!open.pain(EventId::new(), &pain(1, 0), (), now).0);
    }
    assert_eq!(open.len(), 1);
    assert!(open.acknowledge(first), "the first id is kept");
    assert_eq!((open.len(), open.next()), (0, None));
}
