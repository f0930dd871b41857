//! The chain against a plain model.

use std::{
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};

use algedonic_transport::EventId;
use proptest::prelude::*;
use tokio::time::Instant;

use super::chain::{Act, Open, takes};
use crate::{Bus, Chain, Escalation, Level, Signal, observe::logged::each_line};

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

    fn unanswered(&mut self, place: u8) {
        self.open.retain(|known| known.place != place);
        self.unanswered += 1;
    }
}

impl Known {
    fn due(&self) -> u64 {
        self.at + PATIENCE[self.seat]
    }
}

/// Both, and their time.
struct Both {
    open: Open<()>,
    model: Model,
    start: Instant,
    now: u64,
    ids: Vec<EventId>,
}

impl Both {
    fn instant(&self) -> Instant {
        self.start + Duration::from_secs(self.now)
    }

    fn take(&mut self, step: &Step) -> Result<(), TestCaseError> {
        match *step {
            Step::Wait(seconds) => {
                self.now += seconds;
                self.look()?;
            }
            Step::Pain { place, level } => self.hurt(place, level)?,
            Step::Pleasure(place) => {
                let was_open = self.model.at(place).is_some();
                self.model.open.retain(|known| known.place != place);
                self.model.relieved += u64::from(was_open);
                let signal = Signal::pleasure(Level::Low, place.to_string()).source("s1");
                prop_assert_eq!(self.open.pleasure(&signal), was_open);
            }
            Step::Acknowledge(which) if !self.ids.is_empty() => {
                let id = self.ids[which.index(self.ids.len())];
                let mut all = self.model.open.iter();
                let was_open = all
                    .find(|known| known.ids.contains(&id))
                    .map(|known| known.place);
                prop_assert_eq!(self.open.acknowledge(id), was_open.is_some());
                self.model
                    .open
                    .retain(|known| Some(known.place) != was_open);
                self.model.acknowledged += u64::from(was_open.is_some());
            }
            Step::Acknowledge(_) => {}
        }
        prop_assert_eq!(self.open.len(), self.model.open.len());
        let dues = self.model.open.iter().map(Known::due);
        let next = dues.min().map(|at| self.start + Duration::from_secs(at));
        prop_assert_eq!(self.open.next(), next);
        Ok(())
    }

    /// All that is due now, the most severe first.
    fn look(&mut self) -> Result<(), TestCaseError> {
        let mut severity = None;
        while let Some(((), act)) = self.open.due(self.instant()) {
            let (Act::Raise(signal, _) | Act::Unanswered(signal)) = &act;
            let place: u8 = signal.metric.parse().expect("a number");
            let now = self.now;
            let known = self.model.at(place);
            let known = known.expect("nothing is raised that is not open");
            prop_assert!(known.due() <= now, "before its time: {known:?} at {now}");
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
                    known.ids.push(id);
                    self.ids.push(id);
                    prop_assert!(self.open.raised(id, &signal));
                }
                Act::Unanswered(_) => {
                    prop_assert_eq!(known.seat, PATIENCE.len() - 1, "not at the top");
                    self.model.unanswered(place);
                }
            }
        }
        let late = self.model.open.iter().find(|known| known.due() <= self.now);
        prop_assert!(late.is_none(), "late: {late:?}");
        Ok(())
    }

    fn hurt(&mut self, place: u8, level: usize) -> Result<(), TestCaseError> {
        let (id, signal) = (EventId::new(), pain(place, level));
        self.ids.push(id);
        let (is_new, gone) = self.open.pain(id, &signal, (), self.instant());
        if let Some(known) = self.model.at(place) {
            prop_assert!(!is_new && gone.is_none());
            known.level = known.level.max(signal.level);
            known.ids.push(id);
            return Ok(());
        }
        prop_assert!(is_new);
        prop_assert_eq!(gone.is_some(), self.model.open.len() == CAPACITY);
        if let Some(Act::Unanswered(gone) | Act::Raise(gone, _)) = gone {
            let gone: u8 = gone.metric.parse().expect("a number");
            let severities = self
                .model
                .open
                .iter()
                .map(|known| (known.level, known.since));
            let mildest = severities.min();
            let known = self.model.at(gone).expect("it was open");
            prop_assert_eq!(Some((known.level, known.since)), mildest);
            self.model.unanswered(gone);
        }
        self.model.opened += 1;
        self.model.open.push(Known {
            place,
            level: signal.level,
            seat: 0,
            since: self.now,
            at: self.now,
            ids: vec![id],
        });
        Ok(())
    }
}

/// Goes through the steps with both, and compares them after each; gives the model at the end.
fn run(steps: &[Step]) -> Result<Model, TestCaseError> {
    let patience = PATIENCE.map(Duration::from_secs).to_vec();
    let mut both = Both {
        open: Open::new(patience, CAPACITY),
        model: Model::default(),
        start: Instant::now(),
        now: 0,
        ids: Vec::new(),
    };
    for step in steps {
        both.take(step)?;
    }
    // Long enough for all that is open to reach the top, a seat at a time.
    for _ in 0..4 {
        both.take(&Step::Wait(100))?;
    }
    Ok(both.model)
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

#[test]
fn who_is_told_of_an_unanswered_pain_may_ask_the_chain() {
    let chain: Arc<OnceLock<Chain>> = Arc::default();
    let seen: Arc<Mutex<Vec<u64>>> = Arc::default();
    let (asked, saw) = (chain.clone(), seen.clone());
    let look = move || {
        if let Some(chain) = asked.get() {
            saw.lock().expect("whole").push(chain.counts().unanswered);
        }
    };
    each_line(look, move || {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().start_paused(true).build();
        runtime.expect("a runtime").block_on(async {
            let bus = Bus::local();
            let minute = Duration::from_secs(60);
            let escalation = Escalation::new().seat("s3", minute).capacity(1);
            let escalated = bus.escalate(escalation).expect("good");
            assert!(chain.set(escalated).is_ok());
            // The second takes the room of the first, and nobody takes the second.
            for place in 0..2 {
                bus.signal(pain(place, 3)).await.expect("open");
            }
            tokio::time::sleep(2 * minute).await;
        });
    });
    assert_eq!(*seen.lock().expect("whole"), [1, 2]);
}
