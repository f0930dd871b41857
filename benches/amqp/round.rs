//! Rounds of all contenders in turns, and what they took.

use std::{
    fs,
    future::Future,
    pin::Pin,
    time::{Duration, Instant},
};

use tokio::runtime::Runtime;

use crate::options::Options;

/// What the messages of one round took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Took {
    pub(crate) time: Duration,
    /// Of the processors, all threads of the contender's process together; the broker is another process.
    pub(crate) work: Duration,
}

pub(crate) type Played = Pin<Box<dyn Future<Output = Took>>>;

/// Somebody who does the work of a case.
pub(crate) struct Contender {
    pub(crate) name: &'static str,
    pub(crate) messages: u32,
    /// Plays a round: makes what it needs, and gives what its messages took.
    pub(crate) play: Box<dyn Fn() -> Played>,
}

/// A line to print: its name, who of the contenders is ours, and who the peer.
pub(crate) type Row = (String, usize, usize);

/// Begins to measure.
pub(crate) struct Watch {
    work: Duration,
    start: Instant,
}

impl Watch {
    pub(crate) fn start() -> Self {
        Self {
            work: processor_time(),
            start: Instant::now(),
        }
    }

    pub(crate) fn took(&self) -> Took {
        let time = self.start.elapsed();
        let work = processor_time().saturating_sub(self.work);
        Took { time, work }
    }
}

/// Plays a case, and prints its rows.
pub(crate) fn play(rows: &[Row], options: &Options, runtime: &Runtime, contenders: &[Contender]) {
    let wanted: Vec<usize> = (0..contenders.len())
        .filter(|at| {
            rows.iter()
                .any(|(_, ours, peer)| [ours, peer].contains(&at))
        })
        .filter(|at| options.plays(contenders[*at].name))
        .collect();
    let mut times = vec![Vec::new(); contenders.len()];
    let mut works = vec![Vec::new(); contenders.len()];
    // The first round warms up.
    for round in 0..=options.rounds {
        for turn in 0..wanted.len() {
            // Each time another one begins.
            let at = wanted[(turn + round) % wanted.len()];
            let contender = &contenders[at];
            let took = runtime.block_on((contender.play)());
            if round > 0 {
                let each = f64::from(contender.messages);
                times[at].push(took.time.as_secs_f64() * 1e9 / each);
                works[at].push(took.work.as_secs_f64() * 1e6 / each);
            }
        }
    }
    for (case, ours, peer) in rows {
        let [us, them] = [*ours, *peer].map(|at| median(times[at].clone()));
        let [our_work, their_work] = [*ours, *peer].map(|at| median(works[at].clone()));
        println!(
            "{case} ours={us:.0} peer={} theirs={them:.0} ratio={:.2} \
             processor={our_work:.1}us theirs={their_work:.1}us",
            contenders[*peer].name,
            them / us,
        );
    }
    if options.spread {
        for at in wanted {
            println!("    {:<24} {}", contenders[at].name, spread(&times[at]));
        }
    }
}

/// Not a number if there are none.
pub(crate) fn median(values: Vec<f64>) -> f64 {
    part(values, 2)
}

/// What a `quarters`th of four of the values are at most.
fn part(mut values: Vec<f64>, quarters: usize) -> f64 {
    values.sort_by(f64::total_cmp);
    let last = values.len().saturating_sub(1);
    values.get(last * quarters / 4).copied().unwrap_or(f64::NAN)
}

fn spread(values: &[f64]) -> String {
    let [least, low, median, high, most] =
        [0, 1, 2, 3, 4].map(|quarters| part(values.to_vec(), quarters));
    format!(
        "min={least:.0} quarter={low:.0} median={median:.0} three-quarters={high:.0} max={most:.0}"
    )
}

/// What the threads of this process have used of the processors. Of those that have ended nothing is known.
fn processor_time() -> Duration {
    let Ok(threads) = fs::read_dir("/proc/self/task") else {
        return Duration::ZERO;
    };
    let nanos = threads.filter_map(|thread| {
        let statistics = fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
        statistics.split_whitespace().next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanos.sum())
}
