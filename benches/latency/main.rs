//! How long one event is on its way, from before its publish until its subscriber has it.
//!
//! Two tasks play ping: one publishes an event that carries the time, the other reads the clock when
//! it has it, and tells the first (by a `Notify`, which is not in the time) to go on. So one event is
//! under way at a time, and its subscriber is waiting when it comes. *Under load* two more tasks
//! publish and read 200,000 events a second besides: on another lane (for the peers: another
//! channel), or on the same, where the ping's subscriber reads them too.

mod lanes;
#[path = "../load/mod.rs"]
mod load;
mod noise;
mod ping;

use std::time::Instant;

use tokio::runtime::Runtime;

use self::{
    lanes::{Broadcast, Mpsc, Ours},
    noise::Noise,
    ping::{Measured, play},
};

/// Plays one round, and adds to what was measured.
type Contender = (&'static str, fn(&Runtime, Noise, &mut Measured));

const CONTENDERS: [Contender; 3] = [
    ("ours", play::<Ours<0>, Ours<1>>),
    ("tokio-broadcast", play::<Broadcast, Broadcast>),
    ("tokio-mpsc", play::<Mpsc, Mpsc>),
];

/// Rounds of each contender, interleaved.
const ROUNDS: usize = 20;

fn main() {
    if !load::is_bench() {
        return;
    }
    let clock = (0..10_000).map(|_| {
        let start = Instant::now();
        start.elapsed()
    });
    let least = clock.min().unwrap_or_default();
    println!(
        "nanoseconds; of each, reading the clock takes {}",
        least.as_nanos()
    );
    for (runtime_name, runtime) in &load::runtimes() {
        for noise in Noise::ALL {
            let mut measured = [(); CONTENDERS.len()].map(|()| Measured::default());
            for round in 0..ROUNDS {
                for turn in 0..CONTENDERS.len() {
                    // Each comes first, second and last in turn.
                    let index = (round + turn) % CONTENDERS.len();
                    let (_, play) = CONTENDERS[index];
                    play(runtime, noise, &mut measured[index]);
                }
            }
            for ((name, _), measured) in CONTENDERS.iter().zip(&mut measured) {
                println!("{runtime_name}/{noise} {name:<16} {}", measured.sorted());
            }
        }
    }
}
