use std::sync::Arc;

use algedonic_transport::Key;

use super::{Inboxes, Lane, wait::Place};
use crate::{
    event::{AnyEnvelope, Envelope, Event},
    local::{
        inbox::Inbox,
        sync::{Ordering, lock},
    },
};

/// The inboxes that are to get an event.
pub(super) struct Addressees<E> {
    typed: Option<Inboxes<E>>,
    patterns: Option<Arc<[Arc<Inbox<AnyEnvelope>>]>>,
}

impl<E: Event> Addressees<E> {
    #[inline]
    pub(super) fn is_nobody(&self) -> bool {
        self.typed.is_none() && self.patterns.is_none()
    }

    /// Whether these are the inboxes of the type.
    pub(super) fn has(&self, inboxes: Option<&Inboxes<E>>) -> bool {
        match (&self.typed, inboxes) {
            (None, None) => true,
            (Some(ours), Some(theirs)) => Arc::ptr_eq(ours, theirs),
            _ => false,
        }
    }

    /// Gets room in all of them, or says which one is full.
    #[inline]
    pub(super) fn reserve(&self) -> Result<(), Place<E>> {
        if self.is_nobody() {
            return Ok(());
        }
        self.reserve_each()
    }

    fn reserve_each(&self) -> Result<(), Place<E>> {
        let (typed, patterns) = (self.typed(), self.patterns());
        for (at, inbox) in typed.iter().enumerate() {
            if !inbox.reserve() {
                typed[..at].iter().for_each(|inbox| inbox.unreserve());
                return Err(Place::Typed(Arc::clone(inbox)));
            }
        }
        for (at, inbox) in patterns.iter().enumerate() {
            if !inbox.reserve() {
                for inbox in typed {
                    inbox.unreserve();
                }
                patterns[..at].iter().for_each(|inbox| inbox.unreserve());
                return Err(Place::Pattern(Arc::clone(inbox)));
            }
        }
        Ok(())
    }

    pub(super) fn unreserve(&self) {
        self.typed().iter().for_each(|inbox| inbox.unreserve());
        self.patterns().iter().for_each(|inbox| inbox.unreserve());
    }

    /// Puts the event into each. How many took it.
    pub(super) fn put(&self, envelope: &Envelope<E>) -> u64 {
        let mut taken = 0;
        let (mut typed, mut erased) = (Vec::new(), Vec::new());
        for inbox in self.typed() {
            taken += u64::from(inbox.put(envelope.clone(), &mut typed));
        }
        if let Some(patterns) = &self.patterns {
            let envelope = envelope.erase();
            for inbox in patterns.iter() {
                taken += u64::from(inbox.put(envelope.clone(), &mut erased));
            }
        }
        taken
    }

    fn typed(&self) -> &[Arc<Inbox<Envelope<E>>>] {
        self.typed.as_deref().unwrap_or_default()
    }

    fn patterns(&self) -> &[Arc<Inbox<AnyEnvelope>>] {
        self.patterns.as_deref().unwrap_or_default()
    }
}

impl<E: Event> Lane<E> {
    /// The inboxes that are to get an event with this key.
    #[inline]
    pub(super) fn addressees(&self, key: &Key) -> Addressees<E> {
        let typed = if self.inboxed.load(Ordering::Relaxed) > 0 {
            self.inboxes()
        } else {
            None
        };
        let patterns = if self.patterns.is_empty() {
            None
        } else {
            self.patterns.matching(key)
        };
        Addressees { typed, patterns }
    }

    fn inboxes(&self) -> Option<Inboxes<E>> {
        lock(&self.state).inboxes.clone()
    }
}
