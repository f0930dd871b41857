//! What is the state of the link, seen from outside, and who is told of a change?

use std::{
    pin::Pin,
    sync::{Mutex, PoisonError},
    task::{Context, Poll},
};

use algedonic_transport::{BoxFuture, Error, Link, LinkState};
use futures_core::Stream;
use tokio::sync::watch;

/// One of the two connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Publish,
    Consume,
}

impl Part {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Publish => "publish",
            Self::Consume => "consume",
        }
    }
}

/// The states of both connections, and the one link that the bus sees.
#[derive(Debug)]
pub(crate) struct Board {
    parts: Mutex<Parts>,
    link: watch::Sender<Link>,
}

#[derive(Debug)]
struct Parts {
    publish: Status,
    /// None while nothing is to be received.
    consume: Option<Status>,
    closed: bool,
}

#[derive(Clone, Debug)]
struct Status {
    state: LinkState,
    error: Option<Error>,
    attempts: u64,
}

const STARTING: Status = Status {
    state: LinkState::Connecting,
    error: None,
    attempts: 0,
};

impl Board {
    pub(crate) fn new() -> Self {
        Self {
            parts: Mutex::new(Parts {
                publish: STARTING,
                consume: None,
                closed: false,
            }),
            link: watch::Sender::new(Link::new()),
        }
    }

    pub(crate) fn link(&self) -> Link {
        self.link.borrow().clone()
    }

    pub(crate) fn links(&self) -> Links {
        let mut changes = self.link.subscribe();
        changes.mark_changed();
        Links {
            next: Some(change(changes)),
        }
    }

    /// One attempt to connect begins.
    pub(crate) fn attempt(&self, part: Part) {
        self.update(part, |status| status.attempts += 1);
    }

    pub(crate) fn up(&self, part: Part) {
        self.update(part, |status| {
            *status = Status {
                state: LinkState::Up,
                ..STARTING
            };
        });
    }

    pub(crate) fn blocked(&self, part: Part, error: Error) {
        self.update(part, |status| {
            status.state = LinkState::Blocked;
            status.error = Some(error);
        });
    }

    pub(crate) fn down(&self, part: Part, error: Error) {
        self.update(part, |status| {
            status.state = LinkState::Down;
            status.error = Some(error);
        });
    }

    /// Something is to be received that was not before.
    pub(crate) fn consumers_wanted(&self) {
        self.change(|parts| {
            let status = parts.consume.get_or_insert(STARTING);
            if status.state == LinkState::Up {
                *status = STARTING;
            }
        });
    }

    /// Nothing is to be received any more.
    pub(crate) fn no_consumers(&self) {
        self.change(|parts| parts.consume = None);
    }

    pub(crate) fn closed(&self) {
        self.change(|parts| parts.closed = true);
    }

    fn update(&self, part: Part, update: impl FnOnce(&mut Status)) {
        self.change(|parts| match part {
            Part::Publish => update(&mut parts.publish),
            Part::Consume => update(parts.consume.get_or_insert(STARTING)),
        });
    }

    fn change(&self, change: impl FnOnce(&mut Parts)) {
        let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut parts);
        // Under the lock, so that the last change of the parts is the last that is told.
        self.link.send_if_modified(|link| {
            let next = combine(&parts, link);
            let changed = next.state != link.state
                || next.attempts != link.attempts
                || words(&next) != words(link);
            if next.state != link.state || words(&next) != words(link) {
                log(link.state, &next);
            }
            *link = next;
            changed
        });
    }
}

fn words(link: &Link) -> Option<String> {
    link.error.as_ref().map(ToString::to_string)
}

/// The link is as good as the worse of its parts.
fn combine(parts: &Parts, before: &Link) -> Link {
    let rank = |status: &&Status| match status.state {
        LinkState::Closed | LinkState::Down => 3,
        LinkState::Connecting => 2,
        LinkState::Blocked => 1,
        _ => 0,
    };
    let all = [Some(&parts.publish), parts.consume.as_ref()];
    let mut link = before.clone();
    // The first of equals, and so the publishing one, speaks for both.
    if let Some(worst) = all.into_iter().flatten().rev().max_by_key(rank) {
        link.state = worst.state;
        link.error.clone_from(&worst.error);
    }
    link.attempts = all
        .into_iter()
        .flatten()
        .map(|status| status.attempts)
        .sum();
    if parts.closed {
        link.state = LinkState::Closed;
        link.error = None;
    }
    if link.is_up() && !matches!(before.state, LinkState::Up | LinkState::Blocked) {
        link.connects += 1;
    }
    link
}

fn log(before: LinkState, link: &Link) {
    match (&link.error, link.state) {
        (_, LinkState::Up) => tracing::info!(connects = link.connects, "link to RabbitMQ is up"),
        (_, LinkState::Closed) => tracing::info!("link to RabbitMQ is closed"),
        (Some(error), state) if before != state || !error.is_transient() => {
            tracing::warn!(%state, %error, "link to RabbitMQ is not up");
        }
        (error, state) => tracing::debug!(%state, ?error, "link to RabbitMQ is not up"),
    }
}

/// A change, and where the next one will be seen.
type Seen = Option<(watch::Receiver<Link>, Link)>;

/// The link, and each change of it.
pub(crate) struct Links {
    next: Option<BoxFuture<Seen>>,
}

fn change(mut changes: watch::Receiver<Link>) -> BoxFuture<Seen> {
    Box::pin(async move {
        changes.changed().await.ok()?;
        let link = changes.borrow_and_update().clone();
        Some((changes, link))
    })
}

impl Stream for Links {
    type Item = Link;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Link>> {
        let Some(next) = &mut self.next else {
            return Poll::Ready(None);
        };
        let Poll::Ready(change_seen) = next.as_mut().poll(context) else {
            return Poll::Pending;
        };
        self.next = None;
        Poll::Ready(change_seen.map(|(changes, link)| {
            if link.state != LinkState::Closed {
                self.next = Some(change(changes));
            }
            link
        }))
    }
}

#[cfg(test)]
mod tests {
    use algedonic_transport::ErrorKind;
    use futures_util::{FutureExt, StreamExt};

    use super::*;

    fn error() -> Error {
        Error::transient(ErrorKind::Unavailable, "test")
    }

    #[test]
    fn the_link_is_as_good_as_its_worse_part() {
        let board = Board::new();
        assert_eq!(board.link().state, LinkState::Connecting);
        board.up(Part::Publish);
        assert!(board.link().is_up());
        board.consumers_wanted();
        assert_eq!(board.link().state, LinkState::Connecting);
        board.down(Part::Consume, error());
        assert_eq!(board.link().state, LinkState::Down);
        board.blocked(Part::Publish, error());
        assert_eq!(board.link().state, LinkState::Down);
        board.up(Part::Consume);
        assert_eq!(board.link().state, LinkState::Blocked);
        board.up(Part::Publish);
        assert!(board.link().is_up() && board.link().error.is_none());
        assert_eq!(board.link().connects, 1, "{:?}", board.link());
    }

    #[test]
    fn the_stream_begins_with_the_state_and_ends_with_closed() {
        let board = Board::new();
        let mut links = board.links();
        let mut next = || links.next().now_or_never();
        assert_eq!(
            next().flatten().map(|link| link.state),
            Some(LinkState::Connecting)
        );
        assert!(next().is_none());
        board.up(Part::Publish);
        board.closed();
        board.down(Part::Publish, error());
        assert_eq!(
            next().flatten().map(|link| link.state),
            Some(LinkState::Closed)
        );
        assert!(matches!(next(), Some(None)));
    }
}
