use std::hash::{BuildHasher, Hash, Hasher, RandomState};

use algedonic_transport::{EventId, Message};

use super::latest::Latest;

/// The latest messages received; forgets the oldest beyond its capacity.
#[derive(Debug)]
pub(super) struct Seen {
    marks: Latest<Mark>,
    hashing: RandomState,
}

/// By what a message is known again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Mark(u128);

impl Seen {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            marks: Latest::new(capacity),
            hashing: RandomState::new(),
        }
    }

    /// Its id, where that is like no other by the way it was made. Any other id may be one that a foreign
    /// system counts up, from the beginning again after a restart, or leaves empty: then what the message
    /// holds counts as well, so that two messages are never taken for one.
    pub(super) fn mark(&self, message: &Message) -> Mark {
        let metadata = &message.metadata;
        if is_unique(metadata.id) {
            return Mark(metadata.id.as_u128());
        }
        let half = |which: u8| {
            let mut hasher = self.hashing.build_hasher();
            (which, metadata.id, &metadata.name, &metadata.key).hash(&mut hasher);
            (&metadata.source, metadata.version, &message.body).hash(&mut hasher);
            u128::from(hasher.finish())
        };
        Mark(half(0) << 64 | half(1))
    }

    pub(super) fn contains(&self, mark: Mark) -> bool {
        self.marks.contains(mark)
    }

    pub(super) fn insert(&mut self, mark: Mark) {
        self.marks.insert(mark);
    }
}

/// Whether it is a UUID made of time or chance (RFC 9562: versions 1, 4, 6 and 7), and not of a text.
fn is_unique(id: EventId) -> bool {
    let bits = id.as_u128();
    bits >> 62 & 0b11 == 0b10 && matches!(bits >> 76 & 0xf, 1 | 4 | 6 | 7)
}

#[cfg(test)]
mod tests {
    use algedonic_transport::{Key, Lane, Metadata};
    use proptest::{prelude::*, sample::select};

    use super::*;

    /// All of it from few, so that much is alike: a unique id or a foreign one, name, key, source, version, body.
    type What = (
        EventId,
        &'static str,
        &'static str,
        &'static str,
        u32,
        &'static str,
    );

    fn what() -> impl Strategy<Value = What> {
        let ids = vec![
            EventId::from_foreign("c232ab00-9414-11ec-b3c8-9f6bdeced846"),
            EventId::from_foreign("919108f7-52d1-4320-9bac-f847db4148a8"),
            EventId::from_foreign("1"),
            EventId::from_foreign(""),
            EventId::from_u128(0),
        ];
        let one_of = |these: [&'static str; 2]| select(these.to_vec());
        (
            select(ids),
            one_of(["n", "nk"]),
            one_of(["k", "ks"]),
            one_of(["s", "sb"]),
            1..3_u32,
            one_of(["", "b"]),
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        /// The model: a message has come before if one with its unique id is among the latest `capacity` different ones
        /// or, without such an id, one that is like it in everything. No other is taken for a duplicate.
        #[test]
        fn never_a_false_duplicate(capacity in 1..8_usize, came in prop::collection::vec(what(), 0..48)) {
            let mut seen = Seen::new(capacity);
            let mut latest: Vec<What> = Vec::new();
            for what in came {
                let (id, name, key, source, version, body) = what;
                let mut message = message(id, key, source, body);
                message.metadata.name = Key::from_static(name);
                message.metadata.version = version;
                let same = |other: &What| if is_unique(id) { other.0 == id } else { *other == what };
                let known = latest.iter().any(same);
                let mark = seen.mark(&message);
                prop_assert_eq!(seen.contains(mark), known, "{:?} after {:?}", what, latest);
                seen.insert(mark);
                if !known {
                    latest.push(what);
                    if latest.len() > capacity {
                        latest.remove(0);
                    }
                }
                prop_assert!(seen.marks.len() <= capacity);
            }
        }
    }

    fn message(id: EventId, key: &'static str, source: &str, body: &'static str) -> Message {
        let mut metadata = Metadata::new(Key::from_static("test"), source);
        metadata.id = id;
        metadata.key = Key::from_static(key);
        Message::new(metadata, Lane::Event, "text/plain", body)
    }

    #[test]
    fn an_id_of_time_or_chance_is_enough() {
        let seen = Seen::new(1);
        for id in [
            EventId::new(),
            EventId::from_foreign("c232ab00-9414-11ec-b3c8-9f6bdeced846"),
            EventId::from_foreign("919108f7-52d1-4320-9bac-f847db4148a8"),
            EventId::from_foreign("1ec9414c-232a-6b00-b3c8-9f6bdeced846"),
        ] {
            let mark = seen.mark(&message(id, "a", "one", "body"));
            assert_eq!(mark, Mark(id.as_u128()));
            assert_eq!(mark, seen.mark(&message(id, "b", "other", "another")));
        }
    }

    #[test]
    fn with_any_other_id_what_the_message_holds_counts_too() {
        let seen = Seen::new(1);
        for id in [
            EventId::from_foreign("1"),
            EventId::from_foreign(""),
            EventId::from_u128(0),
            EventId::from_u128(u128::MAX),
        ] {
            let marks = [
                message(id, "a", "one", "body"),
                message(id, "b", "one", "body"),
                message(id, "a", "other", "body"),
                message(id, "a", "one", "another"),
            ]
            .map(|message| seen.mark(&message));
            for (at, mark) in marks.iter().enumerate() {
                assert!(!marks[..at].contains(mark), "{id} {at}");
            }
            assert_eq!(marks[0], seen.mark(&message(id, "a", "one", "body")));
        }
    }
}
