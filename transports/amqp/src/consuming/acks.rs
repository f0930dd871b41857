//! Which frames settle which deliveries? Acks are gathered, rejections are not. Pure.

use std::collections::VecDeque;

use algedonic_transport::Settlement;

/// What to tell the broker about deliveries of one channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    /// `multiple` acknowledges every tag up to this one that is not settled yet.
    Ack {
        tag: u64,
        multiple: bool,
    },
    Reject {
        tag: u64,
    },
    Requeue {
        tag: u64,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Delivered, not settled.
    Open,
    /// Acked by the application; the broker has not been told.
    Acked,
    /// The broker was told.
    Told,
}

/// The deliveries of one channel, from the oldest that the broker waits for; and what is kept of
/// each until it is settled.
///
/// Bounded by the prefetch: the broker sends no more until it is told.
#[derive(Debug)]
pub(crate) struct Acks<T> {
    /// Every tag below this is told.
    first: u64,
    states: VecDeque<(State, Option<T>)>,
    gathered: usize,
}

impl<T> Acks<T> {
    pub(crate) fn new() -> Self {
        // Tags begin at 1 on every channel.
        Self {
            first: 1,
            states: VecDeque::new(),
            gathered: 0,
        }
    }

    /// A delivery arrived; tags of one channel arrive in order, without gaps.
    pub(crate) fn delivered(&mut self, tag: u64, kept: T) {
        let expected = self.first + self.states.len() as u64;
        debug_assert_eq!(tag, expected, "tags come in order");
        // A gap, against the protocol, is treated as told: nothing is ever acked that was not seen.
        for _ in expected..tag {
            self.states.push_back((State::Told, None));
        }
        self.states.push_back((State::Open, Some(kept)));
    }

    fn open(&mut self, tag: u64) -> Option<&mut (State, Option<T>)> {
        let index = usize::try_from(tag.checked_sub(self.first)?).ok()?;
        let entry = self.states.get_mut(index)?;
        (entry.0 == State::Open).then_some(entry)
    }

    /// What is kept of a delivery that is not settled.
    pub(crate) fn kept(&mut self, tag: u64) -> Option<&T> {
        self.open(tag)?.1.as_ref()
    }

    /// Takes what is kept of a delivery, which stays unsettled. Only once.
    pub(crate) fn take(&mut self, tag: u64) -> Option<T> {
        self.open(tag)?.1.take()
    }

    /// Takes what is kept of all deliveries that are not settled: they are not settled any more.
    pub(crate) fn abandon(&mut self) -> impl Iterator<Item = T> {
        self.states.iter_mut().filter_map(|(_, kept)| kept.take())
    }

    /// A delivery was settled. What cannot wait comes back as a frame; an ack is gathered.
    pub(crate) fn settle(&mut self, tag: u64, settlement: Settlement) -> Option<Frame> {
        let (state, kept) = self.open(tag)?;
        *kept = None;
        if settlement == Settlement::Ack {
            *state = State::Acked;
            self.gathered += 1;
            return None;
        }
        *state = State::Told;
        self.forget_told();
        Some(match settlement {
            Settlement::DeadLetter => Frame::Reject { tag },
            _ => Frame::Requeue { tag },
        })
    }

    /// How many acks wait for a [`flush`](Self::flush).
    pub(crate) fn gathered(&self) -> usize {
        self.gathered
    }

    /// The frames for all gathered acks: one `multiple` for those before the oldest open delivery,
    /// one for each other.
    pub(crate) fn flush(&mut self) -> Vec<Frame> {
        let mut frames = Vec::new();
        if self.gathered == 0 {
            return frames;
        }
        self.gathered = 0;
        let settled = self
            .states
            .iter()
            .position(|(state, _)| *state == State::Open);
        let settled = settled.unwrap_or(self.states.len());
        // Rejected tags among them are told already, and no longer the broker's concern: an ack of
        // many is for those that it still waits for. The named tag must be one of these.
        let mut acked = self.states.iter().take(settled).enumerate();
        if let Some((last, _)) = acked.rfind(|(_, (state, _))| *state == State::Acked) {
            let multiple = self
                .states
                .iter()
                .take(last)
                .any(|(state, _)| *state == State::Acked);
            frames.push(Frame::Ack {
                tag: self.first + last as u64,
                multiple,
            });
        }
        for (index, (state, _)) in self.states.iter_mut().enumerate() {
            if *state == State::Acked {
                *state = State::Told;
                if index >= settled {
                    frames.push(Frame::Ack {
                        tag: self.first + index as u64,
                        multiple: false,
                    });
                }
            }
        }
        self.forget_told();
        frames
    }

    fn forget_told(&mut self) {
        while matches!(self.states.front(), Some((State::Told, _))) {
            self.states.pop_front();
            self.first += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;

    /// A broker's side of the channel: which tags it waits for, and what it was told of the others.
    #[derive(Default)]
    struct Broker {
        waiting: BTreeSet<u64>,
        told: BTreeMap<u64, Settlement>,
    }

    impl Broker {
        fn take(&mut self, frame: Frame) {
            let (tag, multiple, settlement) = match frame {
                Frame::Ack { tag, multiple } => (tag, multiple, Settlement::Ack),
                Frame::Reject { tag } => (tag, false, Settlement::DeadLetter),
                Frame::Requeue { tag } => (tag, false, Settlement::Requeue),
            };
            assert!(
                self.waiting.contains(&tag),
                "unknown delivery tag {tag} closes the channel"
            );
            let tags: Vec<u64> = if multiple {
                self.waiting.range(..=tag).copied().collect()
            } else {
                vec![tag]
            };
            for tag in tags {
                self.waiting.remove(&tag);
                self.told.insert(tag, settlement);
            }
        }
    }

    #[derive(Clone, Debug)]
    enum Step {
        Deliver,
        Settle(prop::sample::Index, Settlement),
        Flush,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let settlement = prop_oneof![
            4 => Just(Settlement::Ack),
            1 => Just(Settlement::DeadLetter),
            1 => Just(Settlement::Requeue),
        ];
        prop::collection::vec(
            prop_oneof![
                4 => Just(Step::Deliver),
                4 => (any::<prop::sample::Index>(), settlement)
                    .prop_map(|(index, settlement)| Step::Settle(index, settlement)),
                1 => Just(Step::Flush),
            ],
            0..200,
        )
    }

    proptest! {
        #[test]
        fn the_broker_learns_exactly_what_was_settled(steps in steps()) {
            let mut acks = Acks::new();
            let mut broker = Broker::default();
            let mut open: Vec<u64> = Vec::new();
            let mut settled = BTreeMap::new();
            let mut last = 0;
            for step in steps {
                match step {
                    Step::Deliver => {
                        last += 1;
                        acks.delivered(last, last);
                        broker.waiting.insert(last);
                        open.push(last);
                    }
                    Step::Settle(index, settlement) if !open.is_empty() => {
                        let tag = open.remove(index.index(open.len()));
                        settled.insert(tag, settlement);
                        prop_assert_eq!(acks.kept(tag), Some(&tag));
                        // A dead letter is taken, and settled when it has arrived.
                        if settlement == Settlement::DeadLetter {
                            prop_assert_eq!(acks.take(tag), Some(tag));
                            prop_assert_eq!(acks.take(tag), None);
                        }
                        if let Some(frame) = acks.settle(tag, settlement) {
                            broker.take(frame);
                        }
                        // A second settlement of a tag is without effect.
                        prop_assert_eq!(acks.settle(tag, Settlement::Requeue), None);
                        prop_assert_eq!(acks.take(tag), None);
                    }
                    Step::Settle(..) => {}
                    Step::Flush => acks.flush().into_iter().for_each(|frame| broker.take(frame)),
                }
            }
            acks.flush().into_iter().for_each(|frame| broker.take(frame));
            prop_assert_eq!(acks.gathered(), 0);
            prop_assert_eq!(broker.told, settled);
            prop_assert_eq!(broker.waiting.into_iter().collect::<Vec<_>>(), open);
        }
    }

    #[test]
    fn acks_in_order_become_one_frame() {
        let mut acks = Acks::new();
        for tag in 1..=50 {
            acks.delivered(tag, ());
            assert_eq!(acks.settle(tag, Settlement::Ack), None);
        }
        assert_eq!(
            acks.flush(),
            [Frame::Ack {
                tag: 50,
                multiple: true
            }]
        );
        assert!(acks.states.is_empty() && acks.flush().is_empty());
    }
}
