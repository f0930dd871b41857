//! Rounds of all contenders, interleaved in shuffled order.

use std::{fmt, time::Instant};

use tokio::runtime::Runtime;

use crate::{case::Case, contenders::Contender, options::Options};

/// What one contender needed in each of its rounds: nanoseconds for one event, in order of size.
pub(crate) struct Outcome {
    pub(crate) name: &'static str,
    times: Vec<f64>,
}

/// Plays a case; one outcome for each contender, in the given order.
pub(crate) fn play(
    runtime: &Runtime,
    case: Case,
    contenders: &[Contender],
    options: &Options,
) -> Vec<Outcome> {
    let (least, most) = options.rounds();
    let mut outcomes: Vec<_> = contenders
        .iter()
        .map(|(name, _)| Outcome {
            name,
            times: Vec::new(),
        })
        .collect();
    let mut order: Vec<usize> = (0..contenders.len()).collect();
    let mut shuffle = Shuffle(0x2545_F491_4F6C_DD1D);
    let start = Instant::now();
    // The first round warms up, and does not count.
    for round in 0..=most {
        if round > least && start.elapsed() > options.patience() {
            break;
        }
        shuffle.apply(&mut order);
        for &index in &order {
            let (_, contender) = contenders[index];
            let time = runtime.block_on(async { contender(case).time().await });
            if round > 0 {
                let event = time.as_nanos() as f64 / case.events as f64;
                outcomes[index].times.push(event);
            }
        }
    }
    for outcome in &mut outcomes {
        outcome.times.sort_by(f64::total_cmp);
    }
    outcomes
}

impl Outcome {
    pub(crate) fn least(&self) -> f64 {
        self.times[0]
    }

    pub(crate) fn median(&self) -> f64 {
        self.part(2)
    }

    /// What a `quarters`th of four of the rounds needed at most.
    fn part(&self, quarters: usize) -> f64 {
        self.times[(self.times.len() - 1) * quarters / 4]
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, times } = self;
        let [least, low, median, high, most] = [0, 1, 2, 3, 4].map(|quarters| self.part(quarters));
        write!(
            f,
            "{name:<16} min={least:.1} quarter={low:.1} median={median:.1} \
             three-quarters={high:.1} max={most:.1} rounds={}",
            times.len()
        )
    }
}

/// Puts things into another order, the same in every run.
struct Shuffle(u64);

impl Shuffle {
    fn apply(&mut self, items: &mut [usize]) {
        for end in (1..items.len()).rev() {
            // Xorshift.
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            let chosen = self.0 % (end as u64 + 1);
            items.swap(end, usize::try_from(chosen).unwrap_or(0));
        }
    }
}
