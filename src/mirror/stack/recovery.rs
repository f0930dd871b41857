//! When does the breaker hear from the link that the other side is back?

use std::sync::{Arc, Mutex, PoisonError};

use algedonic_transport::{Link, Transport};
use futures_util::StreamExt;

use super::line::Line;
use crate::resilience::breaker::BreakerHandle;

/// Compares the link with what it was, and tells the breaker and those that wait for another attempt.
///
/// A link that comes up closes the breaker: nobody waits for the end of an open period to learn what is known. A link that
/// is not up, and has fewer attempts behind it than before, shows a sign of life: a part of it has come up, perhaps
/// the one that sends. Then the breaker lets probes through. Otherwise its open period holds.
pub(crate) struct Recovery {
    transport: Arc<dyn Transport>,
    breaker: BreakerHandle,
    line: Arc<Line>,
    /// The link, when somebody last looked.
    seen: Mutex<Seen>,
}

/// What matters of a link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Seen {
    up: bool,
    connects: u64,
    attempts: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum News {
    CameUp,
    SignOfLife,
}

impl Recovery {
    pub(super) fn new(
        transport: Arc<dyn Transport>,
        breaker: BreakerHandle,
        line: Arc<Line>,
    ) -> Self {
        Self {
            seen: Mutex::new(Seen::from(&transport.link())),
            transport,
            breaker,
            line,
        }
    }

    pub(super) fn breaker(&self) -> &BreakerHandle {
        &self.breaker
    }

    /// Looks at the link, and acts on what is new.
    pub(crate) fn look(&self) {
        let news = {
            // The link is read with the lock held, so that nobody takes an older state for a change.
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            let now = Seen::from(&self.transport.link());
            std::mem::replace(&mut *seen, now).news(now)
        };
        match news {
            None => return,
            Some(News::CameUp) => self.breaker.close(),
            Some(News::SignOfLife) => self.breaker.probe(),
        }
        self.line.hurry();
    }

    /// The same, where only a breaker that has tripped makes a difference.
    #[inline]
    pub(super) fn look_if_tripped(&self) {
        if self.breaker.has_tripped() {
            self.look();
        }
    }

    /// Looks at every change, until the link is closed.
    pub(crate) async fn watch(self: Arc<Self>) {
        let mut links = self.transport.links();
        while links.next().await.is_some() {
            self.look();
        }
    }
}

impl From<&Link> for Seen {
    fn from(link: &Link) -> Self {
        Self {
            up: link.is_up(),
            connects: link.connects,
            attempts: link.attempts,
        }
    }
}

impl Seen {
    /// What is new in what comes after this.
    fn news(self, now: Self) -> Option<News> {
        if now.up {
            let came_up = !self.up || now.connects != self.connects;
            return came_up.then_some(News::CameUp);
        }
        (now.attempts < self.attempts).then_some(News::SignOfLife)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_news_and_what_is_not() {
        let seen = |up, connects, attempts| Seen {
            up,
            connects,
            attempts,
        };
        let up = seen(true, 1, 0);
        let (down, later) = (seen(false, 1, 3), seen(false, 1, 9));
        assert_eq!(Seen::default().news(up), Some(News::CameUp));
        assert_eq!(up.news(up), None);
        assert_eq!(up.news(seen(true, 2, 0)), Some(News::CameUp));
        assert_eq!(up.news(down), None);
        assert_eq!(down.news(later), None);
        assert_eq!(later.news(down), Some(News::SignOfLife));
        assert_eq!(later.news(up), Some(News::CameUp));
    }
}
