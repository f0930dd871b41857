use std::{
    cell::Cell,
    fmt,
    hash::{BuildHasher, Hasher, RandomState},
    str::FromStr,
    sync::Arc,
    time::SystemTime,
};

use uuid::Uuid;

/// The identity of one event: 128 bits, made once, kept over retries, re-sends and restarts.
///
/// New ids are UUIDs of version 7 (RFC 9562), so they sort by the time of their making. Written
/// as 36 characters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId(u128);

impl EventId {
    /// A new id, unlike any other.
    #[expect(
        clippy::new_without_default,
        reason = "a default that differs each time would surprise"
    )]
    pub fn new() -> Self {
        Self::at(SystemTime::now())
    }

    /// A new id, unlike any other, that says it was made at this time.
    ///
    /// Ids that one thread makes for the same millisecond sort in the order of their making.
    #[inline]
    pub fn at(time: SystemTime) -> Self {
        let since_epoch = time.duration_since(SystemTime::UNIX_EPOCH);
        // In 64 bits, and not by `as_millis`: a division of 128 is slow.
        Self::at_millis(since_epoch.map_or(0, |since| {
            since.as_secs() * 1000 + u64::from(since.subsec_millis())
        }))
    }

    /// As [`at`](Self::at), so many milliseconds after the Unix epoch.
    #[inline]
    pub fn at_millis(milliseconds: u64) -> Self {
        Self(version_7(milliseconds, serial()))
    }

    /// The id that stands for a foreign system's message id: a UUID is taken as it is, any other
    /// text is hashed (version 5), so that the same text gives the same id in every process.
    pub fn from_foreign(text: &str) -> Self {
        text.parse()
            .unwrap_or_else(|_| Self(Uuid::new_v5(&Uuid::NAMESPACE_OID, text.as_bytes()).as_u128()))
    }

    /// The 128 bits.
    pub fn as_u128(self) -> u128 {
        self.0
    }

    /// The id with these 128 bits.
    pub fn from_u128(bits: u128) -> Self {
        Self(bits)
    }
}

/// A number that no other thread or process has, but by a chance of about one in 2^74: each thread
/// counts on from a random one. (RFC 9562, section 6.2, method 1, with the counter in all of the random bits.)
fn serial() -> u128 {
    thread_local! {
        static NEXT: Cell<u128> = Cell::new(random());
    }
    // Where a thread's own storage is gone already, each number is a random one.
    NEXT.try_with(|next| {
        let serial = next.get();
        next.set(serial.wrapping_add(1));
        serial
    })
    .unwrap_or_else(|_| random())
}

/// 128 bits from the seed that the operating system gave to std's hash maps.
fn random() -> u128 {
    let bits = || u128::from(RandomState::new().build_hasher().finish());
    bits() << 64 | bits()
}

/// Lays out a UUID of version 7 (RFC 9562, section 5.7): 48 bits of time, 74 of the serial number.
fn version_7(milliseconds: u64, serial: u128) -> u128 {
    const LOW: u32 = 62;
    let high = serial >> LOW & 0xfff;
    let low = serial & ((1 << LOW) - 1);
    u128::from(milliseconds & 0xffff_ffff_ffff) << 80 | 7 << 76 | high << 64 | 0b10 << LOW | low
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&Uuid::from_u128(self.0).hyphenated(), f)
    }
}

impl fmt::Debug for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for EventId {
    type Err = crate::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Uuid::parse_str(text)
            .map(|uuid| Self(uuid.as_u128()))
            .map_err(|source| {
                crate::Error::permanent(crate::ErrorKind::Malformed, "read an id")
                    .with_source(source)
            })
    }
}

/// The identity of one bus, for as long as it runs: by it, a bus knows its own events again.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct BusId(EventId);

impl BusId {
    /// A new id, unlike any other.
    #[expect(
        clippy::new_without_default,
        reason = "a default that differs each time would surprise"
    )]
    pub fn new() -> Self {
        Self(EventId::new())
    }

    /// The 128 bits.
    pub fn as_u128(self) -> u128 {
        self.0.as_u128()
    }

    /// The id with these 128 bits.
    pub fn from_u128(bits: u128) -> Self {
        Self(EventId::from_u128(bits))
    }
}

impl fmt::Display for BusId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for BusId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl FromStr for BusId {
    type Err = crate::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

/// What joins the events of one conversation: the id of the event that began it, or whatever text
/// a foreign system chose, which is given back to it unchanged.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct CorrelationId(Text);

#[derive(Clone, PartialEq, Eq, Hash)]
enum Text {
    Event(EventId),
    Foreign(Arc<str>),
}

impl CorrelationId {
    /// Takes any text; a UUID becomes the same value as the event's id.
    pub fn from_text(text: &str) -> Self {
        Self(match text.parse() {
            Ok(id) => Text::Event(id),
            Err(_) => Text::Foreign(text.into()),
        })
    }
}

impl From<EventId> for CorrelationId {
    fn from(id: EventId) -> Self {
        Self(Text::Event(id))
    }
}

impl fmt::Display for CorrelationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Text::Event(id) => fmt::Display::fmt(id, f),
            Text::Foreign(text) => f.write_str(text),
        }
    }
}

impl fmt::Debug for CorrelationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Foreign text may hold control characters: escape it.
        write!(f, "{:?}", self.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_by_time_and_survive_text() {
        let ids: Vec<EventId> = (0..1000).map(|_| EventId::new()).collect();
        assert!(ids.is_sorted());
        for id in ids {
            assert_eq!(id.to_string().parse::<EventId>().expect("own text"), id);
        }
    }

    #[test]
    fn foreign_ids_are_stable_and_distinct() {
        assert_eq!(
            EventId::from_foreign("order-1"),
            EventId::from_foreign("order-1")
        );
        assert_ne!(
            EventId::from_foreign("order-1"),
            EventId::from_foreign("order-2")
        );
        let own = EventId::new();
        assert_eq!(EventId::from_foreign(&own.to_string()), own);
    }

    #[test]
    fn a_foreign_correlation_comes_back_unchanged() {
        assert_eq!(CorrelationId::from_text("req/7").to_string(), "req/7");
        let id = EventId::new();
        assert_eq!(
            CorrelationId::from_text(&id.to_string()),
            CorrelationId::from(id)
        );
    }
}
