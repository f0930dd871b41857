//! Keys and patterns: whatever the text, reading it never panics and follows the rules; matching
//! is what its definition says; the normal form of a pattern selects the same keys.

use std::collections::HashMap;

use algedonic::{Key, Pattern};

/// The input is a pattern and a key, apart by a line end; and, read a second time, a choice of
/// words that make a pattern and a key which have much in common.
pub fn check(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (pattern, key) = text.split_once('\n').unwrap_or((&text, &text));
    agree(pattern, key);
    agree(key, pattern);

    let count = data.first().map_or(0, |first| usize::from(first % 16));
    let rest = data.get(1..).unwrap_or_default();
    let (pattern, key) = rest.split_at(count.min(rest.len()));
    let dotted = |bytes: &[u8], words: &[&'static str]| -> String {
        let chosen = bytes
            .iter()
            .map(|byte| words[usize::from(*byte) % words.len()]);
        chosen.collect::<Vec<_>>().join(".")
    };
    agree(
        &dotted(pattern, &["#", "*", "a", "b"]),
        &dotted(key, &["a", "b"]),
    );
}

fn agree(pattern_text: &str, key_text: &str) {
    let key = Key::new(key_text);
    assert_eq!(key.is_ok(), is_key(key_text), "the key {key_text:?}");
    let pattern = Pattern::new(pattern_text);
    assert_eq!(
        pattern.is_ok(),
        is_pattern(pattern_text),
        "the pattern {pattern_text:?}"
    );
    // An error quotes enough to recognise the text, whatever its length.
    if let Err(error) = &key {
        assert!(error.to_string().len() < 1024, "{error}");
    }
    if let Err(error) = &pattern {
        assert!(error.to_string().len() < 1024, "{error}");
    }

    if let Ok(key) = &key {
        assert_eq!(key.as_str(), key_text);
        let itself = Pattern::from(key);
        assert!(itself.matches(key));
        assert_eq!(Pattern::new(key).as_ref(), Ok(&itself));
    }
    if let Ok(pattern) = &pattern {
        let normal = pattern.as_str();
        assert!(normal.len() <= pattern_text.len());
        assert!(!normal.contains("#.#"), "{normal:?} is not normal");
        assert_eq!(Pattern::new(normal).as_ref(), Ok(pattern), "normal twice");
    }
    if let (Ok(pattern), Ok(key)) = (&pattern, &key) {
        // Of the pattern as it was written: so the normal form is checked, too.
        assert_eq!(
            pattern.matches(key),
            selects(pattern_text, key_text),
            "{pattern_text:?} (normal {pattern}) and {key_text:?}"
        );
        assert_eq!(Pattern::from(key).matches(key), selects(key_text, key_text));
    }
}

fn is_word(text: &str) -> bool {
    !text.is_empty()
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
}

pub(crate) fn is_key(text: &str) -> bool {
    text.len() <= 255 && text.split('.').all(is_word)
}

fn is_pattern(text: &str) -> bool {
    let mut words: Vec<_> = text.split('.').collect();
    let known = |word: &&str| matches!(*word, "*" | "#") || is_word(word);
    text.len() <= 255 && words.iter().all(known) && {
        words.dedup_by(|one, other| *one == "#" && *other == "#");
        words.iter().filter(|word| **word == "#").count() <= 2
    }
}

/// The definition: `#` is nothing, or a word and `#` again; `*` is a word; a word is itself.
fn selects(pattern: &str, key: &str) -> bool {
    let mut definition = Definition {
        pattern: pattern.split('.').collect(),
        key: key.split('.').collect(),
        known: HashMap::new(),
    };
    definition.selects(0, 0)
}

struct Definition<'a> {
    pattern: Vec<&'a str>,
    key: Vec<&'a str>,
    /// What was found out before: without it a long run of `#` takes for ever.
    known: HashMap<(usize, usize), bool>,
}

impl Definition<'_> {
    /// Whether the words of the pattern from `at` on select the words of the key from `from` on.
    fn selects(&mut self, at: usize, from: usize) -> bool {
        if let Some(known) = self.known.get(&(at, from)) {
            return *known;
        }
        let selects = match (self.pattern.get(at).copied(), self.key.get(from).copied()) {
            (None, None) => true,
            (None, Some(_)) => false,
            (Some("#"), word) => {
                self.selects(at + 1, from) || (word.is_some() && self.selects(at, from + 1))
            }
            (Some(want), word) => {
                word.is_some_and(|word| want == "*" || want == word)
                    && self.selects(at + 1, from + 1)
            }
        };
        self.known.insert((at, from), selects);
        selects
    }
}
