use lapin::protocol::basic::parse_properties;
use proptest::prelude::*;

use super::{
    super::properties::{Flaw, MAX_DEPTH, MAX_VALUES, check},
    long, nested, only_headers, short, sound,
};

/// What lapin makes of the same bytes.
fn lapin_reads(properties: &[u8]) -> bool {
    parse_properties(properties).is_ok_and(|(rest, _)| rest.is_empty())
}

#[test]
fn each_rule_has_its_words() {
    let text = |flag: u16, bytes: &[u8]| [flag.to_be_bytes().to_vec(), short(bytes)].concat();
    let entry = |value: &[u8]| only_headers(&[b"\x01a", value].concat());
    for (properties, flaw) in [
        (vec![0x80], Flaw::CutShort("flags")),
        (text(0x8000, b"\xe9"), Flaw::NotUtf8("content_type")),
        (text(0x0008, b"caf\xe9"), Flaw::NotUtf8("app_id")),
        (text(0x0004, b"\xff"), Flaw::NotUtf8("cluster_id")),
        (vec![0x80, 0, 5, b'a'], Flaw::CutShort("content_type")),
        (vec![0x10, 0], Flaw::CutShort("delivery_mode")),
        (vec![0, 0x40, 1, 2, 3], Flaw::CutShort("timestamp")),
        (vec![0x20, 0, 0, 0, 0, 9, 1], Flaw::CutShort("headers")),
        (vec![0x20, 0, 255, 255, 255, 255], Flaw::CutShort("headers")),
        (only_headers(b"\x01\xffV"), Flaw::HeaderNameNotUtf8),
        (only_headers(b"\x05a"), Flaw::HeaderCutShort),
        (only_headers(b"\x01a"), Flaw::HeaderCutShort),
        (entry(b"I\0\0"), Flaw::HeaderCutShort),
        (entry(b"S\0\0\0\x05abc"), Flaw::HeaderCutShort),
        (entry(b"F\0\0\0\x01"), Flaw::HeaderCutShort),
        (entry(b"A\0\0\0\x01I"), Flaw::HeaderCutShort),
        (entry(b"Z"), Flaw::HeaderType(b'Z')),
        (entry(b"A\0\0\0\x01?"), Flaw::HeaderType(b'?')),
        (vec![0, 0, 1, 2], Flaw::Trailing(2)),
        // More flags would follow, and lapin does not look for them.
        (vec![0, 1, 0, 0], Flaw::Trailing(2)),
    ] {
        assert_eq!(check(&properties), Err(flaw), "{properties:?}");
        assert!(!lapin_reads(&properties), "lapin reads {properties:?}");
        assert!(!flaw.to_string().is_empty());
    }
    // The flag by itself changes nothing.
    assert_eq!(check(&[0, 1]), Ok(()));
    assert!(lapin_reads(&[0, 1]));
}

#[test]
fn depth_and_number_are_bounded() {
    assert_eq!(check(&only_headers(&nested(MAX_DEPTH))), Ok(()));
    for levels in [MAX_DEPTH + 1, 2_000, 100_000] {
        assert_eq!(check(&only_headers(&nested(levels))), Err(Flaw::TooDeep));
    }
    let mut arrays = vec![];
    for _ in 0..MAX_DEPTH {
        arrays = [b"A".to_vec(), long(&arrays)].concat();
    }
    assert_eq!(
        check(&only_headers(&[b"\x01a", &*arrays].concat())),
        Err(Flaw::TooDeep)
    );

    let array = |values| {
        let array = [b"\x01aA".to_vec(), long(&vec![b'V'; values])].concat();
        check(&only_headers(&array))
    };
    assert_eq!(array(MAX_VALUES - 1), Ok(()));
    assert_eq!(array(MAX_VALUES), Err(Flaw::TooMany));
}

#[test]
fn levels_one_after_the_other_are_not_deep() {
    let table = b"\x01aF\0\0\0\x03\x01bV".repeat(1000);
    assert_eq!(check(&only_headers(&table)), Ok(()));
}

proptest! {
    #[test]
    fn what_is_sound_is_found_so(properties in sound()) {
        prop_assert_eq!(check(&properties), Ok(()));
        prop_assert!(lapin_reads(&properties));
    }

    /// Sound properties with some bytes changed, cut out, or put in: the same verdict as lapin's.
    #[test]
    fn we_take_what_lapin_takes(
        properties in sound(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4_u8), 1..4),
    ) {
        let mut properties = properties;
        for (index, byte, change) in changes {
            let at = index.index(properties.len());
            match change {
                0 => drop(properties.remove(at)),
                1 => properties.insert(at, byte),
                _ => properties[at] = byte,
            }
            if properties.is_empty() {
                break;
            }
        }
        // Six levels of five values reach neither limit.
        prop_assert_eq!(check(&properties).is_ok(), lapin_reads(&properties));
    }

    #[test]
    fn any_bytes_get_an_answer(properties in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert_eq!(check(&properties).is_ok(), lapin_reads(&properties));
    }
}
