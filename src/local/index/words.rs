use algedonic_transport::Key;

/// The words of a pattern, or of a key; an empty text has none, as in RabbitMQ.
pub(super) fn split(text: &str) -> impl Iterator<Item = &str> {
    text.split('.').skip(usize::from(text.is_empty()))
}

/// The most words a key can have: single letters, and the dots between them.
pub(super) const MAX_WORDS: usize = Key::MAX_BYTES.div_ceil(2);

// A word of a key is a bit of a `u128`.
const _: () = assert!(MAX_WORDS == 128);

/// The words of a key, by number.
pub(super) struct Words<'k> {
    key: &'k str,
    /// The byte behind each word: at most 255, the longest key.
    ends: [u8; MAX_WORDS],
    count: usize,
}

impl<'k> Words<'k> {
    pub(super) fn of(key: &'k str) -> Self {
        let mut ends = [0; MAX_WORDS];
        let (mut count, mut end) = (0, 0);
        for word in split(key) {
            end += word.len();
            ends[count] = u8::try_from(end).expect("a key has at most 255 bytes");
            count += 1;
            end += 1;
        }
        Self { key, ends, count }
    }

    pub(super) fn word(&self, at: usize) -> &'k str {
        let start = match at {
            0 => 0,
            _ => usize::from(self.ends[at - 1]) + 1,
        };
        &self.key[start..usize::from(self.ends[at])]
    }

    /// Before everything.
    pub(super) fn start(&self) -> Places {
        Places {
            before: u128::from(self.count > 0),
            at_end: self.count == 0,
        }
    }

    /// One word further on from each of the places; none if there is no word.
    pub(super) fn after(&self, places: Places) -> Option<Places> {
        let last = 1 << self.count.checked_sub(1)?;
        (places.before != 0).then_some(Places {
            before: (places.before & !last) << 1,
            at_end: places.before & last != 0,
        })
    }

    /// Zero or more words further on.
    pub(super) fn onwards(&self, places: Places) -> Places {
        if places.before == 0 {
            return places;
        }
        let all = u128::MAX >> (MAX_WORDS - self.count);
        Places {
            before: all & (u128::MAX << places.before.trailing_zeros()),
            at_end: true,
        }
    }
}

/// Places in a key at which the rest of a pattern may begin: before some of its words, at its end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Places {
    /// A bit for each word, the first one lowest.
    before: u128,
    at_end: bool,
}

impl Places {
    pub(super) fn before(word: usize) -> Self {
        Self {
            before: 1 << word,
            at_end: false,
        }
    }

    pub(super) fn at_end(self) -> bool {
        self.at_end
    }

    /// Takes the place before the first word out, and says which word it is.
    pub(super) fn take_word(&mut self) -> Option<usize> {
        let word = (self.before != 0).then(|| self.before.trailing_zeros() as usize)?;
        self.before &= self.before - 1;
        Some(word)
    }

    /// The numbers of the words.
    pub(super) fn words(mut self) -> impl Iterator<Item = usize> {
        std::iter::from_fn(move || self.take_word())
    }

    pub(super) fn add(&mut self, word: usize) {
        self.before |= 1 << word;
    }

    pub(super) fn subtract(&mut self, other: Self) {
        self.before &= !other.before;
    }
}
