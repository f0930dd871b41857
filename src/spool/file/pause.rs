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
    /// Not even a signal could be stored.
    signals: bool,
}

impl Pause {
    /// It failed for signals, too, or for what is larger than they are. Whether that is news.
    pub(super) fn begin(&mut self, error: Error, signals: bool) -> bool {
        let broken = Broken {
            until: Instant::now() + PAUSE,
            error,
            signals,
        };
        self.0.replace(broken).is_none()
    }

    /// Something was written, signals or something else. Whether that is the end of it: a signal that fits says nothing
    /// of what has not, until that is tried again.
    pub(super) fn end(&mut self, signals: bool) -> bool {
        let is_left =
            |broken: &mut Broken| signals && !broken.signals && Instant::now() < broken.until;
        self.0.take_if(|broken| !is_left(broken)).is_some()
    }

    /// Why it is left alone, if it is.
    pub(super) fn reason(&self) -> Option<Error> {
        let broken = self.0.as_ref();
        let broken = broken.filter(|broken| Instant::now() < broken.until);
        broken.map(|broken| broken.error.clone())
    }
}
