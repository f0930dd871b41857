//! Which trace contexts are worth carrying? Those that W3C's rules let a receiver use.
//!
//! A bad one is left out, wherever it comes from: a trace never costs a message.

use std::sync::Arc;

use algedonic_transport::TraceContext;

/// The longest that are carried, in bytes. All properties of a message go into one frame: one that
/// is larger than the broker takes costs the connection. W3C asks for at least 512 of the state.
const MAX_PARENT: usize = 512;
const MAX_STATE: usize = 2048;
const MAX_MEMBERS: usize = 32;

/// The context, as far as its texts are valid.
pub(super) fn read(parent: Option<&str>, state: Option<&str>) -> Option<TraceContext> {
    let parent = parent.filter(|text| parent_is_valid(text))?;
    let state = state.filter(|text| state_is_valid(text));
    Some(TraceContext {
        parent: parent.into(),
        state: state.map(Arc::from),
    })
}

/// The texts of a context that are written.
pub(super) fn write(trace: &TraceContext) -> Option<(&str, Option<&str>)> {
    let state = trace.state.as_deref().filter(|text| state_is_valid(text));
    parent_is_valid(&trace.parent).then_some((&*trace.parent, state))
}

/// `00-<32 hex>-<16 hex>-<2 hex>` (Trace Context, section 3.2). A later version may go on after
/// that, behind another hyphen.
pub(super) fn parent_is_valid(text: &str) -> bool {
    let bytes = text.as_bytes();
    let Some((head, rest)) = bytes.split_at_checked(55) else {
        return false;
    };
    let hex = |part: &[u8]| {
        part.iter()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let not_zero = |part: &[u8]| part.iter().any(|byte| *byte != b'0');
    let (version, trace, parent, flags) = (&head[..2], &head[3..35], &head[36..52], &head[53..]);
    [head[2], head[35], head[52]] == *b"---"
        && [version, trace, parent, flags].into_iter().all(hex)
        && version != b"ff"
        && not_zero(trace)
        && not_zero(parent)
        && match rest.first() {
            None => true,
            Some(first) => version != b"00" && *first == b'-' && bytes.len() <= MAX_PARENT,
        }
}

/// `key=value` members, joined by commas (Trace Context, section 3.3). A key that comes twice is
/// let pass: the rules leave it to the receiver which of the two holds.
pub(super) fn state_is_valid(text: &str) -> bool {
    if text.len() > MAX_STATE {
        return false;
    }
    let mut members = 0;
    for member in text.split(',') {
        let member = member.trim_matches([' ', '\t']);
        if member.is_empty() {
            continue;
        }
        members += 1;
        let valid = member
            .split_once('=')
            .is_some_and(|(key, value)| key_is_valid(key) && value_is_valid(value));
        if !valid {
            return false;
        }
    }
    (1..=MAX_MEMBERS).contains(&members)
}

fn key_is_valid(key: &str) -> bool {
    let first = key.bytes().next();
    first.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        && key.len() <= 256
        && key.bytes().all(
            |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'*' | b'/' | b'@'),
        )
}

fn value_is_valid(value: &str) -> bool {
    (1..=256).contains(&value.len())
        && value
            .bytes()
            .all(|byte| matches!(byte, b' '..=b'~') && !matches!(byte, b',' | b'='))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    /// The cases of W3C's own test suite that do not need HTTP.
    #[test]
    fn which_parents_are_valid() {
        const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
        const PARENT: &str = "b7ad6b7169203331";
        let cut = |text: &'static str| &text[1..];
        let zeros = |count| "0".repeat(count);
        let dot = |text: &str| format!(".{}", &text[1..]);
        for (text, valid) in [
            (GOOD.to_owned(), true),
            (format!("00-{TRACE}-{PARENT}-ff"), true),
            (format!("{GOOD}."), false),
            (format!("{GOOD}-"), false),
            (format!("{GOOD}-what-the-future"), false),
            (format!("cc-{TRACE}-{PARENT}-01"), true),
            (format!("cc-{TRACE}-{PARENT}-01-what-the-future"), true),
            (format!("cc-{TRACE}-{PARENT}-01.what-the-future"), false),
            (format!("cc-{TRACE}-{PARENT}-01-{}", "x".repeat(456)), true),
            (format!("cc-{TRACE}-{PARENT}-01-{}", "x".repeat(457)), false),
            (format!("ff-{TRACE}-{PARENT}-01"), false),
            (format!("FF-{TRACE}-{PARENT}-01"), false),
            (format!(".0-{TRACE}-{PARENT}-01"), false),
            (format!("0-{TRACE}-{PARENT}-01"), false),
            (format!("000-{TRACE}-{PARENT}-01"), false),
            (format!("00-{}-{PARENT}-01", zeros(32)), false),
            (format!("00-{}-{PARENT}-01", dot(TRACE)), false),
            (format!("00-{}-{PARENT}-01", TRACE.to_uppercase()), false),
            (format!("00-{}-{PARENT}-01", cut(TRACE)), false),
            (format!("00-{TRACE}1-{PARENT}-01"), false),
            (format!("00-{TRACE}-{}-01", zeros(16)), false),
            (format!("00-{TRACE}-{}-01", dot(PARENT)), false),
            (format!("00-{TRACE}-{}-01", cut(PARENT)), false),
            (format!("00-{TRACE}-{PARENT}1-01"), false),
            (format!("00-{TRACE}-{PARENT}-.0"), false),
            (format!("00-{TRACE}-{PARENT}-1"), false),
            (format!("00-{TRACE}-{PARENT}-011"), false),
            (format!("00_{TRACE}-{PARENT}-01"), false),
            (format!("00-{TRACE}_{PARENT}-01"), false),
            (format!("00-{TRACE}-{PARENT}_01"), false),
            (format!(" {GOOD}"), false),
            (format!("00-{TRACE}-{}\u{e9}-01", &PARENT[2..]), false),
            (String::new(), false),
        ] {
            assert_eq!(parent_is_valid(&text), valid, "{text}");
        }
    }

    #[test]
    fn which_states_are_valid() {
        let members = |count| vec!["a=1"; count].join(",");
        let key = |bytes| format!("{}=1", "k".repeat(bytes));
        let value = |bytes| format!("k={}", "v".repeat(bytes));
        for (text, valid) in [
            ("foo=1", true),
            ("foo=1,bar=2", true),
            ("foo=1 \t , \t bar=2, \t baz=3", true),
            ("foo=1,", true),
            ("foo=1,,,bar=2", true),
            ("foo=1,foo=2", true),
            ("foo-_*/bar@sys=1", true),
            ("0tenant@sys=1", true),
            ("foo=a b!~", true),
            (&members(32), true),
            (&members(33), false),
            (&key(256), true),
            (&key(257), false),
            (&value(256), true),
            (&value(257), false),
            ("", false),
            (" , ", false),
            ("foo", false),
            ("foo=", false),
            ("=1", false),
            ("foo =1", false),
            ("FOO=1", false),
            ("_foo=1", false),
            ("foo.bar=1", false),
            ("foo=bar=baz", false),
            ("foo=,bar=3", false),
            ("foo=\u{e9}", false),
            ("foo=\u{1b}", false),
            (&format!("foo=1,{}", " ".repeat(2042)), true),
            (&format!("foo=1,{}", " ".repeat(2043)), false),
        ] {
            assert_eq!(state_is_valid(text), valid, "{text}");
        }
    }

    #[test]
    fn a_bad_state_costs_the_state_alone_and_a_bad_parent_both() {
        let trace = |parent: &str, state: &str| TraceContext {
            parent: parent.into(),
            state: Some(state.into()),
        };
        for (parent, state, kept) in [
            (GOOD, "a=1", Some((GOOD, Some("a=1")))),
            (GOOD, "a", Some((GOOD, None))),
            ("00-0", "a=1", None),
        ] {
            assert_eq!(write(&trace(parent, state)), kept);
            let back = kept.map(|(parent, state)| TraceContext {
                parent: parent.into(),
                state: state.map(Arc::from),
            });
            assert_eq!(read(Some(parent), Some(state)), back);
        }
        assert_eq!(read(None, Some("a=1")), None);
    }
}
