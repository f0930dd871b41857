//! Was it right, what went on to lapin, of each frame that came?

use amq_protocol::frame::{AMQPFrame, parse_frame};
use lapin::types::{AMQPValue, FieldTable};

use super::{
    rules::Rules,
    script::{Kind, Step},
    socket::Heard,
};
use crate::{
    guard::{Limits, Mark},
    heap,
};

const HEADER: u8 = 2;
/// lapin's parser calls itself for each table in a table: a longer frame could nest too deep for it, before
/// the guard has seen it.
const SHALLOW: usize = 2000;

pub(super) fn judge(steps: &[Step], heard: &[Heard], limits: Limits) {
    let mut rules = Rules::new(limits);
    for (step, heard) in steps.iter().zip(heard) {
        match step {
            Step::Ours(bytes) => {
                let mut rest = &**bytes;
                while !rest.is_empty() {
                    let (after, frame) = parse_frame(rest).expect("our own");
                    rules.ours(&frame);
                    rest = after;
                }
            }
            Step::Theirs {
                kind: Kind::Bytes, ..
            } => return,
            Step::Theirs { bytes, kind } => {
                if !one(&mut rules, bytes, *kind, heard, limits) {
                    return;
                }
            }
        }
    }
}

/// Whether the connection goes on after this frame.
fn one(rules: &mut Rules, bytes: &[u8], kind: Kind, heard: &Heard, limits: Limits) -> bool {
    let came = (bytes.len() <= SHALLOW).then(|| read(bytes)).flatten();
    let announced = match came {
        Some(AMQPFrame::Header(_, ref header)) => header.body_size,
        _ => announced(bytes),
    };
    if let Some(why) = &heard.broken {
        assert!(!rules.over, "{why}, after its end");
        assert!(heard.bytes.is_empty(), "{why}");
        if let Some(frame) = came {
            let refused = bytes.len() > rules.frame_max || is_deep(&frame);
            let verdict = rules.theirs(&frame, announced);
            assert!(refused || verdict.is_err(), "{why}: {frame:?}");
        }
        return false;
    }
    if heard.bytes.is_empty() {
        if let Some(frame) = came {
            assert_eq!(rules.theirs(&frame, announced), Ok(false), "{frame:?}");
            return true;
        }
        // Of a frame that lapin could not read, nothing more is known than that it did not go on.
        return rules.over;
    }
    // At most 4,096 values, of which each pair may be a table that holds the other, and has room for more.
    let most = 2 * 1024 * 1024 + 8 * heard.bytes.len();
    let Some(went_on) = heap::within(most, || read(&heard.bytes)) else {
        assert!(
            kind != Kind::Complete && bytes[0] != HEADER,
            "{:?}",
            heard.bytes
        );
        return false;
    };
    let verdict = rules.theirs(&went_on, announced);
    assert_eq!(verdict, Ok(true), "{went_on:?}");
    if heard.bytes != bytes {
        replaced(bytes, came.as_ref(), &went_on, announced, limits);
    }
    true
}

/// It was not to be read, or not to be held; and its mark says what it was.
fn replaced(
    bytes: &[u8],
    came: Option<&AMQPFrame>,
    went_on: &AMQPFrame,
    announced: u64,
    limits: Limits,
) {
    let AMQPFrame::Header(_, header) = went_on else {
        // With readable texts.
        assert!(came.is_none(), "{came:?} was read, and became {went_on:?}");
        return;
    };
    let mark = Mark::of(&header.properties).expect("a mark");
    let too_large = announced > limits.body_max;
    assert_eq!(mark.too_large, too_large);
    assert_eq!(header.body_size, if too_large { 0 } else { announced });
    if let Some(frame) = came {
        let readable = !is_deep(frame) && bytes.len() <= limits.frame_max;
        assert!(!readable || too_large || mark.key.is_some(), "{frame:?}");
    }
    if let Some(properties) = mark.properties {
        assert_eq!(properties, bytes[19..bytes.len() - 1]);
    }
}

/// The frame, if lapin can read it, and nothing follows it.
fn read(bytes: &[u8]) -> Option<AMQPFrame> {
    let (rest, frame) = parse_frame(bytes).ok()?;
    rest.is_empty().then_some(frame)
}

/// By a header: after type, channel, size, class and weight.
fn announced(bytes: &[u8]) -> u64 {
    let size = bytes.get(11..).and_then(<[u8]>::first_chunk);
    size.map_or(0, |size| u64::from_be_bytes(*size))
}

/// Whether its tables nest deeper than 16 levels.
fn is_deep(frame: &AMQPFrame) -> bool {
    use amq_protocol::protocol::{AMQPClass, connection::AMQPMethod};
    let table = match frame {
        AMQPFrame::Header(_, header) => header.properties.headers().as_ref(),
        AMQPFrame::Method(_, AMQPClass::Connection(AMQPMethod::Start(start))) => {
            Some(&start.server_properties)
        }
        _ => None,
    };
    table.is_some_and(|table| depth_of_table(table) > 16)
}

fn depth_of_table(table: &FieldTable) -> usize {
    1 + table.inner().values().map(depth).max().unwrap_or(0)
}

fn depth(value: &AMQPValue) -> usize {
    match value {
        AMQPValue::FieldTable(table) => depth_of_table(table),
        AMQPValue::FieldArray(values) => 1 + values.as_slice().iter().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}
