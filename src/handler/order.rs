use std::{
    any::Any,
    fmt,
    hash::{Hash, Hasher},
    sync::Arc,
};

/// Which events of a handler must follow each other: those of one order key.
pub(super) enum Order<E> {
    /// None: any order.
    Free,
    /// All of them.
    Single(OrderKey),
    Keyed(KeyOf<E>),
}

type KeyOf<E> = Box<dyn Fn(&E) -> OrderKey + Send + Sync>;

impl<E> Order<E> {
    pub(super) fn single() -> Self {
        Self::Single(OrderKey::new(()))
    }

    pub(super) fn keyed<K>(key: impl Fn(&E) -> K + Send + Sync + 'static) -> Self
    where
        K: Hash + Eq + Send + Sync + 'static,
    {
        Self::Keyed(Box::new(move |event| OrderKey::new(key(event))))
    }

    pub(super) fn is_keyed(&self) -> bool {
        matches!(self, Self::Keyed(_))
    }

    pub(super) fn key_of(&self, event: &E) -> Option<OrderKey> {
        match self {
            Self::Free => None,
            Self::Single(key) => Some(key.clone()),
            Self::Keyed(key_of) => Some(key_of(event)),
        }
    }
}

impl<E> fmt::Debug for Order<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Free => "Free",
            Self::Single(_) => "Single",
            Self::Keyed(_) => "Keyed",
        })
    }
}

/// A key of any type, compared exactly: two keys share their fate only if they are equal.
#[derive(Clone)]
pub(super) struct OrderKey(Arc<dyn AnyKey>);

trait AnyKey: Any + Send + Sync {
    fn is(&self, other: &dyn Any) -> bool;
    fn hash_into(&self, state: &mut dyn Hasher);
}

impl<K: Hash + Eq + Send + Sync + 'static> AnyKey for K {
    fn is(&self, other: &dyn Any) -> bool {
        other.downcast_ref() == Some(self)
    }

    fn hash_into(&self, mut state: &mut dyn Hasher) {
        self.hash(&mut state);
    }
}

impl OrderKey {
    fn new(key: impl Hash + Eq + Send + Sync + 'static) -> Self {
        Self(Arc::new(key))
    }
}

impl PartialEq for OrderKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.is(&*other.0)
    }
}

impl Eq for OrderKey {}

impl Hash for OrderKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash_into(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_equal_exactly_when_they_are() {
        assert!(OrderKey::new("a") == OrderKey::new("a"));
        assert!(OrderKey::new("a") != OrderKey::new("b"));
        assert!(OrderKey::new(1_u8) != OrderKey::new(1_u16));
    }
}
