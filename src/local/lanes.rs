use std::{
    any::TypeId,
    hash::{Hash, Hasher},
    sync::{Arc, OnceLock},
};

use super::lane::{AnyLane, Lane};
use crate::event::Event;

/// The lanes of a bus by their type: a trie over the bits of the type's hash. Lanes are only ever
/// added, so finding one takes neither a lock nor a count.
#[derive(Default)]
pub(super) struct Lanes(Place);

/// Where a lane is, or will be.
#[derive(Default)]
struct Place(OnceLock<Box<Node>>);

struct Node {
    key: TypeId,
    /// An `Arc` of it.
    lane: Box<dyn AnyLane>,
    below: [Place; 1 << BITS],
}

/// So many bits of the hash choose the next place.
const BITS: u32 = 4;

impl Lanes {
    #[inline]
    pub(super) fn get<E: Event>(&self) -> Option<&Arc<Lane<E>>> {
        let node = self.place(TypeId::of::<E>()).0.get()?;
        node.lane.as_any().downcast_ref()
    }

    /// Adds a lane. Who adds is alone.
    pub(super) fn add<E: Event>(&self, lane: Arc<Lane<E>>) {
        let key = TypeId::of::<E>();
        self.place(key).0.get_or_init(|| {
            Box::new(Node {
                key,
                lane: Box::new(lane),
                below: Default::default(),
            })
        });
    }

    pub(super) fn all(&self) -> Vec<&dyn AnyLane> {
        let mut lanes = Vec::new();
        let mut places = vec![&self.0];
        while let Some(place) = places.pop() {
            if let Some(node) = place.0.get() {
                lanes.push(&*node.lane);
                places.extend(&node.below);
            }
        }
        lanes
    }

    /// The place of this type: it has it, or is free.
    #[inline]
    fn place(&self, key: TypeId) -> &Place {
        let mut hasher = AsItIs(0);
        key.hash(&mut hasher);
        let mut bits = hasher.finish();
        let mut place = &self.0;
        while let Some(node) = place.0.get()
            && node.key != key
        {
            place = &node.below[usize::from(bits.to_le_bytes()[0]) % node.below.len()];
            bits = bits.rotate_right(BITS);
        }
        place
    }
}

/// A `TypeId` is a good hash already.
struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write_u64(&mut self, part: u64) {
        self.0 = part;
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }
}
