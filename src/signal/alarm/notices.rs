//! How does a notice get from the call that caused it to the task that raises signals?

use std::{
    fmt,
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::{
    sync::Notify,
    time::{Instant, sleep_until},
};

use super::{Alarms, levels::Levels};
use crate::{
    Signal,
    resilience::{Notice, Observer, Untold},
};

/// Notes what happens to components, for [`Bus::alarms`](crate::Bus::alarms). Never waits: it notes a level and lets
/// the task of the alarms go on. Clones note for the same task, which ends when the last of them is gone.
#[derive(Clone)]
pub struct AlarmObserver {
    shared: Arc<Shared>,
    _alive: Arc<Alive>,
}

/// The other end of an [`AlarmObserver`].
pub(crate) struct Notices(Arc<Shared>);

struct Shared {
    levels: Mutex<Noted>,
    news: Notify,
}

struct Noted {
    levels: Levels,
    /// What has to be asked for: of each storm the last.
    untold: Vec<Untold>,
    is_over: bool,
}

/// There is an observer.
struct Alive(Arc<Shared>);

impl Notices {
    pub(crate) fn new(alarms: Alarms) -> (AlarmObserver, Self) {
        let shared = Arc::new(Shared {
            levels: Mutex::new(Noted {
                levels: Levels::new(alarms),
                untold: Vec::new(),
                is_over: false,
            }),
            news: Notify::new(),
        });
        let alive = Arc::new(Alive(Arc::clone(&shared)));
        let observer = AlarmObserver {
            shared: Arc::clone(&shared),
            _alive: alive,
        };
        (observer, Self(shared))
    }

    /// The next signal, as soon as it is due; `None` when no observer is left and nothing is due.
    ///
    /// Dropped before it is ready, it loses nothing.
    pub(crate) async fn next(&self) -> Option<Signal> {
        loop {
            // Enabled before it looks: what is noted after that wakes it.
            let mut news = pin!(self.0.news.notified());
            news.as_mut().enable();
            let now = Instant::now();
            // Before it is said that a storm is over. With no lock held, since the answer comes as a notice.
            let untold = self.0.noted().untold(now);
            untold.iter().for_each(Untold::tell);
            let next = {
                let mut noted = self.0.noted();
                if let Some(signal) = noted.levels.due(now) {
                    return Some(signal);
                }
                if noted.is_over {
                    return None;
                }
                noted.next()
            };
            match next {
                None => news.await,
                Some(next) => tokio::select! {
                    () = news => {}
                    () = sleep_until(next) => {}
                },
            }
        }
    }
}

impl Shared {
    fn noted(&self) -> std::sync::MutexGuard<'_, Noted> {
        self.levels.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Noted {
    fn ask(&mut self, untold: Untold) {
        self.untold.retain(|other| !other.is_replaced_by(&untold));
        self.untold.push(untold);
    }

    /// Those that are due, which are asked once: what they tell is untold again.
    fn untold(&mut self, now: Instant) -> Vec<Untold> {
        self.untold
            .extract_if(.., |untold| untold.due() <= now)
            .collect()
    }

    /// When to look again if nothing happens until then.
    fn next(&self) -> Option<Instant> {
        let due = self.untold.iter().map(Untold::due);
        self.levels.next().into_iter().chain(due).min()
    }
}

impl Observer for AlarmObserver {
    fn notice(&self, notice: Notice) {
        self.shared.noted().levels.note(notice);
        self.shared.news.notify_one();
    }

    fn coalesced(&self, notice: Notice, untold: &Untold) {
        if Levels::counts(notice.what) {
            self.shared.noted().ask(untold.clone());
            self.notice(notice);
        }
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.noted().is_over = true;
        self.0.news.notify_one();
    }
}

impl fmt::Debug for AlarmObserver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AlarmObserver")
    }
}
