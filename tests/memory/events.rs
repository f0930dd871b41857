use algedonic::{Bus, Event, Key, KeyError};
use futures_util::FutureExt;

/// 64 bytes, and something on the heap.
pub(crate) struct Load {
    _bytes: [u64; 5],
    _heap: Box<[u8]>,
}

impl Event for Load {
    const NAME: &'static str = "memory.load";
}

impl Load {
    pub(crate) fn new() -> Self {
        Self {
            _bytes: [0; 5],
            _heap: vec![0; 100].into_boxed_slice(),
        }
    }
}

/// With a key of its own.
pub(crate) struct Keyed(pub(crate) u64);

impl Event for Keyed {
    const NAME: &'static str = "memory.keyed";

    fn key(&self) -> Result<Key, KeyError> {
        Key::new(format!("memory.keyed.{}", self.0))
    }
}

/// Kept for those who come late.
pub(crate) struct Kept(pub(crate) Box<u64>);

impl Event for Kept {
    const NAME: &'static str = "memory.kept";
    const RETAINED: usize = 5;
}

/// Publishes, if nobody is full.
pub(crate) fn publish<E: Event>(bus: &Bus, event: E) -> bool {
    let outcome = bus.publish(event).now_or_never();
    matches!(outcome, Some(Ok(_)))
}
