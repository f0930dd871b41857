use std::{
    collections::HashMap,
    ops::Deref,
    sync::{Arc, PoisonError},
};

use algedonic_transport::{Key, Pattern};

use super::{
    Buffer,
    inbox::Inbox,
    index::{Index, Token},
    sync::{AtomicUsize, Ordering, RwLock, RwLockReadGuard, RwLockWriteGuard},
};
use crate::{
    event::AnyEnvelope,
    observe::{Account, PatternBooks, SubscriberBooks},
};

/// The inboxes of the patterns that select one key.
type Selected = Arc<[Arc<Inbox<AnyEnvelope>>]>;

/// How many keys are remembered at most, with what selects them; when there are more, all are forgotten.
const KNOWN_KEYS: usize = 4096;

/// The subscribers of patterns, of one bus.
pub(crate) struct Patterns {
    /// How many there are: nearly always none.
    count: AtomicUsize,
    table: RwLock<Table>,
}

#[derive(Default)]
struct Table {
    index: Index<Arc<Inbox<AnyEnvelope>>>,
    entries: HashMap<u64, (Pattern, Arc<Inbox<AnyEnvelope>>)>,
    next: u64,
    /// Keys that were asked for, and what selects them. None: nothing does.
    known: HashMap<Key, Option<Selected>>,
    departed: Account,
    closed: bool,
}

impl Patterns {
    pub(super) fn new() -> Self {
        Self {
            count: AtomicUsize::new(0),
            table: RwLock::default(),
        }
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.count.load(Ordering::Relaxed) == 0
    }

    pub(super) fn subscribe(self: &Arc<Self>, pattern: &Pattern, buffer: Buffer) -> PatternInbox {
        let inbox = Arc::new(Inbox::new(buffer, None));
        let mut table = self.write();
        let token = table.index.insert(pattern, Arc::clone(&inbox));
        let id = table.next;
        table.next += 1;
        let entry = (pattern.clone(), Arc::clone(&inbox));
        table.entries.insert(id, entry);
        table.known.clear();
        self.count.fetch_add(1, Ordering::Relaxed);
        if table.closed {
            inbox.close();
        }
        drop(table);
        PatternInbox {
            patterns: Arc::clone(self),
            inbox,
            token,
            id,
        }
    }

    fn unsubscribe(&self, leaving: &PatternInbox) {
        drop(leaving.inbox.quit(false));
        let account = leaving.inbox.account();
        let mut table = self.write();
        let indexed = table.index.remove(&leaving.token);
        let entry = table.entries.remove(&leaving.id);
        let known = std::mem::take(&mut table.known);
        table.departed += account.closed();
        self.count.fetch_sub(1, Ordering::Relaxed);
        drop(table);
        drop((indexed, entry, known));
    }

    /// The inboxes whose patterns select the key. None if there are none.
    pub(super) fn matching(&self, key: &Key) -> Option<Selected> {
        if let Some(selected) = self.read().known.get(key) {
            return selected.clone();
        }
        let mut table = self.write();
        let mut selected = Vec::new();
        table
            .index
            .matching(key, |inbox| selected.push(Arc::clone(inbox)));
        let selected: Option<Selected> = (!selected.is_empty()).then(|| selected.into());
        if table.known.len() >= KNOWN_KEYS {
            table.known.clear();
        }
        table.known.insert(key.clone(), selected.clone());
        selected
    }

    /// Subscribers get what is buffered, then the end.
    pub(super) fn close(&self) {
        let mut table = self.write();
        table.closed = true;
        let entries = table.entries.values();
        let inboxes: Vec<_> = entries.map(|(_, inbox)| Arc::clone(inbox)).collect();
        drop(table);
        for inbox in inboxes {
            inbox.close();
        }
    }

    /// How many events wait in buffers.
    pub(super) fn unread(&self) -> u64 {
        let table = self.read();
        table
            .entries
            .values()
            .map(|(_, inbox)| inbox.unread())
            .sum()
    }

    /// The books of each subscriber, and of those that have left.
    pub(super) fn books(&self) -> (Vec<PatternBooks>, Account) {
        let table = self.read();
        let subscribers = table.entries.values().map(|(pattern, inbox)| PatternBooks {
            pattern: pattern.clone(),
            subscriber: SubscriberBooks::new(
                inbox.buffer(),
                false,
                inbox.taken().in_flight,
                inbox.account(),
            ),
        });
        (subscribers.collect(), table.departed)
    }

    fn read(&self) -> RwLockReadGuard<'_, Table> {
        self.table.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Table> {
        self.table.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The inbox of one subscriber of a pattern. Dropped, it unsubscribes.
pub(crate) struct PatternInbox {
    patterns: Arc<Patterns>,
    inbox: Arc<Inbox<AnyEnvelope>>,
    token: Token,
    id: u64,
}

impl Deref for PatternInbox {
    type Target = Inbox<AnyEnvelope>;

    fn deref(&self) -> &Self::Target {
        &self.inbox
    }
}

impl Drop for PatternInbox {
    fn drop(&mut self) {
        self.patterns.unsubscribe(self);
    }
}
