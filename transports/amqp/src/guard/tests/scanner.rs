use lapin::{protocol::basic::parse_properties, types::AMQPValue};

use super::{
    super::{
        mark::{Mark, UNREADABLE_PROPERTIES},
        scanner::{Broken, Limits, Scanner, Step},
    },
    deliver, frame, header, long, nested, only_headers, short,
};

const FRAME_MAX: usize = 8192;
const BODY_MAX: u64 = 10_000;

/// All that comes out for `input`, at once.
fn scan(input: &[u8]) -> Result<Vec<u8>, Broken> {
    let mut scanner = Scanner::new(Limits {
        frame_max: FRAME_MAX,
        body_max: BODY_MAX,
    });
    let mut input = input.to_vec();
    let mut at = 0;
    let mut output = Vec::new();
    loop {
        match scanner.step(&mut input[at..])? {
            Step::Pass(count) => {
                output.extend_from_slice(&input[at..at + count]);
                at += count;
            }
            Step::Replace(count, with) => {
                output.extend(with);
                at += count;
            }
            Step::Wait => return Ok(output),
        }
    }
}

/// The mark in a header frame at the front of `frames`, and what follows that frame.
fn mark(frames: &[u8]) -> (Mark, &[u8]) {
    let size = u32::from_be_bytes(*frames[3..].first_chunk().expect("a frame")) as usize;
    assert_eq!((frames[0], frames[7 + size]), (2, 0xCE));
    let (rest, properties) = parse_properties(&frames[7 + 12..7 + size]).expect("lapin reads it");
    assert!(rest.is_empty());
    (Mark::of(&properties).expect("marked"), &frames[8 + size..])
}

#[test]
fn sound_frames_pass() {
    let frames = [
        frame(8, 0, b""),
        deliver(3, b"exchange", b"caf\xc3\xa9"),
        header(3, 5, &[0, 0]),
        frame(3, 3, b"bytes"),
        frame(1, 3, &[0, 60, 0, 80, 0, 0, 0, 0, 0, 0, 0, 1, 0]),
    ]
    .concat();
    assert_eq!(scan(&frames).expect("sound"), frames);
    assert_eq!(
        scan(b"AMQP\0\0\x09\x01").expect("sound"),
        b"AMQP\0\0\x09\x01"
    );
}

#[test]
fn a_broken_header_is_replaced_and_keeps_class_channel_and_body_size() {
    let latin = [vec![0, 8], short(b"caf\xe9")].concat();
    let rest = frame(3, 9, &[1; 17]);
    let frames = [header(9, 17, &latin), rest.clone()].concat();
    let output = scan(&frames).expect("in step");
    assert_eq!(output[..3], frames[..3]);
    assert_eq!(output[7..19], frames[7..19]);
    let (mark, after) = mark(&output);
    assert_eq!(mark.reason, "the property app_id is not UTF-8");
    assert_eq!((mark.properties, mark.key), (Some(latin), None));
    assert_eq!(after, rest);
}

#[test]
fn properties_that_fill_half_a_frame_are_not_carried() {
    let deep = only_headers(&nested(900));
    assert!(deep.len() > FRAME_MAX / 2 && deep.len() < FRAME_MAX - 100);
    let output = scan(&header(1, 0, &deep)).expect("in step");
    assert!(output.len() < FRAME_MAX);
    let (mark, _) = mark(&output);
    assert_eq!(mark.properties, None);
    assert!(mark.reason.contains("deeper than 16"));
}

#[test]
fn a_header_that_does_not_fit_the_agreed_frame_is_replaced() {
    let large = only_headers(&[b"\x01aS".to_vec(), long(&vec![b'a'; 20_000])].concat());
    let good = header(1, 0, &[0, 0]);
    let frames = [header(1, 3, &large), frame(3, 1, b"abc"), good.clone()].concat();
    let output = scan(&frames).expect("in step");
    let (mark, after) = mark(&output);
    let size = format!("{} bytes", large.len());
    assert!(mark.reason.starts_with(&size), "{}", mark.reason);
    assert_eq!(after, [frame(3, 1, b"abc"), good].concat());
}

#[test]
fn a_body_that_is_too_large_is_left_out_and_another_channel_goes_on_meanwhile() {
    let large = [deliver(1, b"", b"a"), header(1, BODY_MAX + 1, &[0, 0])].concat();
    let parts = [
        frame(3, 1, &[1; 8000]),
        frame(3, 2, b"other"),
        frame(3, 1, &[1; 2001]),
    ]
    .concat();
    let next = [
        deliver(1, b"", b"a"),
        header(1, BODY_MAX, &[0, 0]),
        frame(3, 1, b"next"),
    ]
    .concat();
    let output = scan(&[large, parts, next.clone()].concat()).expect("in step");
    let first = deliver(1, b"", b"a");
    assert_eq!(output[..first.len()], first);
    assert_eq!(
        output[first.len() + 7..][..12],
        [0, 60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
    );
    let (mark, after) = mark(&output[first.len()..]);
    assert!(
        mark.too_large && mark.reason.contains("10001 bytes"),
        "{}",
        mark.reason
    );
    // It is all with the broker, and only there.
    assert_eq!(mark.properties, None);
    assert_eq!(after, [frame(3, 2, b"other"), next].concat());
}

#[test]
fn a_body_that_is_broken_off_takes_nothing_of_the_next_with_it() {
    let next = [
        deliver(1, b"", b"a"),
        header(1, 4, &[0, 0]),
        frame(3, 1, b"next"),
    ]
    .concat();
    let broken_off = [header(1, 20_000, &[0, 0]), frame(3, 1, &[1; 100])].concat();
    let output = scan(&[broken_off, next.clone()].concat()).expect("in step");
    assert!(output.ends_with(&next) && !output.windows(3).any(|bytes| bytes == [1; 3]));
}

#[test]
fn the_broker_may_agree_on_less() {
    let tune = frame(1, 0, &[0, 10, 0, 30, 0, 0, 0, 0, 0x10, 0, 0, 60]);
    let fits = |bytes: usize| {
        let text = vec![b'a'; bytes - 8 - 12 - 6 - 7];
        let table = [b"\x01aS".to_vec(), long(&text)].concat();
        let frame = header(1, 0, &only_headers(&table));
        assert_eq!(frame.len(), bytes);
        let output = scan(&[tune.clone(), frame.clone()].concat()).expect("in step");
        output[tune.len()..] == frame
    };
    assert!(fits(4096));
    assert!(!fits(4097));
}

#[test]
fn an_unreadable_routing_key_is_made_readable_and_the_message_marked() {
    let frames = [
        deliver(1, b"exchange", b"caf\xe9.a"),
        // In between, on another channel.
        header(2, 0, &[0, 0]),
        header(1, 0, &[0, 0]),
        deliver(1, b"exchange", b"a"),
        header(1, 0, &[0, 0]),
    ]
    .concat();
    let output = scan(&frames).expect("in step");
    let first = deliver(1, b"exchange", b"caf?.a");
    let other = header(2, 0, &[0, 0]);
    assert_eq!(output[..first.len()], first);
    assert_eq!(output[first.len()..][..other.len()], other);
    let (mark, after) = mark(&output[first.len() + other.len()..]);
    assert!(mark.reason.contains("routing key"));
    assert_eq!(mark.properties, Some(vec![0, 0]));
    assert_eq!(
        mark.key,
        Some([short(b"exchange"), short(b"caf\xe9.a")].concat())
    );
    let good = [deliver(1, b"exchange", b"a"), header(1, 0, &[0, 0])].concat();
    assert_eq!(after, good);
}

#[test]
fn a_return_and_the_answer_to_a_get_have_their_names_elsewhere() {
    let returned = |key: &[u8]| {
        let method = [
            b"\0\x3c\0\x32\x01\x38".to_vec(),
            short(b"NO_ROUTE"),
            short(b""),
            short(key),
        ];
        frame(1, 1, &method.concat())
    };
    let got = |key: &[u8]| {
        let method = [
            vec![0, 60, 0, 71],
            vec![0; 9],
            short(b""),
            short(key),
            vec![0; 4],
        ];
        frame(1, 1, &method.concat())
    };
    for (bad, good) in [
        (returned(b"\xff"), returned(b"?")),
        (got(b"\xff"), got(b"?")),
    ] {
        let output = scan(&[bad, header(1, 0, &[0, 0])].concat()).expect("in step");
        assert_eq!(output[..good.len()], good);
        mark(&output[good.len()..]);
    }
}

#[test]
fn nothing_passes_once_the_frames_are_lost() {
    let mut endless = header(1, 0, &[0, 0]);
    *endless.last_mut().expect("not empty") = 0;
    let mut method = deliver(1, b"", b"a");
    *method.last_mut().expect("not empty") = 0;
    let server = |table: &[u8]| frame(1, 0, &[vec![0, 10, 0, 10, 0, 9], long(table)].concat());
    assert!(scan(&server(b"\x01aV")).is_ok());
    for broken in [
        endless,
        method,
        frame(2, 1, &[0; 13]),
        frame(7, 1, b""),
        frame(3, 1, &[0; FRAME_MAX]),
        frame(1, 1, &[0; FRAME_MAX]),
        server(&nested(2000)[..6000]),
        server(&nested(17)),
    ] {
        let error = scan(&broken).expect_err("lost").to_string();
        assert!(error.starts_with("the broker sent "), "{error}");
    }
}

#[test]
fn a_mark_comes_through_lapin_s_types() {
    let mark = Mark {
        reason: "why".to_owned(),
        properties: Some(vec![0xFF]),
        key: None,
        too_large: false,
    };
    let mut headers = lapin::types::FieldTable::default();
    mark.clone().write(&mut headers);
    assert!(matches!(
        headers.inner().get(UNREADABLE_PROPERTIES),
        Some(AMQPValue::ByteArray(_))
    ));
    let properties = lapin::BasicProperties::default().with_headers(headers);
    assert_eq!(Mark::of(&properties), Some(mark));
    assert_eq!(Mark::of(&lapin::BasicProperties::default()), None);
}
