//! Rounds of all contenders in turns, and what they took.

use std::{fs, pin::Pin, time::Duration};

use tokio::runtime::Runtime;

use crate::Options;

/// How long the messages of one round took.
pub(crate) type Played = Pin<Box<dyn Future<Output = Duration>>>;

/// Somebody who does the work of a case.
pub(crate) struct Contender {
    pub(crate) name: &'static str,
    pub(crate) messages: u32,
    /// Plays a round: makes what it needs, and gives the time from the first message to the last.
    pub(crate) play: Box<dyn Fn() -> Played>,
}

/// Plays a case, and prints a line for each peer. The first contender is ours.
pub(crate) fn play(case: &str, options: &Options, runtime: &Runtime, contenders: &[Contender]) {
    let mut times = vec![Vec::new(); contenders.len()];
    let mut works = vec![Vec::new(); contenders.len()];
    // The first round warms up.
    for round in 0..=options.rounds {
        for turn in 0..contenders.len() {
            // Each time another one begins.
            let at = (turn + round) % contenders.len();
            let contender = &contenders[at];
            let before = processor_time();
            let time = runtime.block_on((contender.play)());
            let work = processor_time().saturating_sub(before);
            if round > 0 {
                let each = f64::from(contender.messages);
                times[at].push(time.as_secs_f64() * 1e9 / each);
                works[at].push(work.as_secs_f64() * 1e6 / each);
            }
        }
    }
    let times: Vec<f64> = times.into_iter().map(median).collect();
    let works: Vec<f64> = works.into_iter().map(median).collect();
    for (at, peer) in contenders.iter().enumerate().skip(1) {
        println!(
            "{case} ours={:.0} peer={} theirs={:.0} ratio={:.2} processor={:.1}us theirs={:.1}us",
            times[0],
            peer.name,
            times[at],
            times[at] / times[0],
            works[0],
            works[at],
        );
    }
}

pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// What this process has used of the processors, its threads together; the broker is another process.
fn processor_time() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // After the name, which may hold anything, come the state and 10 numbers; then user and system time, in
    // hundredths of a second.
    let after = stat.rsplit(')').next().unwrap_or_default();
    let ticks = after.split_whitespace().skip(11).take(2);
    let ticks: u64 = ticks.filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}
