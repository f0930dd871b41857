//! The AMQP transport beside bare lapin in its best form, and node's amqplib, on a real RabbitMQ, in turns.
//!
//! Prints for each row `CASE ours=NS peer=NAME theirs=NS ratio=THEIRS/OURS`: nanoseconds for one message, the
//! median over rounds; then the processor time of the client for one message, in microseconds.

mod caller;
mod cost;
mod node;
mod options;
mod ours;
mod place;
mod publish;
mod raw;
mod round;
mod speed;

use std::time::Duration;

use algedonic_test_broker::shared_url;
use tokio::runtime::Builder;

use self::{
    options::Options,
    round::{Row, play},
    speed::{Kind, Setting},
};

fn main() {
    let Some(options) = Options::from_args() else {
        return;
    };
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
                quick: options.quick,
            };
            for case in speed::cases() {
                let contenders = (case.contenders)(&setting);
                let named = |(name, ours, peer): &(&str, usize, usize)| -> Row {
                    (format!("{name}/{}/{bytes}", kind.as_str()), *ours, *peer)
                };
                let mut rows: Vec<Row> = case.rows.iter().map(named).collect();
                rows.retain(|(name, ..)| options.wants(name));
                if !rows.is_empty() {
                    play(&rows, &options, &runtime, &contenders);
                }
            }
        }
    }
    if options.wants("latency") {
        runtime.block_on(cost::latency(&url, &options));
    }
    if options.wants("mirrored-publish") || options.wants("caller") {
        caller::caller(&url, &runtime, options.rounds);
    }
    // lapin's threads end by themselves.
    runtime.shutdown_timeout(Duration::from_secs(1));
}
