use std::time::{Duration, UNIX_EPOCH};

use algedonic_transport::{
    BusId, CorrelationId, EventId, Key, Lane, Message, Metadata, Priority, TraceContext,
};
use proptest::prelude::*;

use super::message;
use crate::spool::file::{
    Record,
    encoding::{Draft, Header, moment},
    state::{self, State},
};

fn sealed(message: &Message) -> Vec<u8> {
    Draft::of(message).expect("encodes").seal(7, 8, 9)
}

#[test]
fn all_of_a_message_comes_back() {
    let mut metadata = Metadata::new(Key::from_static("s3.state_change"), "s3");
    metadata.version = 4;
    metadata.key = Key::from_static("s3.state_change.east");
    metadata.origin = Some(BusId::new());
    metadata.correlation = CorrelationId::from_text("order/7");
    metadata.causation = Some(EventId::new());
    metadata.trace = Some(TraceContext {
        parent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into(),
        state: Some("congo=t61rcWkgMzE".into()),
    });
    metadata.priority = Priority::new(8);
    metadata.expires = Some(UNIX_EPOCH + Duration::from_millis(2_000_000_000_123));
    let mut message = Message::new(metadata, Lane::Command, "application/cbor", vec![1, 2, 3]);
    message.persistent = false;
    let record = Record::read(&sealed(&message)).expect("whole");
    assert_eq!((record.sequence, record.stored), (8, moment(9)));
    let read = record.message;
    assert_eq!(read.metadata, message.metadata);
    assert_eq!((read.lane, read.persistent), (Lane::Command, false));
    assert_eq!(
        (read.content_type, read.body),
        (message.content_type, message.body)
    );
}

#[test]
fn a_time_beyond_reckoning_is_far_away_and_no_panic() {
    let mut far = message(Lane::Event, 0, 1, 0);
    let ages = Duration::from_secs(i64::MAX as u64 / 2);
    far.metadata.expires = Some(UNIX_EPOCH + ages);
    far.metadata.time = UNIX_EPOCH - Duration::from_secs(1);
    let read = Record::read(&sealed(&far)).expect("whole").message.metadata;
    assert!(read.expires.expect("some") > UNIX_EPOCH + Duration::from_secs(1 << 39));
    assert_eq!(read.time, UNIX_EPOCH);
    assert!(moment(u64::MAX) > UNIX_EPOCH + Duration::from_secs(1 << 39));
}

#[test]
fn a_record_that_was_changed_anywhere_is_none() {
    let bytes = sealed(&message(Lane::Signal, 10, 1, 40));
    for bit in 0..bytes.len() * 8 {
        let mut changed = bytes.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(Record::read(&changed).is_none(), "bit {bit}");
    }
    for length in 0..bytes.len() {
        assert!(Record::read(&bytes[..length]).is_none(), "{length} bytes");
    }
}

#[test]
fn a_state_that_was_changed_anywhere_is_none() {
    let state = State {
        format: state::FORMAT,
        spool: 1,
        next: 2,
        floors: [3, 4, 5],
    };
    let bytes = state.write();
    assert_eq!(State::read(&bytes), Some(state));
    for bit in 0..bytes.len() * 8 {
        let mut changed = bytes;
        changed[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(State::read(&changed), None, "bit {bit}");
    }
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(mut bytes: Vec<u8>, well: bool) {
        if well {
            bytes.splice(..bytes.len().min(5), *b"AlSp\x01");
        }
        let _ = Header::read(&bytes);
        let _ = Record::read(&bytes);
        let _ = State::read(&bytes);
    }
}
