//! The AMQP transport beside bare lapin in its best form, on a real RabbitMQ, in turns.
//!
//! Prints for each case `CASE ours=NS peer=lapin theirs=NS ratio=THEIRS/OURS`: nanoseconds for one message,
//! the median over rounds; then the processor time of this process for one message, in microseconds.

mod caller;
mod cost;
mod ours;
mod raw;
mod round;
mod speed;

use std::{env, time::Duration};

use algedonic_test_broker::shared_url;
use tokio::runtime::Builder;

use self::{
    round::play,
    speed::{Kind, Setting},
};

/// What is asked of a run.
struct Options {
    rounds: usize,
    filter: String,
}

impl Options {
    fn read() -> Self {
        let words: Vec<String> = env::args()
            .skip(1)
            .filter(|word| word != "--bench")
            .collect();
        let quick = words.iter().any(|word| word == "--quick");
        let filter = words.into_iter().find(|word| !word.starts_with("--"));
        Self {
            rounds: if quick { 3 } else { 7 },
            filter: filter.unwrap_or_default(),
        }
    }
}

fn main() {
    let options = Options::read();
    let url = shared_url();
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    for kind in [Kind::Classic, Kind::Quorum] {
        for bytes in [256, 4096] {
            let setting = Setting {
                url: url.clone(),
                kind,
                bytes,
            };
            for case in speed::cases() {
                let name = format!("{}/{}/{bytes}", case.name, kind.as_str());
                if name.contains(&options.filter) && options.filter != "caller" {
                    play(&name, &options, &runtime, &(case.contenders)(&setting));
                }
            }
        }
    }
    if "latency".contains(&options.filter) || options.filter.contains("latency") {
        runtime.block_on(cost::latency(&url, options.rounds));
    }
    if "mirrored-publish".contains(&options.filter) || options.filter == "caller" {
        caller::caller(&url, &runtime, options.rounds);
    }
    // lapin's threads end by themselves.
    runtime.shutdown_timeout(Duration::from_secs(1));
}
