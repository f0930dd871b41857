//! What is the state of the link, seen from outside, and who is told of a change?

use std::{
    pin::Pin,
    sync::{Mutex, PoisonError},
    task::{Context, Poll},
};

use algedonic_transport::{BoxFuture, Error, Link, LinkState};
use futures_core::Stream;
use tokio::sync::watch;

use crate::part::Part;

/// The states of all connections, and the one link that the bus sees.
#[derive(Debug)]
pub(crate) struct Board {
    parts: Mutex<Parts>,
    link: watch::Sender<Link>,
}

#[derive(Debug)]
struct Parts {
    /// Those that publish events and signals first; then, as they are wanted, the one that publishes
    /// commands, and a consuming one for each lane that is received.
    all: Vec<(Part, Status)>,
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
    /// That many connections are about to be made.
    pub(crate) fn new(parts: impl IntoIterator<Item = Part>) -> Self {
        Self {
            parts: Mutex::new(Parts {
                all: parts.into_iter().map(|part| (part, STARTING)).collect(),
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

    /// One more connection is wanted.
    pub(crate) fn wanted(&self, part: Part) {
        self.change(|parts| parts.all.push((part, STARTING)));
    }

    /// That connection is not wanted any more.
    pub(crate) fn unwanted(&self, part: Part) {
        self.change(|parts| parts.all.retain(|(one, _)| *one != part));
    }

    pub(crate) fn closed(&self) {
        self.change(|parts| parts.closed = true);
    }

    fn update(&self, part: Part, update: impl FnOnce(&mut Status)) {
        self.change(|parts| {
            if let Some((_, status)) = parts.all.iter_mut().find(|(one, _)| *one == part) {
                update(status);
            }
        });
    }

    fn change(&self, change: impl FnOnce(&mut Parts)) {
        let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut parts);
        let mut told = None;
        // Under the lock, so that the last change of the parts is the last that is told.
        self.link.send_if_modified(|link| {
            let next = combine(&parts, link);
            let is_news = next.state != link.state || words(&next) != words(link);
            let changed = is_news || next.attempts != link.attempts;
            told = is_news.then(|| (link.state, next.clone()));
            *link = next;
            changed
        });
        drop(parts);
        // Whoever listens may look at the link.
        if let Some((before, link)) = told {
            log(before, &link);
        }
    }
}

fn words(link: &Link) -> Option<String> {
    link.error.as_ref().map(ToString::to_string)
}

/// The link is as good as the worst of its parts.
fn combine(parts: &Parts, before: &Link) -> Link {
    let rank = |status: &&Status| match status.state {
        LinkState::Closed | LinkState::Down => 3,
        LinkState::Connecting => 2,
        LinkState::Blocked => 1,
        _ => 0,
    };
    let statuses = || parts.all.iter().map(|(_, status)| status);
    let mut link = before.clone();
    // The first of equals, and so a publishing one, speaks for all.
    if let Some(worst) = statuses().rev().max_by_key(rank) {
        link.state = worst.state;
        link.error.clone_from(&worst.error);
    }
    link.attempts = statuses().map(|status| status.attempts).sum();
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
    use std::{sync::Arc, time::Duration};

    use algedonic_transport::{ErrorKind, Lane};
    use futures_util::{FutureExt, StreamExt};
    use tracing::{
        Dispatch, Event, Metadata, Subscriber,
        span::{Attributes, Id, Record},
    };

    use super::*;

    fn parts() -> (Part, Part) {
        (Part::publish(Lane::Event, 0), Part::consume(Lane::Event))
    }

    fn error() -> Error {
        Error::transient(ErrorKind::Unavailable, "test")
    }

    #[test]
    fn the_link_is_as_good_as_its_worst_part() {
        let (publish, consume) = parts();
        let board = Board::new([publish]);
        assert_eq!(board.link().state, LinkState::Connecting);
        board.up(publish);
        assert!(board.link().is_up());
        board.wanted(consume);
        assert_eq!(board.link().state, LinkState::Connecting);
        board.down(consume, error());
        assert_eq!(board.link().state, LinkState::Down);
        board.blocked(publish, error());
        assert_eq!(board.link().state, LinkState::Down);
        board.up(consume);
        assert_eq!(board.link().state, LinkState::Blocked);
        board.up(publish);
        assert!(board.link().is_up() && board.link().error.is_none());
        assert_eq!(board.link().connects, 1, "{:?}", board.link());
        board.down(consume, error());
        board.unwanted(consume);
        assert!(board.link().is_up());
        board.down(consume, error());
        assert!(board.link().is_up(), "it is nobody's concern any more");
    }

    /// Looks at the link whenever something is logged.
    struct Looks(Arc<Board>, Mutex<Vec<LinkState>>);

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
            let link = self.0.link();
            self.1.lock().expect("whole").push(link.state);
        }
        fn enter(&self, _: &Id) {}
        fn exit(&self, _: &Id) {}
    }

    #[test]
    fn who_is_told_of_a_change_may_look_at_the_link() {
        let (publish, consume) = parts();
        let board = Arc::new(Board::new([publish]));
        let looks = Arc::new(Looks(board.clone(), Mutex::default()));
        let (done, told) = std::sync::mpsc::channel();
        let dispatch = Dispatch::from(looks.clone());
        // It may hang.
        std::thread::spawn(move || {
            tracing::dispatcher::with_default(&dispatch, || {
                board.up(publish);
                board.wanted(consume);
                board.down(publish, error());
                board.closed();
            });
            done.send(())
        });
        told.recv_timeout(Duration::from_secs(10))
            .expect("nobody waits for a lock");
        let seen = looks.1.lock().expect("whole").clone();
        let states = [
            LinkState::Up,
            LinkState::Connecting,
            LinkState::Down,
            LinkState::Closed,
        ];
        assert_eq!(seen, states);
    }

    #[test]
    fn the_stream_begins_with_the_state_and_ends_with_closed() {
        let (publish, _) = parts();
        let board = Board::new([publish]);
        let mut links = board.links();
        let mut next = || links.next().now_or_never();
        assert_eq!(
            next().flatten().map(|link| link.state),
            Some(LinkState::Connecting)
        );
        assert!(next().is_none());
        board.up(publish);
        board.closed();
        board.down(publish, error());
        assert_eq!(
            next().flatten().map(|link| link.state),
            Some(LinkState::Closed)
        );
        assert!(matches!(next(), Some(None)));
    }
}
