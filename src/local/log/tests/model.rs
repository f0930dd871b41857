//! Any sequence of calls, against queues.

use std::collections::VecDeque;

use proptest::prelude::*;

use super::{super::Shared, *};

#[derive(Clone, Debug)]
enum Step {
    Append,
    /// How many the log keeps for it, and its room.
    Subscribe(u64, u64),
    /// Which reader, how many.
    Read(usize, u64),
    Share(usize),
    ShareNewest,
    DropShared(usize),
    Release,
    Unsubscribe(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let bound = prop_oneof![Just(u64::MAX), 1..7_u64];
    let step = prop_oneof![
        8 => Just(Step::Append),
        1 => (bound.clone(), bound).prop_map(|(keep, room)| Step::Subscribe(keep, room)),
        5 => (any::<usize>(), 1..6_u64).prop_map(|(at, count)| Step::Read(at, count)),
        2 => any::<usize>().prop_map(Step::Share),
        1 => Just(Step::ShareNewest),
        2 => any::<usize>().prop_map(Step::DropShared),
        2 => Just(Step::Release),
        1 => any::<usize>().prop_map(Step::Unsubscribe),
    ];
    prop::collection::vec(step, 1..if cfg!(miri) { 30 } else { 120 })
}

struct Followed {
    reader: Reader<(), Wide>,
    keep: u64,
    room: u64,
    /// What it has not read.
    unread: VecDeque<u64>,
    /// Up to here it can read though the log may have dropped it.
    held: u64,
}

struct World {
    drops: Drops,
    log: Log<(), Wide>,
    readers: Vec<Followed>,
    shared: Vec<Shared<(), Wide>>,
    /// A reader may have lagged.
    lossy: bool,
}

impl World {
    fn new() -> Self {
        Self {
            drops: Drops::default(),
            log: Log::new(()),
            readers: Vec::new(),
            shared: Vec::new(),
            lossy: false,
        }
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Append => {
                let number = self.log.next();
                self.log.append_new(&self.drops);
                let readers = self.readers.iter_mut();
                readers.for_each(|followed| followed.unread.push_back(number));
            }
            Step::Subscribe(keep, room) => {
                self.lossy |= keep < u64::MAX;
                let reader = self.log.subscribe(keep, room);
                self.readers.push(Followed {
                    reader,
                    keep,
                    room,
                    unread: VecDeque::new(),
                    held: 0,
                });
            }
            Step::Read(at, count) => self.read(at, count),
            Step::Share(at) => self.share(at),
            Step::ShareNewest => {
                // Only of what has just been appended: the log may have let go of it since.
                self.step(&Step::Append);
                self.shared.push(self.log.share_newest());
            }
            Step::DropShared(at) => {
                if !self.shared.is_empty() {
                    drop(self.shared.swap_remove(at % self.shared.len()));
                }
            }
            Step::Release => drop(self.log.release_read()),
            Step::Unsubscribe(at) => {
                if !self.readers.is_empty() {
                    let mut gone = self.readers.swap_remove(at % self.readers.len());
                    drop(self.log.unsubscribe(&mut gone.reader));
                }
            }
        }
    }

    /// The reader, taken to an entry that it can read.
    fn ready(&mut self, at: usize) -> Option<&mut Followed> {
        let len = self.readers.len();
        let followed = self.readers.get_mut(at.checked_rem(len)?)?;
        let Followed {
            reader,
            keep,
            unread,
            held,
            ..
        } = followed;
        assert_eq!(reader.lag(), unread.len() as u64);
        assert_eq!(reader.is_ready(), !unread.is_empty());
        if !reader.is_ready() {
            return None;
        }
        if reader.is_lost() {
            while unread.len() as u64 > *keep {
                unread.pop_front();
            }
            drop(self.log.seek(reader, unread[0]));
            assert!(reader.is_ready());
            *held = unread[0] / 4 * 4 + 4;
        }
        assert!(reader.run() > 0);
        Some(followed)
    }

    fn read(&mut self, at: usize, count: u64) {
        let end = self.log.next();
        let Some(followed) = self.ready(at) else {
            return;
        };
        let run = followed.reader.run();
        let next = followed.reader.at();
        assert!(next + run <= (next / 4 * 4 + 4).min(end));
        for ahead in 0..run {
            let number = followed.reader.at() + ahead;
            assert_eq!(followed.reader.get_at(number).number, number);
        }
        for _ in 0..count.min(run) {
            let number = followed.unread.pop_front();
            assert_eq!(number, Some(followed.reader.at()));
            followed.reader.advance(1);
        }
    }

    fn share(&mut self, at: usize) {
        if let Some(followed) = self.ready(at) {
            let shared = followed.reader.share_at(followed.reader.at());
            assert_eq!(Some(&shared.number), followed.unread.front());
            self.shared.push(shared);
        }
    }

    fn check(&self) {
        let limits = self.readers.iter().map(|followed| {
            let at = followed.unread.front().copied().unwrap_or(self.log.next());
            at.saturating_add(followed.room)
        });
        assert_eq!(self.log.limit(), limits.min().unwrap_or(u64::MAX));
        assert_eq!(self.log.readers(), self.readers.len());
        for number in 0..self.log.next() {
            assert!(self.drops.of(number) <= 1);
        }
        for shared in &self.shared {
            assert_eq!(self.drops.of(shared.number), 0);
        }
        for followed in &self.readers {
            let kept = self.log.next().saturating_sub(followed.keep);
            for number in &followed.unread {
                if *number >= kept || *number < followed.held {
                    assert_eq!(self.drops.of(*number), 0, "{number}");
                }
            }
        }
    }

    /// When all was read and let go of, only what somebody owns is there; and what lies beside that
    /// in a segment that was dropped as a whole.
    fn end(mut self) {
        for at in 0..self.readers.len() {
            while self.ready(at).is_some() {
                self.read(at, u64::MAX);
            }
        }
        drop(self.log.release_read());
        for number in 0..self.log.next() {
            let mut owned = self.shared.iter().map(|shared| shared.number);
            let beside = owned.clone().any(|other| other / 4 == number / 4);
            if owned.any(|other| other == number) {
                assert_eq!(self.drops.of(number), 0, "{number}");
            } else if !(self.lossy && beside) {
                assert_eq!(self.drops.of(number), 1, "{number}");
            }
        }
        drop(self.log);
        drop(self.shared);
        self.drops.assert_each_once();
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if cfg!(miri) { 8 } else { 64 },
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_sequence_of_calls_does_what_queues_would(steps in steps()) {
        let mut world = World::new();
        for step in &steps {
            world.step(step);
            world.check();
        }
        world.end();
    }
}
