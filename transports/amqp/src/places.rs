//! How many messages, and how many bytes of bodies, may await their outcome at once?

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// The places of one lane. Nobody waits for one, so they need not be a semaphore, which takes a lock for each that
/// is given back.
#[derive(Debug)]
pub(crate) struct Places {
    // Only counted by: who is told an outcome learns by that, too, that its place is free.
    free: AtomicUsize,
    free_bytes: AtomicUsize,
}

/// What there is too much of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Full {
    Messages,
    Bytes,
}

/// A place, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    places: Arc<Places>,
    bytes: usize,
}

impl Places {
    pub(crate) fn new(messages: usize, bytes: usize) -> Arc<Self> {
        Arc::new(Self {
            free: AtomicUsize::new(messages),
            free_bytes: AtomicUsize::new(bytes),
        })
    }

    /// A place for a message whose body has so many bytes.
    pub(crate) fn take(self: &Arc<Self>, bytes: usize) -> Result<Place, Full> {
        let take = |free: &AtomicUsize, count| {
            free.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |free| {
                free.checked_sub(count)
            })
        };
        take(&self.free, 1).map_err(|_| Full::Messages)?;
        if take(&self.free_bytes, bytes).is_err() {
            self.free.fetch_add(1, Ordering::Relaxed);
            return Err(Full::Bytes);
        }
        Ok(Place {
            places: self.clone(),
            bytes,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places
            .free_bytes
            .fetch_add(self.bytes, Ordering::Relaxed);
        self.places.free.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn there_are_as_many_as_were_said_and_they_come_back() {
        let places = Places::new(2, 100);
        let first = places.take(60).expect("both free");
        assert_eq!(places.take(41).err(), Some(Full::Bytes));
        let second = places.take(40).expect("what was refused took nothing");
        assert_eq!(places.take(0).err(), Some(Full::Messages));
        drop(first);
        let third = places.take(60).expect("given back");
        drop((second, third));
        assert!(places.take(100).is_ok());
    }

    #[test]
    fn threads_never_hold_more_than_there_are_and_lose_none() {
        const MESSAGES: usize = 3;
        const BYTES: usize = 20;
        let (places, held) = (Places::new(MESSAGES, BYTES), AtomicUsize::new(0));
        thread::scope(|scope| {
            for thread in 0..4 {
                let (places, held) = (&places, &held);
                scope.spawn(move || {
                    for round in 0..20_000 {
                        let bytes = (thread * 7 + round) % 12;
                        if let Ok(place) = places.take(bytes) {
                            let before = held.fetch_add(1 + bytes * 1000, Ordering::SeqCst);
                            assert!(before % 1000 < MESSAGES && before / 1000 + bytes <= BYTES);
                            held.fetch_sub(1 + bytes * 1000, Ordering::SeqCst);
                            drop(place);
                        }
                    }
                });
            }
        });
        assert_eq!(places.free.load(Ordering::SeqCst), MESSAGES);
        assert_eq!(places.free_bytes.load(Ordering::SeqCst), BYTES);
    }
}
