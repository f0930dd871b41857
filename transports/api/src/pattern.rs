use std::{fmt, sync::Arc};

use crate::key::{Key, excerpt};

/// Selects keys: `*` stands for exactly one word, `#` for zero or more (AMQP 0-9-1, section 3.1.3.3).
///
/// At most 255 bytes, and at most two `#` after neighbours were joined: RabbitMQ refuses more
/// from 4.3.5 on, and earlier releases can be stalled by them.
///
/// ```
/// # use algedonic_transport::{Key, Pattern};
/// let critical = Pattern::new("#.critical")?;
/// assert!(critical.matches(&Key::from_static("algedonic.pain.critical")));
/// assert!(!critical.matches(&Key::from_static("critical.mass")));
/// # Ok::<(), algedonic_transport::PatternError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Pattern(Arc<str>);

impl Pattern {
    /// How many `#` a pattern may hold.
    pub const MAX_HASHES: usize = 2;

    /// Checks and keeps a pattern; runs of `#.#` become a single `#`, which selects the same keys.
    ///
    /// # Errors
    ///
    /// Says which rule the text breaks.
    pub fn new(text: impl AsRef<str>) -> Result<Self, PatternError> {
        let text = text.as_ref();
        let refuse = |fault| PatternError {
            text: excerpt(text),
            fault,
        };
        if text.len() > Key::MAX_BYTES {
            return Err(refuse(Fault::TooLong(text.len())));
        }
        let mut words: Vec<&str> = Vec::new();
        for word in text.split('.') {
            if word == "#" && words.last() == Some(&"#") {
                continue;
            }
            if word != "*" && word != "#" && Key::new(word).is_err() {
                return Err(refuse(Fault::Word(excerpt(word))));
            }
            words.push(word);
        }
        let hashes = words.iter().filter(|word| **word == "#").count();
        if hashes > Self::MAX_HASHES {
            return Err(refuse(Fault::TooManyHashes(hashes)));
        }
        Ok(Self(words.join(".").into()))
    }

    /// The pattern as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the pattern selects `key`. Allocates nothing; linear for the patterns accepted here
    /// in all but contrived cases, and never worse than words of pattern times words of key.
    pub fn matches(&self, key: &Key) -> bool {
        matches(&self.0, key)
    }
}

impl From<&Key> for Pattern {
    /// The pattern that selects just this key.
    fn from(key: &Key) -> Self {
        Self(key.as_str().into())
    }
}

/// Greedy match with one point of return, the last `#` seen: an earlier `#` never needs to be
/// reopened, because the later one can swallow whatever the earlier would.
fn matches(pattern: &str, key: &str) -> bool {
    let mut pattern_words = words(pattern);
    let mut key_words = words(key);
    let mut retry = None;
    loop {
        match (pattern_words.next(), key_words.clone().next()) {
            (None, None) => return true,
            (Some("#"), _) => {
                retry = Some((pattern_words.clone(), key_words.clone()));
                continue;
            }
            (Some(want), Some(word)) if want == "*" || want == word => {
                key_words.next();
                continue;
            }
            _ => {}
        }
        let Some((after_hash, mut swallowed)) = retry.take() else {
            return false;
        };
        if swallowed.next().is_none() {
            return false;
        }
        pattern_words = after_hash.clone();
        key_words = swallowed.clone();
        retry = Some((after_hash, swallowed));
    }
}

/// The words of a dotted text; an empty text has none, as in RabbitMQ.
fn words(text: &str) -> impl Iterator<Item = &str> + Clone {
    text.split('.').skip(usize::from(text.is_empty()))
}

/// Why a text is not a [`Pattern`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatternError {
    text: String,
    fault: Fault,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Fault {
    TooLong(usize),
    TooManyHashes(usize),
    Word(String),
}

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = &self.text;
        match &self.fault {
            Fault::TooLong(bytes) => write!(
                f,
                "a pattern has at most {} bytes, this one has {bytes}: {text:?}",
                Key::MAX_BYTES
            ),
            Fault::TooManyHashes(hashes) => write!(
                f,
                "a pattern holds at most {} times #, this one {hashes}: {text:?}",
                Pattern::MAX_HASHES
            ),
            Fault::Word(word) => write!(
                f,
                "{word:?} in the pattern {text:?} is neither *, nor #, nor a word of A-Z a-z 0-9 _ -"
            ),
        }
    }
}

impl std::error::Error for PatternError {}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The bindings of RabbitMQ's own topic exchange test, in its numbering (t24 is not used).
    #[rustfmt::skip]
    const BINDINGS: [(u8, &str); 26] = [
        (1, "a.b.c"), (2, "a.*.c"), (3, "a.#.b"), (4, "a.b.b.c"), (5, "#"), (6, "#.#"),
        (7, "#.b"), (8, "*.*"), (9, "a.*"), (10, "*.b.c"), (11, "a.#"), (12, "a.#.#"),
        (13, "b.b.c"), (14, "a.b.b"), (15, "a.b"), (16, "b.c"), (17, ""), (18, "*.*.*"),
        (19, "vodka.martini"), (20, "a.b.c"), (21, "*.#"), (22, "#.*.#"), (23, "*.#.#"),
        (25, "*"), (26, "#.b.#"), (27, "args-test"),
    ];

    /// Routing keys, and the bindings that RabbitMQ 3.10.8 routed them to.
    const ROUTED: [(&str, &[u8]); 12] = [
        ("a.b.c", &[1, 2, 5, 6, 10, 11, 12, 18, 20, 21, 22, 23, 26]),
        ("a.b", &[3, 5, 6, 7, 8, 9, 11, 12, 15, 21, 22, 23, 26]),
        ("a.b.b", &[3, 5, 6, 7, 11, 12, 14, 18, 21, 22, 23, 26]),
        ("", &[5, 6, 17]),
        ("b.c.c", &[5, 6, 18, 21, 22, 23, 26]),
        ("a.a.a.a.a", &[5, 6, 11, 12, 21, 22, 23]),
        ("vodka.gin", &[5, 6, 8, 21, 22, 23]),
        ("vodka.martini", &[5, 6, 8, 19, 21, 22, 23]),
        ("b.b.c", &[5, 6, 10, 13, 18, 21, 22, 23, 26]),
        ("nothing.here.at.all", &[5, 6, 21, 22, 23]),
        ("oneword", &[5, 6, 21, 22, 23, 25]),
        ("args-test", &[5, 6, 21, 22, 23, 25, 27]),
    ];

    #[test]
    fn rabbitmq_s_own_table_of_bindings_and_keys() {
        for (key, expected) in ROUTED {
            let routed: Vec<u8> = BINDINGS
                .iter()
                .filter(|(_, binding)| matches(binding, key))
                .map(|(number, _)| *number)
                .collect();
            assert_eq!(routed, expected, "key {key:?}");
        }
    }

    #[test]
    fn patterns_are_checked_and_normalised() {
        assert_eq!(Pattern::new("a.#.#.b").expect("joined").as_str(), "a.#.b");
        assert!(Pattern::new("#.a.#").is_ok());
        for text in ["#.a.#.b.#", "a#b", "a..b", "", "a.**", "a b"] {
            assert!(Pattern::new(text).is_err(), "{text:?}");
        }
        assert!(Pattern::new("k".repeat(256)).is_err());
    }

    /// The definition, without a care for cost.
    fn naive(pattern: &[&str], key: &[&str]) -> bool {
        match (pattern, key) {
            ([], []) => true,
            (["#", rest @ ..], _) => {
                naive(rest, key) || (!key.is_empty() && naive(pattern, &key[1..]))
            }
            ([want, rest @ ..], [word, more @ ..]) => {
                (*want == "*" || want == word) && naive(rest, more)
            }
            _ => false,
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]
        #[test]
        fn the_matcher_agrees_with_the_definition(
            pattern in prop::collection::vec(prop::sample::select(vec!["a", "b", "*", "#"]), 1..7),
            key in prop::collection::vec(prop::sample::select(vec!["a", "b"]), 1..8),
        ) {
            prop_assert_eq!(
                matches(&pattern.join("."), &key.join(".")),
                naive(&pattern, &key)
            );
        }
    }
}
