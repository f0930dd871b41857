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

/// The deliveries of one channel that the broker waits for, and what is kept of each until it is settled.
///
/// The prefetch bounds them: the broker sends no more until it is told. That one of them stays open while
/// thousands after it come and go changes nothing.
#[derive(Debug)]
pub(crate) struct Acks<T> {
    /// The tag that comes next. They begin at 1 on every channel.
    next: u64,
    /// By tag, in order. The broker was told of some among them.
    entries: VecDeque<Entry<T>>,
    told: usize,
    gathered: usize,
}

#[derive(Debug)]
struct Entry<T> {
    tag: u64,
    state: State,
    kept: Option<T>,
}

/// So many that the broker was told of stay where they are: moving the others costs more.
const FEW: usize = 32;

impl<T> Acks<T> {
    pub(crate) fn new() -> Self {
        Self {
            next: 1,
            entries: VecDeque::new(),
            told: 0,
            gathered: 0,
        }
    }

    /// A delivery arrived; tags of one channel arrive in order, without gaps.
    pub(crate) fn delivered(&mut self, tag: u64, kept: T) {
        debug_assert_eq!(tag, self.next, "tags come in order");
        // Against the protocol. A tag that came before is settled as the first that had it, or not at all.
        if tag < self.next {
            return;
        }
        self.next = tag.saturating_add(1);
        self.entries.push_back(Entry {
            tag,
            state: State::Open,
            kept: Some(kept),
        });
    }

    fn open(&mut self, tag: u64) -> Option<&mut Entry<T>> {
        // Where it is if none between the first and it is gone.
        let guess = usize::try_from(tag.checked_sub(self.entries.front()?.tag)?).ok();
        let guess = guess.filter(|at| self.entries.get(*at).is_some_and(|entry| entry.tag == tag));
        let index = match guess {
            Some(index) => index,
            None => self
                .entries
                .binary_search_by_key(&tag, |entry| entry.tag)
                .ok()?,
        };
        let entry = &mut self.entries[index];
        (entry.state == State::Open).then_some(entry)
    }

    /// What is kept of a delivery that is not settled.
    pub(crate) fn kept(&mut self, tag: u64) -> Option<&T> {
        self.open(tag)?.kept.as_ref()
    }

    /// Takes what is kept of a delivery, which stays unsettled. Only once.
    pub(crate) fn take(&mut self, tag: u64) -> Option<T> {
        self.open(tag)?.kept.take()
    }

    /// Takes what is kept of all deliveries that are not settled: they are not settled any more.
    pub(crate) fn abandon(&mut self) -> impl Iterator<Item = T> {
        self.entries
            .iter_mut()
            .filter_map(|entry| entry.kept.take())
    }

    /// A delivery was settled. What cannot wait comes back as a frame; an ack is gathered.
    pub(crate) fn settle(&mut self, tag: u64, settlement: Settlement) -> Option<Frame> {
        let entry = self.open(tag)?;
        entry.kept = None;
        if settlement == Settlement::Ack {
            entry.state = State::Acked;
            self.gathered += 1;
            return None;
        }
        entry.state = State::Told;
        self.told += 1;
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
        let is = |state| move |entry: &Entry<T>| entry.state == state;
        let settled = self.entries.iter().position(is(State::Open));
        let settled = settled.unwrap_or(self.entries.len());
        // Rejected tags among them are told already, and no longer the broker's concern: an ack of
        // many is for those that it still waits for. The named tag must be one of these.
        let mut before = self
            .entries
            .range(..settled)
            .filter(|entry| is(State::Acked)(entry));
        if let Some(last) = before.next_back() {
            frames.push(Frame::Ack {
                tag: last.tag,
                multiple: before.next().is_some(),
            });
        }
        for (index, entry) in self.entries.iter_mut().enumerate() {
            if entry.state == State::Acked {
                entry.state = State::Told;
                self.told += 1;
                if index >= settled {
                    frames.push(Frame::Ack {
                        tag: entry.tag,
                        multiple: false,
                    });
                }
            }
        }
        self.forget_told();
        frames
    }

    fn forget_told(&mut self) {
        while let Some(entry) = self.entries.front()
            && entry.state == State::Told
        {
            self.entries.pop_front();
            self.told -= 1;
        }
        // Behind one that stays open. Seldom enough that each entry is moved a few times at most.
        if self.told > FEW && self.told > self.entries.len() / 2 {
            self.entries.retain(|entry| entry.state != State::Told);
            self.told = 0;
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
            prop_assert!(acks.entries.len() <= 2 * open.len() + FEW + 1);
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
        assert!(acks.entries.is_empty() && acks.flush().is_empty());
    }

    /// A handler that hangs, while the rest goes on.
    #[test]
    fn what_stays_open_holds_nothing_but_itself() {
        let mut acks = Acks::new();
        acks.delivered(1, 1);
        for tag in 2..100_000 {
            acks.delivered(tag, tag);
            assert_eq!(acks.settle(tag, Settlement::Ack), None);
            if tag % 50 == 0 {
                assert_eq!(acks.flush().len(), if tag == 50 { 49 } else { 50 });
            }
            assert!(acks.entries.len() <= 50 + FEW + 2, "{}", acks.entries.len());
        }
        assert_eq!(acks.kept(1), Some(&1));
    }
}
