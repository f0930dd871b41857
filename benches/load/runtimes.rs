//! The runtimes of the benches.

use tokio::runtime::{Builder, Runtime};

/// The two runtimes an application is likely to have, by name.
pub(crate) fn runtimes() -> [(&'static str, Runtime); 2] {
    let built = |builder: &mut Builder| builder.enable_time().build().expect("a runtime");
    [
        ("current-thread", built(&mut Builder::new_current_thread())),
        (
            "two-workers",
            built(Builder::new_multi_thread().worker_threads(2)),
        ),
    ]
}
