//! What the thread and its callers share.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;
use tracing::{error, info};

use super::{Notice, SpoolStatus, queue::Queue};

/// Notices that are kept for who takes them; the status counts what they say anyway.
const NOTICES: usize = 1024;

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) queue: Queue,
    told: Mutex<Told>,
    /// For who waits for a notice.
    pub(super) bell: Notify,
}

#[derive(Debug, Default)]
struct Told {
    status: SpoolStatus,
    notices: VecDeque<Notice>,
}

impl Shared {
    pub(super) fn new(queue: Queue) -> Self {
        Self {
            queue,
            told: Mutex::default(),
            bell: Notify::new(),
        }
    }

    pub(super) fn status(&self) -> SpoolStatus {
        self.told().status.clone()
    }

    pub(super) fn take_notice(&self) -> Option<Notice> {
        self.told().notices.pop_front()
    }

    pub(super) fn tell(&self, status: SpoolStatus, notices: impl IntoIterator<Item = Notice>) {
        let mut told = self.told();
        told.status = status;
        let before = told.notices.len();
        for notice in notices {
            match &notice {
                Notice::Damaged(_) | Notice::Broken(_) => error!(%notice, "spool"),
                Notice::Mended => info!(%notice, "spool"),
                Notice::Lost(_) => {}
            }
            if told.notices.len() == NOTICES {
                told.notices.pop_front();
            }
            told.notices.push_back(notice);
        }
        let more = told.notices.len() > before || before == NOTICES;
        drop(told);
        if more {
            self.bell.notify_waiters();
        }
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
