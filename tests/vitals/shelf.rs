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
