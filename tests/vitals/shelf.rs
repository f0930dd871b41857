use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use algedonic::{
    Error, ErrorKind,
    spool::{LaneStatus, Notice, Record, Spool, SpoolStatus},
    transport::{BoxFuture, Lane, Message},
};

/// A spool that takes nothing, and says that its lane of events is as full as it is told to say.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shelf {
    bytes: Arc<AtomicU64>,
    bound: Arc<AtomicU64>,
}

impl Shelf {
    pub(crate) fn say(&self, bytes: u64, bound: u64) {
        self.bytes.store(bytes, Ordering::SeqCst);
        self.bound.store(bound, Ordering::SeqCst);
    }
}

impl Spool for Shelf {
    fn append(&self, _: Message) -> BoxFuture<Result<u64, Error>> {
        Box::pin(async { Err(Error::transient(ErrorKind::Busy, "spool a message")) })
    }

    fn read(&self, _: Lane, _: u64, _: usize) -> BoxFuture<Result<Vec<Record>, Error>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn remove(&self, _: &[u64]) {}

    fn status(&self) -> SpoolStatus {
        let mut of_events = LaneStatus::default();
        of_events.bytes = self.bytes.load(Ordering::SeqCst);
        of_events.bound = self.bound.load(Ordering::SeqCst);
        let mut status = SpoolStatus::default();
        status.set_lane(Lane::Event, of_events);
        status
    }

    fn notice(&self) -> BoxFuture<Option<Notice>> {
        Box::pin(std::future::pending())
    }

    fn close(&self, _: Duration) -> BoxFuture<Result<(), Error>> {
        Box::pin(async { Ok(()) })
    }
}
