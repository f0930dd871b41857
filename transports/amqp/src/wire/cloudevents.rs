//! What of a message is a `CloudEvents` attribute, and where does it stand?
//!
//! Binary mode, as the binding for AMQP 1.0 has it, with the headers of 0-9-1 for its application
//! properties: RabbitMQ turns one into the other. The attribute `datacontenttype` is the property
//! `content_type`, and no header.

use std::{
    borrow::Cow,
    fmt::Write,
    ops::Bound,
    time::{Duration, SystemTime},
};

use algedonic_transport::{EventId, Metadata};
use lapin::types::{AMQPValue, FieldTable};

use super::{cut, headers, moment, rfc3339};

/// Written, and read. A colon must not stand in the name of a header by AMQP 0-9-1, section 4.2.5.5.
const PREFIX: &str = "cloudEvents_";
/// Read: it is older, and RabbitMQ lets it pass.
const OLD_PREFIX: &str = "cloudEvents:";

/// The attributes of an event, as headers.
pub(super) fn write(metadata: &Metadata, mut header: impl FnMut(&'static str, &str)) {
    header("cloudEvents_specversion", "1.0");
    header("cloudEvents_id", &metadata.id.to_string());
    header("cloudEvents_source", &uri_reference(cut(&metadata.source)));
    header("cloudEvents_type", &metadata.name);
    header("cloudEvents_subject", &metadata.key);
    if let Some(time) = rfc3339::write(metadata.time) {
        header("cloudEvents_time", &time);
    }
}

/// The attributes that a message has.
pub(super) struct Attributes<'table> {
    headers: &'table FieldTable,
    prefix: &'static str,
}

impl<'table> Attributes<'table> {
    /// None if it is no event of `CloudEvents`: those have a version, and a type.
    pub(super) fn of(headers: &'table FieldTable) -> Option<Self> {
        let table = headers.inner();
        // One look, for all the messages that have none.
        let (first, _) = table
            .range::<str, _>((Bound::Included("cloudEvents"), Bound::Unbounded))
            .next()?;
        if !first.as_str().starts_with("cloudEvents") {
            return None;
        }
        let has = |name| table.contains_key(name);
        let prefix = if has("cloudEvents_specversion") || has("cloudEvents_type") {
            PREFIX
        } else if has("cloudEvents:specversion") || has("cloudEvents:type") {
            OLD_PREFIX
        } else {
            return None;
        };
        Some(Self { headers, prefix })
    }

    pub(super) fn text(&self, name: &str) -> Option<&'table str> {
        headers::text_of(self.headers, &format!("{}{name}", self.prefix))
    }

    /// An id is unique within its source only; a UUID is unique anywhere.
    pub(super) fn id(&self) -> Option<EventId> {
        let id = self.text("id")?;
        Some(id.parse().unwrap_or_else(|_| {
            let source = self.text("source").unwrap_or_default();
            EventId::from_foreign(&format!("{source} {id}"))
        }))
    }

    /// Text, or a timestamp of AMQP's own, which counts seconds.
    pub(super) fn time(&self, name: &str) -> Option<SystemTime> {
        let name = format!("{}{name}", self.prefix);
        if let Some(AMQPValue::Timestamp(seconds)) = self.headers.inner().get(name.as_str()) {
            return moment::at(i64::try_from(*seconds).ok()?, Duration::from_secs);
        }
        rfc3339::read(headers::text_of(self.headers, &name)?)
    }
}

/// The text if it is a URI reference (RFC 3986), which a source must be; else the same, encoded.
fn uri_reference(text: &str) -> Cow<'_, str> {
    if text.is_empty() {
        // It must not be empty, either.
        return "unknown".into();
    }
    if is_uri_reference(text) {
        return text.into();
    }
    let mut encoded = String::with_capacity(text.len() + 16);
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(byte.into());
            }
            _ => {
                let _ = write!(encoded, "%{byte:02X}");
            }
        }
    }
    encoded.into()
}

/// In what concerns the characters, and what stands before the first colon.
fn is_uri_reference(text: &str) -> bool {
    let bytes = text.as_bytes();
    let encoded = bytes.iter().enumerate().all(|(at, byte)| match byte {
        b'%' => bytes
            .get(at + 1..at + 3)
            .is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)),
        byte => byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/?#".contains(byte),
    });
    let scheme = match bytes.iter().position(|byte| b":/?#".contains(byte)) {
        Some(end) if bytes[end] == b':' => Some(&bytes[..end]),
        _ => None,
    };
    let scheme = scheme.is_none_or(|scheme| {
        scheme.first().is_some_and(u8::is_ascii_alphabetic)
            && scheme
                .iter()
                .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte))
    });
    encoded && text.split('#').count() <= 2 && scheme
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_becomes_a_uri_reference() {
        for (source, written) in [
            ("s3.planner", "s3.planner"),
            ("/shops/7?a=b#c", "/shops/7?a=b#c"),
            ("https://example.com/x", "https://example.com/x"),
            (
                "urn:uuid:6e8bc430-9c3a-11d9-9669-0800200c9a66",
                "urn:uuid:6e8bc430-9c3a-11d9-9669-0800200c9a66",
            ),
            ("a%20b", "a%20b"),
            ("", "unknown"),
            ("order service", "order%20service"),
            ("a%2", "a%252"),
            ("a%zz", "a%25zz"),
            ("1:b", "1%3Ab"),
            (":b", "%3Ab"),
            ("a#b#c", "a%23b%23c"),
            ("a/b c", "a%2Fb%20c"),
            ("\u{e9}", "%C3%A9"),
            ("a\nb", "a%0Ab"),
            ("[::1]", "%5B%3A%3A1%5D"),
        ] {
            assert_eq!(uri_reference(source), written, "{source}");
        }
    }
}
