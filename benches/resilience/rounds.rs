//! Rounds of all contenders, one after another, in each round in another order.

use std::fmt;

use crate::{call::Setting, case::Contender, options::Options};

/// What a call cost one contender in each of its rounds: nanoseconds, in order of size.
pub(crate) struct Outcome {
    pub(crate) name: &'static str,
    times: Vec<f64>,
}

/// Plays a case; one outcome for each contender, in the given order.
pub(crate) fn play(setting: Setting, contenders: &[Contender], options: &Options) -> Vec<Outcome> {
    // A first one warms up, and says how many calls fill a round.
    let calls: Vec<u64> = contenders
        .iter()
        .map(|contender| {
            let call = (contender.time)(setting, 2_000).max(0.5);
            let round = options.length().as_nanos() as f64;
            whole((round / call).clamp(1e3, 2e6))
        })
        .collect();
    let mut times = vec![Vec::new(); contenders.len()];
    for round in 0..options.rounds() {
        // Everyone goes first in turn, forwards and backwards.
        let mut order: Vec<usize> = (0..contenders.len()).collect();
        order.rotate_left(round % contenders.len());
        if round % 2 == 1 {
            order.reverse();
        }
        for index in order {
            times[index].push((contenders[index].time)(setting, calls[index]));
        }
    }
    let outcomes = contenders.iter().zip(times).map(|(contender, mut times)| {
        times.sort_by(f64::total_cmp);
        Outcome {
            name: contender.name,
            times,
        }
    });
    outcomes.collect()
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "some thousands"
)]
fn whole(calls: f64) -> u64 {
    calls as u64
}

impl Outcome {
    pub(crate) fn least(&self) -> f64 {
        self.times[0]
    }

    pub(crate) fn median(&self) -> f64 {
        self.part(2)
    }

    /// What so many quarters of the rounds needed at most.
    fn part(&self, quarters: usize) -> f64 {
        self.times[(self.times.len() - 1) * quarters / 4]
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [least, low, median, high, most] = [0, 1, 2, 3, 4].map(|quarters| self.part(quarters));
        write!(
            f,
            "{:<24} min={least:.1} quarter={low:.1} median={median:.1} three-quarters={high:.1} max={most:.1}",
            self.name
        )
    }
}
