//! Messages as a bus, or any other user of a transport, may hand them over.

use std::{
    borrow::Cow,
    sync::Arc,
    time::{Duration, SystemTime},
};

use algedonic_transport::{
    BusId, CorrelationId, EventId, Key, Lane, Message, Metadata, Priority, TraceContext,
};

use crate::input::Input;

pub(super) fn any(input: &mut Input<'_>) -> Message {
    let there = input.word();
    let has = |bit: u16| there >> bit & 1 == 1;
    let name = key(input);
    let mut metadata = Metadata::of(
        // One of nothing but zeros or ones is read as none.
        EventId::from_u128(wide(input).clamp(1, u128::MAX - 1)),
        moment(input),
        name,
        long_text(input),
    );
    if has(0) {
        metadata.key = key(input);
    }
    if has(1) {
        metadata.version = u32::from(input.word()) << 16 | 1;
    }
    metadata.origin = has(2).then(|| BusId::from_u128(wide(input)));
    if has(3) {
        metadata.correlation = CorrelationId::from_text(&long_text(input));
    }
    metadata.causation = has(4).then(|| EventId::from_u128(wide(input)));
    if has(5) {
        metadata.trace = Some(TraceContext {
            parent: parent(input),
            state: has(6).then(|| state(input)),
        });
    }
    metadata.priority = Priority::new(input.byte());
    metadata.expires = has(7).then(|| moment(input));
    let content_type = if has(8) {
        Cow::Owned(long_text(input))
    } else {
        Cow::Borrowed("application/cbor")
    };
    let lane = [Lane::Event, Lane::Signal][usize::from(has(9))];
    let mut message = Message::new(metadata, lane, content_type, input.many_bytes().to_vec());
    message.persistent = has(10);
    message
}

fn key(input: &mut Input<'_>) -> Key {
    Key::new(input.text()).unwrap_or_else(|_| {
        let repeated = "k".repeat(usize::from(input.byte()).max(1));
        Key::new(repeated).expect("at most 255 letters")
    })
}

fn wide(input: &mut Input<'_>) -> u128 {
    u128::from(input.number()) << 64 | u128::from(input.number())
}

/// Up to 16 KiB.
fn long_text(input: &mut Input<'_>) -> String {
    let text = input.text();
    match input.byte() {
        0..=191 => text,
        times => text.repeat(usize::from(times) - 190),
    }
}

/// Any that the platform holds, and of those that are near to something more.
fn moment(input: &mut Input<'_>) -> SystemTime {
    let distance = match input.byte() % 4 {
        0 => Duration::from_micros(input.number() >> 12),
        1 => Duration::from_secs(input.number()),
        2 => Duration::from_nanos(input.number()),
        _ => Duration::from_secs(253_402_300_799 + u64::from(input.byte() % 2)),
    };
    let moment = if input.bit() {
        SystemTime::UNIX_EPOCH.checked_sub(distance)
    } else {
        SystemTime::UNIX_EPOCH.checked_add(distance)
    };
    moment.unwrap_or(SystemTime::UNIX_EPOCH)
}

fn parent(input: &mut Input<'_>) -> Arc<str> {
    if input.bit() {
        return long_text(input).into();
    }
    let version = *input.one_of(&["00", "cc", "ff"]);
    let id = wide(input);
    let tail = if version == "cc" {
        long_text(input)
    } else {
        String::new()
    };
    format!("{version}-{id:032x}-{:016x}-01{tail}", id >> 64).into()
}

fn state(input: &mut Input<'_>) -> Arc<str> {
    let members = input.byte() % 40;
    let member = |at: u8| format!("k{at}={}", "v".repeat(usize::from(at)));
    match members {
        0 => long_text(input),
        _ => (0..members).map(member).collect::<Vec<_>>().join(","),
    }
    .into()
}
