//! Names that no other test uses.

use std::process;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// A name that no other test uses, in this process or another, now or later: the prefix and, after it, process id,
/// counter and time. It consists of `[A-Za-z0-9_-]`; anything else in the prefix becomes `-`.
pub fn unique(prefix: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let prefix: String = prefix.chars().map(plain).collect();
    let since_epoch = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let count = NEXT.fetch_add(1, Ordering::Relaxed);
    format!(
        "{prefix}-{}-{count}-{:x}",
        process::id(),
        since_epoch.as_micros()
    )
}

fn plain(letter: char) -> char {
    if letter.is_ascii_alphanumeric() || letter == '_' {
        letter
    } else {
        '-'
    }
}

#[cfg(test)]
mod tests {
    use super::unique;

    #[test]
    fn names_differ_and_are_plain() {
        let names = [unique("a b.c"), unique("a b.c")];
        assert_ne!(names[0], names[1]);
        assert!(names[0].starts_with("a-b-c-"));
        assert!(
            names[0]
                .bytes()
                .all(|octet| octet.is_ascii_alphanumeric() || b"_-".contains(&octet))
        );
    }
}
