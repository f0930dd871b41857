//! What if who writes the log asks about what it is told of?

use std::{sync::mpsc, thread, time::Duration};

use tracing::{
    Dispatch, Event, Metadata, Subscriber,
    dispatcher::with_default,
    span::{Attributes, Id, Record},
};

/// Calls a function for all that is logged.
struct Log<F>(F);

impl<F: Fn() + 'static> Subscriber for Log<F>
where
    F: Send + Sync,
{
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, _: &Event<'_>) {
        (self.0)();
    }
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// Runs `run`, and calls `look` for each line that it logs, from where it logs.
///
/// # Panics
///
/// When that does not end in ten seconds: `look` waits for a lock that is held while the line is written.
pub(crate) fn each_line(
    look: impl Fn() + Send + Sync + 'static,
    run: impl FnOnce() + Send + 'static,
) {
    let (done, ended) = mpsc::channel();
    thread::spawn(move || {
        with_default(&Dispatch::new(Log(look)), run);
        done.send(())
    });
    ended
        .recv_timeout(Duration::from_secs(10))
        .expect("nobody waits for a lock");
}
