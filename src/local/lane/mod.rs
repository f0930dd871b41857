//! Where events of one type meet their subscribers.

mod addressees;
mod draft;
mod follower;
mod pace;
mod plain;
mod publish;
mod tap;
mod wait;

use std::{any::Any, collections::VecDeque, ops::Deref, sync::Arc, task::Waker};

use algedonic_transport::EventId;

pub(crate) use self::{
    draft::{Committed, Draft, Refused, Supply},
    follower::Follower,
    publish::Publication,
    tap::Tap,
};
use super::{
    Buffer, Gate, Lag,
    inbox::{Inbox, Rest},
    log::{Clock, Garbage, Log, Margins, Reader},
    patterns::Patterns,
    sleepers::{Bed, Sleepers},
    sync::{AtomicUsize, Mutex, Ordering, lock, wake},
    tap::{Number, Tapped, Taps},
    waiters::Waiters,
};
use crate::{
    event::{Envelope, Event, Origin, Sealed},
    observe::{Account, Settled, SubscriberBooks, TypeBooks},
};

/// The inboxes of one type's subscribers, replaced as a whole.
type Inboxes<E> = Arc<[Arc<Inbox<Envelope<E>>>]>;

/// The last events, oldest first.
type Retained<E> = VecDeque<Envelope<E>>;

/// The lane of one type.
///
/// Subscribers that block or drop the oldest follow one shared log; the others have an inbox each.
/// Locks are taken in this order: a lane's, then an inbox's. No waker is called and no event dropped under
/// either.
pub(crate) struct Lane<E> {
    origin: Arc<Origin>,
    state: OwnLines<Mutex<State<E>>>,
    /// How many publishers wait for the log. Both sides change it by read-modify-write: a reader
    /// after it has moved its cursor, a publisher before it looks at the cursors; so one of them sees the other.
    waiting: OwnLines<AtomicUsize>,
    /// How many subscribers there are, and taps: a hint, so that an event that nobody hears costs little.
    heard: AtomicUsize,
    /// How many reasons there are not to publish the plain way: subscribers with an inbox, of which few lanes have
    /// any, and a name that is no key of the type.
    detours: AtomicUsize,
    /// How many subscribers have an inbox.
    inboxed: AtomicUsize,
    /// The mirror's, if events leave this process from here.
    tapped: Option<Tapped>,
    patterns: Arc<Patterns>,
    gate: Arc<Gate>,
}

/// In this order: what each publish needs lies on one cache line, with the lock.
#[repr(C)]
struct State<E> {
    /// Below this number the log takes an entry without a look at anything: somebody follows it, all who do
    /// have room, nobody sleeps, the lane is open, and the last segment is not full.
    clear: u64,
    clock: Clock,
    log: Log<Arc<Origin>, Sealed<E>>,
    /// Below this number the log takes entries without a look at the cursors.
    limit: u64,
    phase: Phase,
    sleepers: Sleepers,
    waiters: Waiters,
    tap: tap::TapState<E>,
    /// None while there are none, which is nearly always.
    inboxes: Option<Inboxes<E>>,
    /// The last events, for late subscribers.
    retained: Retained<E>,
    /// How many more were published than the log has: those that went elsewhere, or nowhere, less those that
    /// came from other processes. It wraps.
    besides: u64,
    /// From other processes.
    received: u64,
    followers: Vec<(u64, Arc<follower::Tally>)>,
    next_follower: u64,
    /// The books of the subscribers that have left.
    departed: Account,
    /// Of those, the ones whose handlers have yet to settle what they took.
    settling: Vec<(Account, Arc<Settled>)>,
}

/// Cache lines that are shared with nothing else; processors fetch two at a time.
#[repr(align(128))]
struct OwnLines<T>(T);

impl<T> Deref for OwnLines<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.0
    }
}

/// How far a shutdown has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Open,
    /// Only those publish that wait already.
    Draining,
    Closed,
}

impl Phase {
    /// Whether a publisher may publish that waits already, or that does not.
    #[inline]
    fn lets_in(self, waits: bool) -> bool {
        match self {
            Self::Open => true,
            Self::Draining => waits,
            Self::Closed => false,
        }
    }
}

impl<E: Event> Lane<E> {
    pub(super) fn new(origin: Origin, patterns: &Arc<Patterns>, gate: &Arc<Gate>) -> Arc<Self> {
        Arc::new(Self::build(origin, patterns, gate, None))
    }

    /// A lane whose events leave this process, and the tap by which they do. `index` is its place among the taps; `named`
    /// says that the type's name is a key of the type.
    pub(super) fn tapped(
        origin: Origin,
        patterns: &Arc<Patterns>,
        gate: &Arc<Gate>,
        taps: &Taps,
        index: usize,
        named: bool,
    ) -> (Arc<Self>, Tap<E>) {
        let tapped = Tapped {
            bells: Arc::clone(&taps.bells),
            index,
        };
        let lane = Arc::new(Self::build(origin, patterns, gate, Some(tapped)));
        lane.detours
            .fetch_add(usize::from(!named), Ordering::Relaxed);
        let margins = Margins {
            lane: Number::of(index),
            sequencer: Arc::clone(&taps.sequencer),
            ledger: Arc::clone(&taps.ledger),
            bells: Arc::clone(&taps.bells),
        };
        let tap = Tap::open(&lane, margins, taps.keep);
        (lane, tap)
    }

    fn build(
        origin: Origin,
        patterns: &Arc<Patterns>,
        gate: &Arc<Gate>,
        tapped: Option<Tapped>,
    ) -> Self {
        let origin = Arc::new(origin);
        Self {
            state: OwnLines(Mutex::new(State {
                clear: 0,
                clock: Clock::new(),
                log: Log::new(Arc::clone(&origin)),
                limit: u64::MAX,
                phase: Phase::Open,
                sleepers: Sleepers::default(),
                waiters: Waiters::default(),
                tap: tap::TapState::None,
                inboxes: None,
                retained: VecDeque::new(),
                besides: 0,
                received: 0,
                followers: Vec::new(),
                next_follower: 0,
                departed: Account::default(),
                settling: Vec::new(),
            })),
            origin,
            waiting: OwnLines(AtomicUsize::new(0)),
            heard: AtomicUsize::new(0),
            detours: AtomicUsize::new(0),
            inboxed: AtomicUsize::new(0),
            tapped,
            patterns: Arc::clone(patterns),
            gate: Arc::clone(gate),
        }
    }

    pub(crate) fn origin(&self) -> &Arc<Origin> {
        &self.origin
    }

    /// Whether events leave this process from here, or did.
    pub(crate) fn is_tapped(&self) -> bool {
        self.tapped.is_some()
    }

    /// Lets a subscriber follow the log; it gets what is published from now on. With it come the
    /// events that are retained.
    pub(super) fn follow(
        self: &Arc<Self>,
        buffer: Buffer,
        settled: Option<Arc<Settled>>,
    ) -> (Follower<E>, Retained<E>) {
        let capacity = buffer.capacity.get() as u64;
        let (keep, room) = match buffer.lag {
            Lag::DropOldest => (capacity, u64::MAX),
            _ => (u64::MAX, capacity),
        };
        let mut state = lock(&self.state);
        let reader = state.log.subscribe(keep, room);
        state.limit = state.log.limit();
        state.reclear();
        let id = state.next_follower;
        state.next_follower += 1;
        let follower = Follower::new(Arc::clone(self), reader, buffer, id, settled);
        state.followers.push((id, follower.tally()));
        self.heard.fetch_add(1, Ordering::Relaxed);
        (follower, state.retained.clone())
    }

    /// Gives a subscriber an inbox; otherwise as [`follow`](Self::follow).
    pub(super) fn add_inbox(
        &self,
        buffer: Buffer,
        settled: Option<Arc<Settled>>,
    ) -> (Arc<Inbox<Envelope<E>>>, Retained<E>) {
        let inbox = Arc::new(Inbox::new(buffer, settled));
        let mut state = lock(&self.state);
        let known = state.inboxes.iter().flat_map(|inboxes| inboxes.iter());
        state.inboxes = Some(known.chain([&inbox]).cloned().collect());
        self.heard.fetch_add(1, Ordering::Relaxed);
        self.inboxed.fetch_add(1, Ordering::Relaxed);
        self.detours.fetch_add(1, Ordering::Relaxed);
        if state.phase == Phase::Closed {
            inbox.close();
        }
        (inbox, state.retained.clone())
    }

    /// Parts with an inbox. What was unread is given to the reader if it takes that along.
    pub(super) fn remove_inbox(
        &self,
        inbox: &Arc<Inbox<Envelope<E>>>,
        take: bool,
    ) -> Rest<Envelope<E>> {
        let rest = inbox.quit(take);
        let mut state = lock(&self.state);
        let known = state.inboxes.iter().flat_map(|inboxes| inboxes.iter());
        let others: Inboxes<E> = known
            .filter(|other| !Arc::ptr_eq(other, inbox))
            .cloned()
            .collect();
        state.inboxes = (!others.is_empty()).then_some(others);
        state.part(inbox.taken(), inbox.settled());
        self.heard.fetch_sub(1, Ordering::Relaxed);
        self.inboxed.fetch_sub(1, Ordering::Relaxed);
        self.detours.fetch_sub(1, Ordering::Relaxed);
        rest
    }

    /// Lets in the publishers that wait for the log, as many as there is room for.
    fn make_room(&self) {
        let wakers = lock(&self.state).admit();
        wakers.into_iter().for_each(wake);
    }
}

impl<E: Event> State<E> {
    /// Works out `clear` again. To be called after a change of anything that it is made of, or publishes
    /// would not see that change.
    fn reclear(&mut self) {
        let clear = self.phase == Phase::Open
            && self.sleepers.is_empty()
            && self.log.readers() > 0
            && self.tap.is_awake();
        self.clear = if clear {
            self.limit.min(self.log.end())
        } else {
            0
        };
    }

    /// The publishers for whom the log has room.
    fn admit(&mut self) -> Vec<Waker> {
        self.limit = self.log.limit();
        self.reclear();
        self.waiters
            .pop_up_to(self.limit.saturating_sub(self.log.next()))
    }

    /// Closes the account of a subscriber that leaves, as far as it can be.
    fn part(&mut self, taken: Account, settled: Option<&Arc<Settled>>) {
        match settled {
            None => self.departed += taken.closed(),
            Some(settled) => self.settling.push((taken, Arc::clone(settled))),
        }
        self.settling.retain(|(taken, settled)| {
            // Nobody else can settle anything any more.
            let done = Arc::strong_count(settled) == 1;
            if done {
                self.departed += settled.complete(*taken).closed();
            }
            !done
        });
    }

    /// The books of those that have left, with what their handlers have settled so far.
    fn departed(&self) -> Account {
        let mut sum = self.departed;
        for (taken, settled) in &self.settling {
            sum += settled.complete(*taken);
        }
        sum
    }

    /// Parts with a follower. What it leaves behind is dropped after the lock.
    fn forget(
        &mut self,
        reader: &mut Reader<Arc<Origin>, Sealed<E>>,
        bed: Bed,
    ) -> (Garbage<Arc<Origin>, Sealed<E>>, Vec<Waker>) {
        let known = self.followers.iter().position(|(id, _)| *id == bed.reader);
        if let Some(at) = known {
            let (_, tally) = self.followers.swap_remove(at);
            self.part(tally.taken(self.log.next()), tally.settled.as_ref());
        }
        let mut garbage = self.log.unsubscribe(reader);
        garbage.add(self.log.release_read());
        (garbage, self.admit())
    }
}

impl<E> Lane<E> {
    /// Wakes who listens to the tap's bell, if it was rung. Not under the lock.
    fn rouse(&self, roused: bool) {
        if roused && let Some(tapped) = &self.tapped {
            tapped.bells.wake();
        }
    }
}

/// A new id for an event of this time, in nanoseconds since the Unix epoch.
#[inline]
fn id_at(nanos: u64) -> EventId {
    EventId::at_millis(nanos / 1_000_000)
}

/// A lane whose type is known at run time only.
pub(super) trait AnyLane: Any + Send + Sync {
    fn as_any(&self) -> &dyn Any;
    /// Refuses what does not wait already.
    fn drain(&self);
    /// Ends the lane: subscribers get what is buffered, then the end.
    fn close(&self);
    /// Whether somebody has published or subscribed here: a mirror makes lanes before that.
    fn is_used(&self) -> bool;
    fn books(&self) -> TypeBooks;
    /// How many events wait in buffers, over all subscribers.
    fn unread(&self) -> u64;
    /// How many events were to leave this process from here.
    fn mirrored(&self) -> u64;
}

impl<E: Event> AnyLane for Arc<Lane<E>> {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn drain(&self) {
        let mut state = lock(&self.state);
        if state.phase == Phase::Open {
            state.phase = Phase::Draining;
            state.reclear();
        }
    }

    fn close(&self) {
        let (alarm, roused, wakers, inboxes, retained) = {
            let mut state = lock(&self.state);
            state.phase = Phase::Closed;
            let roused = state.rouse(self.tapped.as_ref());
            state.reclear();
            let wakers = state.waiters.pop_up_to(u64::MAX);
            let retained = std::mem::take(&mut state.retained);
            (
                state.sleepers.take(),
                roused,
                wakers,
                state.inboxes.clone(),
                retained,
            )
        };
        drop(retained);
        if let Some(mut alarm) = alarm {
            alarm.ring();
        }
        self.rouse(roused);
        wakers.into_iter().for_each(wake);
        for inbox in inboxes.iter().flat_map(|inboxes| inboxes.iter()) {
            inbox.close();
        }
    }

    fn unread(&self) -> u64 {
        let state = lock(&self.state);
        let next = state.log.next();
        let followers = state.followers.iter();
        let followed: u64 = followers
            .map(|(_, tally)| tally.taken(next).in_flight)
            .sum();
        let inboxes = state.inboxes.iter().flat_map(|inboxes| inboxes.iter());
        followed + inboxes.map(|inbox| inbox.unread()).sum::<u64>()
    }

    fn is_used(&self) -> bool {
        let state = lock(&self.state);
        let events = state.log.next() > 0 || state.besides != 0;
        events || state.next_follower > 0 || state.inboxes.is_some() || !self.is_tapped()
    }

    fn mirrored(&self) -> u64 {
        let state = lock(&self.state);
        let published = state.log.next().wrapping_add(state.besides);
        if self.is_tapped() { published } else { 0 }
    }

    fn books(&self) -> TypeBooks {
        let state = lock(&self.state);
        let next = state.log.next();
        let followers = state.followers.iter().map(|(_, tally)| {
            let handled = tally.settled.is_some();
            let unread = tally.taken(next).in_flight;
            SubscriberBooks::new(tally.buffer, handled, unread, tally.account(next))
        });
        let inboxes = state.inboxes.iter().flat_map(|inboxes| inboxes.iter());
        let inboxes = inboxes.map(|inbox| {
            let handled = inbox.settled().is_some();
            let unread = inbox.taken().in_flight;
            SubscriberBooks::new(inbox.buffer(), handled, unread, inbox.account())
        });
        TypeBooks {
            name: self.origin.name.clone(),
            published: next.wrapping_add(state.besides),
            received: state.received,
            subscribers: followers.chain(inboxes).collect(),
            departed: state.departed(),
        }
    }
}
