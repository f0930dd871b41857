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
            match notice {
                Notice::Mended => info!(%notice, "spool"),
                _ => error!(%notice, "spool"),
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
    use std::{
        sync::{Arc, mpsc},
        time::Duration,
    };

    use algedonic_transport::{Error, ErrorKind};
    use tracing::{
        Dispatch, Event, Metadata, Subscriber,
        span::{Attributes, Id, Record},
    };

    use super::*;

    /// Looks at the status whenever something is logged.
    struct Looks(Arc<Shared>, Mutex<Vec<u64>>);

    impl Subscriber for Looks {
        fn enabled(&self, _: &Metadata<'_>) -> bool {
            true
        }
        fn new_span(&self, _: &Attributes<'_>) -> Id {
            Id::from_u64(1)
        }
        fn record(&self, _: &Id, _: &Record<'_>) {}
        fn record_follows_from(&self, _: &Id, _: &Id) {}
        fn event(&self, _: &Event<'_>) {
            let seen = self.0.status().appended;
            self.1.lock().expect("whole").push(seen);
        }
        fn enter(&self, _: &Id) {}
        fn exit(&self, _: &Id) {}
    }

    #[test]
    fn who_is_told_of_a_failure_may_look_at_the_status() {
        let shared = Arc::new(Shared::new(Queue::new(1)));
        let looks = Arc::new(Looks(shared.clone(), Mutex::default()));
        let dispatch = Dispatch::from(looks.clone());
        let (done, told) = mpsc::channel();
        // It may hang.
        std::thread::spawn(move || {
            tracing::dispatcher::with_default(&dispatch, || {
                let broken = Notice::Broken(Error::transient(ErrorKind::Unavailable, "write"));
                let mut status = SpoolStatus::default();
                for notice in [broken, Notice::Mended] {
                    status.appended += 1;
                    shared.tell(status.clone(), [notice]);
                }
            });
            done.send(())
        });
        told.recv_timeout(Duration::from_secs(10))
            .expect("nobody waits for a lock");
        assert_eq!(*looks.1.lock().expect("whole"), [1, 2]);
    }
}
