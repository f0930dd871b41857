//! Is the disk left alone, because it has failed?

use std::time::{Duration, Instant};

use algedonic_transport::Error;

/// How long a disk that failed is left alone.
const PAUSE: Duration = Duration::from_secs(1);

/// What has failed, and has not worked since.
#[derive(Default)]
pub(super) struct Pause(Option<Broken>);

struct Broken {
    until: Instant,
    error: Error,
    /// Not even a signal could be stored, or a removal.
    small: bool,
}

impl Pause {
    /// It failed even for what is small, or for what may be large. Whether that is news.
    pub(super) fn begin(&mut self, error: Error, small: bool) -> bool {
        let broken = Broken {
            until: Instant::now() + PAUSE,
            error,
            small,
        };
        self.0.replace(broken).is_none()
    }

    /// Whether it is over when this could be written: what is small and fits says nothing of what has not, until that may
    /// be tried again.
    pub(super) fn is_ended_by(&self, small: bool) -> bool {
        let is_left = |broken: &Broken| small && !broken.small && Instant::now() < broken.until;
        self.0.as_ref().is_some_and(|broken| !is_left(broken))
    }

    pub(super) fn end(&mut self) {
        self.0 = None;
    }

    /// Until when it is left alone, or was.
    pub(super) fn until(&self) -> Option<Instant> {
        self.0.as_ref().map(|broken| broken.until)
    }

    /// Why it is left alone, if it is.
    pub(super) fn reason(&self) -> Option<Error> {
        let broken = self.0.as_ref();
        let broken = broken.filter(|broken| Instant::now() < broken.until);
        broken.map(|broken| broken.error.clone())
    }
}
