use std::{
    any::{Any, TypeId},
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use super::{
    dead_letter::Return,
    inbox::{Inbox, Mixed},
};
use crate::event::Event;

/// The groups of one bus that have a member, by event type and name.
#[derive(Default)]
pub(super) struct Groups(Mutex<HashMap<GroupId, Weak<dyn Shared>>>);

/// The type of the events, and the group's name.
type GroupId = (TypeId, Arc<str>);

/// An inbox whose type is known at run time only.
trait Shared: Return {
    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync>;
    fn into_return(self: Arc<Self>) -> Arc<dyn Return>;
}

impl<E: Event> Shared for Inbox<E> {
    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }

    fn into_return(self: Arc<Self>) -> Arc<dyn Return> {
        self
    }
}

impl Groups {
    /// The inbox of a group with one more member. The first one makes it.
    ///
    /// # Panics
    ///
    /// When one of the group is keyed and the other is not.
    pub(super) fn join<E: Event>(
        &self,
        name: &Arc<str>,
        keyed: bool,
        make: impl FnOnce() -> Inbox<E>,
    ) -> Arc<Inbox<E>> {
        let mut groups = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let id = (TypeId::of::<E>(), Arc::clone(name));
        let inbox = groups.get(&id).and_then(Weak::upgrade).map(|inbox| {
            let inbox = inbox.into_any().downcast::<Inbox<E>>();
            inbox.expect("the key of the map names the type")
        });
        if let Some(inbox) = inbox {
            match inbox.join(keyed) {
                Ok(true) => return inbox,
                Ok(false) => {}
                Err(Mixed) => {
                    drop(groups);
                    panic!("the handlers of group \"{name}\" are all keyed, or none of them is");
                }
            }
        }
        let inbox = Arc::new(make());
        groups.retain(|_, inbox| inbox.strong_count() > 0);
        let shared: Arc<dyn Shared> = Arc::clone(&inbox) as _;
        groups.insert(id, Arc::downgrade(&shared));
        inbox
    }

    /// The inbox of a group, to give an event back to it.
    pub(super) fn find(&self, event: TypeId, name: &Arc<str>) -> Option<Arc<dyn Return>> {
        let groups = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let inbox = groups.get(&(event, Arc::clone(name)))?.upgrade()?;
        Some(inbox.into_return())
    }
}

impl fmt::Debug for Groups {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Groups")
    }
}
