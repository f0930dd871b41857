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
        let mut worth_a_line = Vec::new();
        let mut is_news = false;
        {
            let mut told = self.told();
            told.status = status;
            for notice in notices {
                is_news = true;
                if !matches!(notice, Notice::Lost(_)) {
                    worth_a_line.push(notice.clone());
                }
                if told.notices.len() == NOTICES {
                    told.notices.pop_front();
                }
                told.notices.push_back(notice);
            }
        }
        // With no lock held: who writes it down may want to know the status.
        for notice in worth_a_line {
            if let Notice::Mended = notice {
                info!(%notice, "spool");
            } else {
                error!(%notice, "spool");
            }
        }
        if is_news {
            self.bell.notify_waiters();
        }
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use algedonic_transport::{Error, ErrorKind};

    use super::*;
    use crate::observe::logged::each_line;

    #[test]
    fn who_is_told_of_a_failure_may_look_at_the_status() {
        let shared = Arc::new(Shared::new(Queue::new(1)));
        let seen: Arc<Mutex<Vec<u64>>> = Arc::default();
        let (looked, saw) = (shared.clone(), seen.clone());
        let look = move || saw.lock().expect("whole").push(looked.status().appended);
        each_line(look, move || {
            let broken = Notice::Broken(Error::transient(ErrorKind::Unavailable, "write"));
            let mut status = SpoolStatus::default();
            for notice in [broken, Notice::Mended] {
                status.appended += 1;
                shared.tell(status.clone(), [notice]);
            }
        });
        assert_eq!(*seen.lock().expect("whole"), [1, 2]);
    }
}
