use std::{
    collections::VecDeque,
    fmt::{self, Debug},
    sync::Arc,
    time::Duration,
};

use algedonic_transport::{Key, Lane};

use crate::{
    fault::{DeliveryFault, SendFault},
    random::{Dice, fresh_seed},
    which::Which,
};

/// Where a test finds the seed of an earlier run.
const SEED: &str = "ALGEDONIC_TEST_SEED";

/// How many faults are remembered for [`Broker::fault_log`](crate::Broker::fault_log).
const REMEMBERED: usize = 1024;

/// What is to go wrong, said message by message, or drawn from a seed; for
/// [`Broker::inject`](crate::Broker::inject).
///
/// ```
/// use std::time::Duration;
/// use algedonic_memory::{Broker, DeliveryFault, Faults, SendFault, Which};
///
/// let broker = Broker::new();
/// broker.inject(
///     Faults::new()
///         .sending(Which::nth(3).of("planner"), SendFault::CutBeforeConfirm)
///         .delivering(Which::nth(1).of("worker"), DeliveryFault::CutBeforeAck)
///         .downtime(Duration::from_millis(200)),
/// );
/// # assert_eq!(broker.unused_faults().len(), 2);
/// ```
///
/// Only what reaches the broker is counted and can go wrong: a message that is refused with an error
/// (no link, busy, too large) is not. Of several faults that mean one message the first that was said
/// happens; each counts it.
#[derive(Clone, Default)]
pub struct Faults {
    sending: Vec<Rule<SendFault>>,
    delivering: Vec<Rule<DeliveryFault>>,
    dice: Option<Dice>,
    pub(crate) downtime: Duration,
    log: VecDeque<String>,
}

#[derive(Clone, Debug)]
struct Rule<F> {
    which: Which,
    fault: F,
    /// How many it has counted.
    seen: u64,
    happened: bool,
}

impl Faults {
    /// Nothing goes wrong.
    pub fn new() -> Self {
        Self::default()
    }

    /// Faults drawn from a seed, with one message in eight, each way: the same seed and the same calls give the same
    /// faults. Each transport has its own sequence, by its name.
    ///
    /// When a broker with a seed is dropped by a test that fails, it prints the seed and what went wrong.
    pub fn seeded(seed: u64) -> Self {
        Self {
            dice: Some(Dice::new(seed)),
            ..Self::new()
        }
    }

    /// As [`seeded`](Self::seeded), from the number in the environment variable `ALGEDONIC_TEST_SEED`, or anew: a
    /// failure is had again with the seed that it printed.
    ///
    /// # Panics
    ///
    /// When the variable holds something else.
    pub fn random() -> Self {
        Self::seeded(match std::env::var(SEED) {
            Ok(seed) => seed.parse().expect("ALGEDONIC_TEST_SEED is a number"),
            Err(_) => fresh_seed(),
        })
    }

    /// Draws faults for one message in so many; 8 by default. Without a seed it changes nothing.
    ///
    /// # Panics
    ///
    /// When `messages` is 0.
    pub fn one_in(mut self, messages: u64) -> Self {
        assert!(messages > 0, "one in 1 is the most");
        if let Some(dice) = &mut self.dice {
            dice.one_in = messages;
        }
        self
    }

    /// What goes wrong with these messages on their way in; [`Which::of`] names who sends them.
    pub fn sending(mut self, which: Which, fault: SendFault) -> Self {
        self.sending.push(Rule::new(which, fault));
        self
    }

    /// What goes wrong with these deliveries; [`Which::of`] names who receives them. One that comes again counts again.
    pub fn delivering(mut self, which: Which, fault: DeliveryFault) -> Self {
        self.delivering.push(Rule::new(which, fault));
        self
    }

    /// How long a connection that was cut stays away; by default not at all: it is up again at once, with one more
    /// in its count of connects.
    pub fn downtime(mut self, downtime: Duration) -> Self {
        self.downtime = downtime;
        self
    }

    /// The seed, if they are drawn from one.
    pub fn seed(&self) -> Option<u64> {
        self.dice.as_ref().map(|dice| dice.seed)
    }

    /// What goes wrong with a message that arrives.
    pub(crate) fn send(&mut self, name: &Arc<str>, lane: Lane, key: &Key) -> Option<SendFault> {
        let said = choose(&mut self.sending, name, lane, key);
        let fault = said.or_else(|| self.dice.as_mut()?.send(name, lane))?;
        self.note(format!(
            "{fault:?} with one of the {lane} that {name} sent to {key}"
        ));
        Some(fault)
    }

    /// What goes wrong with a message that is about to leave.
    pub(crate) fn deliver(
        &mut self,
        name: &Arc<str>,
        lane: Lane,
        key: &Key,
    ) -> Option<DeliveryFault> {
        let said = choose(&mut self.delivering, name, lane, key);
        let fault = said.or_else(|| self.dice.as_mut()?.delivery(name, lane))?;
        self.note(format!(
            "{fault:?} with one of the {lane} to {key} for {name}"
        ));
        Some(fault)
    }

    fn note(&mut self, line: String) {
        if self.log.len() >= REMEMBERED {
            self.log.pop_front();
        }
        self.log.push_back(line);
    }

    pub(crate) fn log(&self) -> Vec<String> {
        self.log.iter().cloned().collect()
    }

    pub(crate) fn unused(&self) -> Vec<String> {
        let sending = unused(&self.sending, "sending");
        sending
            .chain(unused(&self.delivering, "delivering"))
            .collect()
    }
}

impl<F> Rule<F> {
    fn new(which: Which, fault: F) -> Self {
        Self {
            which,
            fault,
            seen: 0,
            happened: false,
        }
    }
}

/// The first fault that means this message; all of them count it.
fn choose<F: Copy>(rules: &mut [Rule<F>], name: &str, lane: Lane, key: &Key) -> Option<F> {
    let mut chosen = None;
    for rule in rules {
        if rule.which.counts(name, lane, key) {
            rule.seen += 1;
            if chosen.is_none() && rule.which.means(rule.seen) {
                rule.happened = true;
                chosen = Some(rule.fault);
            }
        }
    }
    chosen
}

fn unused<F: Debug>(rules: &[Rule<F>], way: &str) -> impl Iterator<Item = String> {
    let unused = rules.iter().filter(|rule| !rule.happened);
    unused.map(move |rule| {
        format!(
            "{way}: {:?} for {:?}, {} counted",
            rule.fault, rule.which, rule.seen
        )
    })
}

impl Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faults")
            .field("sending", &self.sending)
            .field("delivering", &self.delivering)
            .field("seed", &self.seed())
            .field("downtime", &self.downtime)
            .finish_non_exhaustive()
    }
}
