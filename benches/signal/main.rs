//! How long a signal takes to a subscriber while ordinary traffic floods its bus, and while nothing else happens.
//!
//! Run by `benches/compare signal`. Prints `CASE ours=NS peer=NAME theirs=NS ratio=THEIRS/OURS`: of all rounds together the
//! median, the 99th percentile and the maximum, in nanoseconds, from the moment at which a signal was due. Rounds of
//! all contenders are played in turns.

mod broker;
mod local;
mod options;
mod pace;
mod times;
mod traffic;

use std::time::Duration;

use tokio::runtime::Builder;

use self::options::Options;

fn main() {
    let Some(options) = Options::from_args() else {
        return;
    };
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    if options.wants("local") {
        local::compare(&runtime, &options);
    }
    if options.wants("rabbitmq") {
        broker::compare(&runtime, &options);
    }
    // The transport's threads end by themselves.
    runtime.shutdown_timeout(Duration::from_secs(1));
}
