use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use algedonic_transport::{Key, Pattern};

use super::{
    Buffer,
    inbox::Inbox,
    sync::{AtomicUsize, Ordering},
};
use crate::{
    event::AnyEnvelope,
    observe::{Account, PatternBooks, SubscriberBooks},
};

/// The inboxes of the patterns that select one key.
type Selected = Arc<[Arc<Inbox<AnyEnvelope>>]>;

/// How many keys are remembered with what selects them; then they are all forgotten.
const KNOWN_KEYS: usize = 4096;

/// The subscribers of patterns, of one bus.
pub(crate) struct Patterns {
    /// How many there are: nearly always none.
    count: AtomicUsize,
    table: RwLock<Table>,
}

#[derive(Default)]
struct Table {
    entries: Vec<(Pattern, Arc<Inbox<AnyEnvelope>>)>,
    /// None: nothing selects the key.
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

    pub(super) fn subscribe(&self, pattern: &Pattern, buffer: Buffer) -> Arc<Inbox<AnyEnvelope>> {
        let inbox = Arc::new(Inbox::new(buffer));
        let mut table = self.write();
        table.entries.push((pattern.clone(), Arc::clone(&inbox)));
        table.known.clear();
        self.count.fetch_add(1, Ordering::Relaxed);
        if table.closed {
            inbox.close();
        }
        inbox
    }

    pub(crate) fn unsubscribe(&self, inbox: &Arc<Inbox<AnyEnvelope>>) {
        let account = inbox.quit();
        let mut table = self.write();
        table
            .entries
            .retain(|(_, other)| !Arc::ptr_eq(other, inbox));
        table.known.clear();
        table.departed += account.closed();
        self.count.fetch_sub(1, Ordering::Relaxed);
    }

    /// The inboxes whose patterns select the key. None if there are none.
    pub(super) fn matching(&self, key: &Key) -> Option<Selected> {
        if let Some(selected) = self.read().known.get(key) {
            return selected.clone();
        }
        let mut table = self.write();
        let selected: Vec<_> = table
            .entries
            .iter()
            .filter(|(pattern, _)| pattern.matches(key))
            .map(|(_, inbox)| Arc::clone(inbox))
            .collect();
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
        let inboxes: Vec<_> = table
            .entries
            .iter()
            .map(|(_, inbox)| Arc::clone(inbox))
            .collect();
        drop(table);
        inboxes.iter().for_each(|inbox| inbox.close());
    }

    /// The books of each subscriber, and of those that have left.
    pub(super) fn books(&self) -> (Vec<PatternBooks>, Account) {
        let table = self.read();
        let subscribers = table.entries.iter().map(|(pattern, inbox)| PatternBooks {
            pattern: pattern.clone(),
            subscriber: SubscriberBooks::new(inbox.buffer(), inbox.account()),
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

impl std::fmt::Debug for Patterns {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Patterns")
    }
}
