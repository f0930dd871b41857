use std::{
    collections::VecDeque,
    fmt,
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use futures_core::Stream;

use super::{
    Batch, Buffer, EventRef, Gap, Lag,
    borrowed::Lend,
    inbox::{Inbox, Rest},
    lane::{Follower, Lane},
};
use crate::{
    event::{Envelope, Event, Sealed},
    observe::Settled,
    turn,
};

/// Events of one type, in the order in which each publisher published them; made by
/// [`Bus::subscribe`](crate::Bus::subscribe).
///
/// A [`Stream`] of `Result<Envelope<E>, Gap>`: a [`Gap`] stands where events are missing, and the
/// stream goes on after it. It ends when the bus is shut down, after what was buffered. An event
/// whose [`expires`](crate::Metadata::expires) has passed is left out, and counted.
///
/// Three ways to read, which may be mixed: [`recv`](Self::recv) gives an envelope of one's own,
/// [`recv_ref`](Self::recv_ref) lends one event, [`recv_many`](Self::recv_many) lends many. The future of each
/// may be dropped at any time without losing an event, and gives way to other tasks of tokio's now and then.
///
/// Dropping the subscription unsubscribes, and releases a publisher that waits for it.
pub struct Subscription<E: Event> {
    lane: Arc<Lane<E>>,
    source: Source<E>,
    /// Retained events, which come first.
    early: VecDeque<Envelope<E>>,
    /// What is lent.
    lent: Lent<E>,
    /// A gap that a batch came upon: it is told next.
    gap: Option<Gap>,
    /// It has unsubscribed, and taken along what was unread.
    left: bool,
}

enum Source<E: Event> {
    Log(Follower<E>),
    Inbox(Arc<Inbox<Envelope<E>>>),
}

/// Events that were lent by the last call, and are given back by the next.
enum Lent<E> {
    /// So many of the log's next entries.
    Log(u64),
    Owned(Vec<Envelope<E>>),
}

impl<E: Event> Subscription<E> {
    pub(super) fn new(
        lane: Arc<Lane<E>>,
        buffer: Buffer,
        retained: bool,
        settled: Option<Arc<Settled>>,
    ) -> Self {
        let (source, early) = match buffer.lag {
            Lag::Block | Lag::DropOldest => {
                let (follower, early) = lane.follow(buffer, settled);
                (Source::Log(follower), early)
            }
            Lag::DropNewest | Lag::Error => {
                let (inbox, early) = lane.add_inbox(buffer, settled);
                (Source::Inbox(inbox), early)
            }
        };
        Self {
            lane,
            source,
            early: if retained { early } else { VecDeque::new() },
            lent: Lent::Log(0),
            gap: None,
            left: false,
        }
    }

    /// The next event, a [`Gap`], or `None` once the bus is shut down and all is read.
    ///
    /// The event makes room in the buffer at once, however long the envelope is kept.
    #[inline]
    pub async fn recv(&mut self) -> Option<Result<Envelope<E>, Gap>> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// As [`recv`](Self::recv), lending the event: it is not cloned, not even its pointer.
    ///
    /// With [`Lag::Block`] and [`Lag::DropOldest`] it counts as in flight until the next call, or the drop of
    /// the subscription, not only while the [`EventRef`] lives. With [`Lag::Block`] it also takes up room until
    /// then: a task that publishes between two calls may wait for itself if it is the only one that reads.
    #[inline]
    pub fn recv_ref(
        &mut self,
    ) -> impl Future<Output = Option<Result<EventRef<'_, E>, Gap>>> + Send {
        Lend {
            subscription: Some(self),
            limit: 1,
            form: Self::lent_one,
        }
    }

    /// As [`recv_ref`](Self::recv_ref), lending at once what can be had without waiting, at least one
    /// event and at most `limit` of them (0 counts as 1); with [`Lag::Block`] all of them take up room until the
    /// next call. A batch ends where a [`Gap`] is, and may end before: fewer than `limit` do not mean that
    /// nothing more waits.
    #[inline]
    pub fn recv_many(
        &mut self,
        limit: usize,
    ) -> impl Future<Output = Option<Result<Batch<'_, E>, Gap>>> + Send {
        Lend {
            subscription: Some(self),
            limit: limit as u64,
            form: Batch::new,
        }
    }

    /// How many events wait to be read, without those that are lent.
    pub fn unread(&self) -> u64 {
        let waiting = match (&self.source, &self.lent) {
            (Source::Log(follower), Lent::Log(lent)) => follower.unread_after(*lent),
            (Source::Log(follower), Lent::Owned(_)) => follower.unread_after(0),
            (Source::Inbox(inbox), _) => inbox.unread(),
        };
        waiting + self.early.len() as u64
    }

    /// Unsubscribes, and takes along what is unread.
    pub(crate) fn finish(mut self) -> Rest<Envelope<E>> {
        self.give_back();
        let mut rest = match &mut self.source {
            Source::Log(follower) => follower.finish(),
            Source::Inbox(inbox) => self.lane.remove_inbox(inbox, true),
        };
        self.left = true;
        while let Some(envelope) = self.early.pop_back() {
            rest.items.push_front(envelope);
        }
        rest
    }

    #[inline]
    fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Envelope<E>, Gap>>> {
        if let Some(follower) = self.plain() {
            ready!(turn::proceed(cx));
            let envelope = follower.share(0);
            follower.advance(1);
            return Poll::Ready(Some(Ok(envelope)));
        }
        self.poll_recv_any(cx)
    }

    fn poll_recv_any(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Envelope<E>, Gap>>> {
        self.give_back();
        if let Some(envelope) = self.pop_early() {
            return Poll::Ready(Some(Ok(envelope)));
        }
        if let Some(gap) = self.gap.take() {
            return Poll::Ready(Some(Err(gap)));
        }
        self.poll_source(cx)
    }

    /// The follower, where its next entry can be had without a look at anything. Takes back what was lent.
    #[inline]
    fn plain(&mut self) -> Option<&mut Follower<E>> {
        let (Source::Log(follower), Lent::Log(lent)) = (&mut self.source, &mut self.lent) else {
            return None;
        };
        if !follower.pass(*lent) {
            return None;
        }
        *lent = 0;
        (!follower.peek(0).may_expire()).then_some(follower)
    }

    fn poll_source(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Envelope<E>, Gap>>> {
        match &mut self.source {
            Source::Log(follower) => Poll::Ready(match ready!(poll_entry(follower, cx)) {
                Some(Ok(())) => {
                    let envelope = follower.share(0);
                    follower.advance(1);
                    Some(Ok(envelope))
                }
                Some(Err(gap)) => Some(Err(gap)),
                None => None,
            }),
            Source::Inbox(inbox) => loop {
                ready!(turn::proceed(cx));
                match ready!(inbox.poll_take(cx)) {
                    Some(Ok(envelope)) if envelope.sealed().has_expired() => inbox.expired(),
                    item => return Poll::Ready(item),
                }
            },
        }
    }

    /// Lends at least one event and at most `limit`.
    #[inline]
    pub(super) fn poll_lend(
        &mut self,
        cx: &mut Context<'_>,
        limit: u64,
    ) -> Poll<Option<Result<(), Gap>>> {
        if limit == 1 && self.plain().is_some() {
            ready!(turn::proceed(cx));
            self.lent = Lent::Log(1);
            return Poll::Ready(Some(Ok(())));
        }
        self.poll_lend_any(cx, limit)
    }

    fn poll_lend_any(&mut self, cx: &mut Context<'_>, limit: u64) -> Poll<Option<Result<(), Gap>>> {
        self.give_back();
        if let Some(envelope) = self.pop_early() {
            self.lent = Lent::Owned(vec![envelope]);
            return Poll::Ready(Some(Ok(())));
        }
        if let Some(gap) = self.gap.take() {
            return Poll::Ready(Some(Err(gap)));
        }
        if let Source::Log(follower) = &mut self.source {
            let ready = ready!(poll_entry(follower, cx));
            if let Some(Ok(())) = ready {
                let lent = fresh_run(follower, limit);
                follower.keep(lent);
                self.lent = Lent::Log(lent);
            }
            return Poll::Ready(ready);
        }
        let mut owned = Vec::new();
        let result = loop {
            match self.poll_source(cx) {
                Poll::Ready(Some(Ok(envelope))) => owned.push(envelope),
                Poll::Ready(other) if owned.is_empty() => break other.map(|gap| gap.map(drop)),
                Poll::Pending if owned.is_empty() => return Poll::Pending,
                Poll::Ready(Some(Err(gap))) => {
                    self.gap = Some(gap);
                    break Some(Ok(()));
                }
                Poll::Ready(None) | Poll::Pending => break Some(Ok(())),
            }
            if owned.len() as u64 >= limit {
                break Some(Ok(()));
            }
        };
        self.lent = Lent::Owned(owned);
        Poll::Ready(result)
    }

    fn pop_early(&mut self) -> Option<Envelope<E>> {
        while let Some(envelope) = self.early.pop_front() {
            if !envelope.sealed().has_expired() {
                return Some(envelope);
            }
        }
        None
    }

    /// Takes back what was lent: it has been read.
    fn give_back(&mut self) {
        match &mut self.lent {
            Lent::Log(0) => {}
            Lent::Log(entries) => {
                let entries = std::mem::take(entries);
                if let Source::Log(follower) = &mut self.source {
                    follower.advance(entries);
                }
            }
            Lent::Owned(_) => self.lent = Lent::Log(0),
        }
    }

    pub(super) fn lent_count(&self) -> usize {
        match &self.lent {
            Lent::Log(entries) => usize::try_from(*entries).unwrap_or(usize::MAX),
            Lent::Owned(owned) => owned.len(),
        }
    }

    #[inline]
    fn lent_one(&self) -> EventRef<'_, E> {
        self.lent(0)
    }

    /// One of the events that are lent.
    #[inline]
    pub(super) fn lent(&self, at: usize) -> EventRef<'_, E> {
        EventRef::new(self, self.lent_sealed(at), at)
    }

    #[inline]
    fn lent_sealed(&self, at: usize) -> &Sealed<E> {
        match (&self.lent, &self.source) {
            (Lent::Owned(owned), _) => owned[at].sealed(),
            (Lent::Log(_), Source::Log(follower)) => follower.peek(at as u64),
            (Lent::Log(_), Source::Inbox(_)) => unreachable!("an inbox lends what it owns"),
        }
    }

    pub(super) fn lent_envelope(&self, at: usize) -> Envelope<E> {
        match (&self.lent, &self.source) {
            (Lent::Owned(owned), _) => owned[at].clone(),
            (Lent::Log(_), Source::Log(follower)) => follower.share(at as u64),
            (Lent::Log(_), Source::Inbox(_)) => unreachable!("an inbox lends what it owns"),
        }
    }

    pub(super) fn lane(&self) -> &Lane<E> {
        &self.lane
    }
}

/// Waits for an entry whose time has not passed.
fn poll_entry<E: Event>(
    follower: &mut Follower<E>,
    cx: &mut Context<'_>,
) -> Poll<Option<Result<(), Gap>>> {
    loop {
        let ready = ready!(follower.poll_ready(cx));
        if let Some(Ok(())) = ready {
            ready!(turn::proceed(cx));
            if follower.peek(0).has_expired() {
                follower.count_expired();
                follower.advance(1);
                continue;
            }
        }
        return Poll::Ready(ready);
    }
}

/// How many of the next entries can be lent together: the first is fresh.
#[inline]
fn fresh_run<E: Event>(follower: &Follower<E>, limit: u64) -> u64 {
    if limit <= 1 {
        return 1;
    }
    let run = follower.run().min(limit);
    (1..run)
        .find(|ahead| follower.peek(*ahead).has_expired())
        .unwrap_or(run)
}

impl<E: Event> Stream for Subscription<E> {
    type Item = Result<Envelope<E>, Gap>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_recv(cx)
    }
}

// Nothing in it is pinned.
impl<E: Event> Unpin for Subscription<E> {}

impl<E: Event> Drop for Subscription<E> {
    fn drop(&mut self) {
        self.give_back();
        if let Source::Inbox(inbox) = &self.source
            && !self.left
        {
            self.lane.remove_inbox(inbox, false);
        }
    }
}

impl<E: Event> fmt::Debug for Subscription<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription")
            .field("event", &E::NAME)
            .field("unread", &self.unread())
            .finish_non_exhaustive()
    }
}
