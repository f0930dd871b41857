use std::{borrow::Borrow, fmt, ops::Deref, sync::Arc};

/// The routing key of one event: words of `A-Z a-z 0-9 _ -`, joined by dots.
///
/// 1 to 255 bytes, the limit of an AMQP short string; no empty word and no wildcard, so that a
/// key can never be mistaken for a [`Pattern`](crate::Pattern). Cheap to clone.
///
/// ```
/// # use algedonic_transport::Key;
/// const STATE: Key = Key::from_static("s3.state_change");
/// assert_eq!(STATE, Key::new("s3.state_change")?);
/// assert!(Key::new("s3.*").is_err());
/// # Ok::<(), algedonic_transport::KeyError>(())
/// ```
#[derive(Clone)]
pub struct Key(Text);

#[derive(Clone)]
enum Text {
    Static(&'static str),
    Shared(Arc<str>),
}

impl Key {
    /// The longest key, in bytes (AMQP 0-9-1, section 4.2.5.3: a short string).
    pub const MAX_BYTES: usize = 255;

    /// Checks and keeps a key made at run time.
    ///
    /// # Errors
    ///
    /// Says which rule the text breaks, and where.
    pub fn new(text: impl AsRef<str>) -> Result<Self, KeyError> {
        let text = text.as_ref();
        match fault(text.as_bytes()) {
            None => Ok(Self(Text::Shared(text.into()))),
            Some(fault) => Err(KeyError {
                text: excerpt(text),
                fault,
            }),
        }
    }

    /// A key known when the program is compiled; allocates nothing.
    ///
    /// # Panics
    ///
    /// When the text is no key. In a `const` that is an error of compilation.
    pub const fn from_static(text: &'static str) -> Self {
        assert!(
            fault(text.as_bytes()).is_none(),
            "a key is 1 to 255 bytes: words of A-Z a-z 0-9 _ - joined by single dots"
        );
        Self(Text::Static(text))
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Text::Static(text) => text,
            Text::Shared(text) => text,
        }
    }
}

/// Why a text is not a [`Key`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyError {
    text: String,
    fault: Fault,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Empty,
    TooLong(usize),
    EmptyWord(usize),
    Character(usize),
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = &self.text;
        match self.fault {
            Fault::Empty => f.write_str("a key must not be empty"),
            Fault::TooLong(bytes) => write!(
                f,
                "a key has at most {} bytes, this one has {bytes}: {text:?}",
                Key::MAX_BYTES
            ),
            Fault::EmptyWord(at) => write!(f, "empty word at byte {at} of the key {text:?}"),
            Fault::Character(at) => write!(
                f,
                "byte {at} of the key {text:?} is none of A-Z a-z 0-9 _ - or the dot between words"
            ),
        }
    }
}

impl std::error::Error for KeyError {}

/// The first rule that `text` breaks.
const fn fault(text: &[u8]) -> Option<Fault> {
    if text.is_empty() {
        return Some(Fault::Empty);
    }
    if text.len() > Key::MAX_BYTES {
        return Some(Fault::TooLong(text.len()));
    }
    let mut at = 0;
    let mut word_starts = true;
    while at < text.len() {
        match text[at] {
            b'.' if word_starts => return Some(Fault::EmptyWord(at)),
            b'.' => word_starts = true,
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' => word_starts = false,
            _ => return Some(Fault::Character(at)),
        }
        at += 1;
    }
    if word_starts {
        return Some(Fault::EmptyWord(text.len()));
    }
    None
}

/// Enough of a refused text to recognise it, whatever its length.
pub(crate) fn excerpt(text: &str) -> String {
    const SHOWN: usize = 40;
    match text.char_indices().nth(SHOWN) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

impl Deref for Key {
    type Target = str;
    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<str> for Key {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl Borrow<str> for Key {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Key {}

impl PartialEq<str> for Key {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for Key {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

impl std::hash::Hash for Key {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_the_allowed_characters_are_keys() {
        for text in ["a", "s3.state_change", "message.planner-7", "A.b.0"] {
            assert_eq!(Key::new(text).expect(text).as_str(), text);
        }
    }

    #[test]
    fn the_length_limit_is_255_bytes() {
        assert!(Key::new("k".repeat(255)).is_ok());
        let error = Key::new("k".repeat(256)).expect_err("256 bytes");
        assert!(error.to_string().contains("this one has 256"), "{error}");
        assert!(error.to_string().len() < 160, "the text is cut: {error}");
    }

    #[test]
    fn a_refused_key_names_the_byte() {
        for (text, at) in [
            (".a", 0),
            ("a.", 2),
            ("a..b", 2),
            ("a.*", 2),
            ("a b", 1),
            ("ä", 0),
        ] {
            let error = Key::new(text).expect_err(text);
            assert!(error.to_string().contains(&format!("byte {at}")), "{error}");
        }
        assert!(Key::new("").is_err());
    }
}
