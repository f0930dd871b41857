use algedonic::{Event, Key, KeyError};

/// Which event of which publisher.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    pub(super) publisher: usize,
    pub(super) number: u64,
}

/// An event that says which one it is.
pub(super) trait Marked: Event {
    fn new(mark: Mark) -> Self;
    fn mark(&self) -> Mark;
}

/// With the key of its type.
pub(super) struct Left(Mark);

/// With a key for each publisher.
pub(super) struct Right(Mark);

impl Event for Left {
    const NAME: &'static str = "stress.left";
}

impl Event for Right {
    const NAME: &'static str = "stress.right";

    fn key(&self) -> Result<Key, KeyError> {
        Key::new(format!("stress.right.{}", self.0.publisher))
    }
}

impl Marked for Left {
    fn new(mark: Mark) -> Self {
        Self(mark)
    }

    fn mark(&self) -> Mark {
        self.0
    }
}

impl Marked for Right {
    fn new(mark: Mark) -> Self {
        Self(mark)
    }

    fn mark(&self) -> Mark {
        self.0
    }
}

/// Which events are published when their time has passed already; per publisher.
#[derive(Clone, Copy)]
pub(super) enum Expiring {
    Nothing,
    Some,
}

impl Expiring {
    pub(super) fn has(self, number: u64) -> bool {
        self.below(number + 1) > self.below(number)
    }

    /// How many of the events below this number.
    pub(super) fn below(self, number: u64) -> u64 {
        match self {
            Self::Nothing => 0,
            Self::Some => number / 61,
        }
    }
}

/// Whether this publisher publishes `Left`s: the even ones do, the others `Right`s.
pub(super) fn is_left(publisher: usize) -> bool {
    publisher.is_multiple_of(2)
}
