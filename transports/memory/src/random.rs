use std::{
    collections::BTreeMap,
    hash::{BuildHasher, RandomState},
    sync::Arc,
    time::Duration,
};

use algedonic_transport::Lane;

use crate::fault::{DeliveryFault, SendFault};

/// Draws faults from a seed.
///
/// Each transport has sequences of its own, for what it sends and for what it receives on each lane: how the tasks
/// of several take turns changes nobody's faults.
#[derive(Clone, Debug)]
pub(crate) struct Dice {
    pub(crate) seed: u64,
    pub(crate) one_in: u64,
    drawn: BTreeMap<(Arc<str>, u64), u64>,
}

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            seed,
            one_in: 8,
            drawn: BTreeMap::new(),
        }
    }

    pub(crate) fn send(&mut self, name: &Arc<str>, lane: Lane) -> Option<SendFault> {
        let mut random = self.draw(name, lane, false)?;
        Some(match random.below(11) {
            0 => SendFault::CutBeforeArrival,
            1 => SendFault::CutBeforeConfirm,
            2 => SendFault::CutAfterConfirm,
            3 => SendFault::Reject,
            4 => SendFault::Return,
            5 => SendFault::LoseConfirm,
            6 => SendFault::DelayConfirm(random.moment()),
            7 => SendFault::DelayArrival(random.moment()),
            8 => SendFault::Duplicate,
            9 => SendFault::Block(random.moment()),
            _ => SendFault::Stop(random.moment()),
        })
    }

    pub(crate) fn delivery(&mut self, name: &Arc<str>, lane: Lane) -> Option<DeliveryFault> {
        let mut random = self.draw(name, lane, true)?;
        Some(match random.below(3) {
            0 => DeliveryFault::Delay(random.moment()),
            1 => DeliveryFault::CutAfterDelivery,
            _ => DeliveryFault::CutBeforeAck,
        })
    }

    /// The numbers that decide about the next message of a sequence, if something is to go wrong with it.
    fn draw(&mut self, name: &Arc<str>, lane: Lane, outbound: bool) -> Option<Random> {
        // The numbers of events and of signals stay what they are: a seed is kept for later.
        let lane = match lane {
            Lane::Event => 0,
            Lane::Signal => 1,
            Lane::Command => 2,
        };
        let way = lane << 1 | u64::from(outbound);
        let number = self.drawn.entry((name.clone(), way)).or_default();
        *number += 1;
        let mut random = Random(self.seed);
        for byte in name.bytes() {
            random.mix(byte.into());
        }
        random.mix(way);
        random.mix(*number);
        (random.below(self.one_in) == 0).then_some(random)
    }
}

/// Numbers that follow from a seed (splitmix64: nothing secret hangs on it).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Makes all that follows depend on `value`, too.
    fn mix(&mut self, value: u64) {
        self.0 = self.next() ^ value;
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// A time of 1 ms to 1 s.
    fn moment(&mut self) -> Duration {
        Duration::from_millis(1 + self.below(1000))
    }
}

/// A seed that no run had before, as far as anybody knows.
pub(crate) fn fresh_seed() -> u64 {
    RandomState::new().hash_one(0)
}
