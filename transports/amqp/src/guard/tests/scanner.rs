use lapin::{protocol::basic::parse_properties, types::AMQPValue};

use super::{
    super::{
        mark::{Mark, UNREADABLE_PROPERTIES},
        scanner::{Broken, Limits, Scanner, Step},
    },
    deliver, frame, header, long, method, nested, only_headers, opening, settle, short,
};

const FRAME_MAX: usize = 8192;
const BODY_MAX: u64 = 10_000;

/// All that comes out for `input`, at once.
fn scan(input: &[u8]) -> Result<Vec<u8>, Broken> {
    let mut scanner = Scanner::new(Limits {
        frame_max: FRAME_MAX,
        body_max: BODY_MAX,
    });
    scanner.sent(&opening(1..10));
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
fn after_its_close_a_broker_has_nothing_more_to_say() {
    let close = method(0, 10, 50, &[vec![1, 64], short(b"so"), vec![0; 4]]);
    let close_ok = method(0, 10, 51, &[]);
    let more = [
        method(1, 40, 11, &[]),
        frame(3, 1, b"bytes"),
        frame(99, 7, b"what"),
        close_ok.clone(),
        method(1, 20, 41, &[]),
        method(1, 10, 51, &[]),
        frame(b'A', 0, b"nother protocol"),
    ]
    .concat();
    let all = [close.clone(), more].concat();
    assert_eq!(scan(&all).expect("sound"), [close, close_ok].concat());
}

#[test]
fn sound_frames_pass() {
    let frames = [
        frame(8, 0, b""),
        deliver(3, 1, b"exchange", b"caf\xc3\xa9"),
        header(3, 5, &[0, 0]),
        frame(3, 3, b"bytes"),
        settle(3, 80, 10, 1),
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
    let method = deliver(9, 1, b"", b"a");
    let frames = [header(9, 17, &latin), rest.clone()].concat();
    let output = scan(&[&method, &*frames].concat()).expect("in step");
    let output = &output[method.len()..];
    assert_eq!(output[..3], frames[..3]);
    assert_eq!(output[7..19], frames[7..19]);
    let (mark, after) = mark(output);
    assert_eq!(mark.reason, "the property app_id is not UTF-8");
    assert_eq!((mark.properties, mark.key), (Some(latin), None));
    assert_eq!(after, rest);
}

#[test]
fn properties_that_fill_half_a_frame_are_not_carried() {
    let deep = only_headers(&nested(900));
    assert!(deep.len() > FRAME_MAX / 2 && deep.len() < FRAME_MAX - 100);
    let method = deliver(1, 1, b"", b"a");
    let output = scan(&[&*method, &header(1, 0, &deep)].concat()).expect("in step");
    assert!(output.len() < FRAME_MAX);
    let (mark, _) = mark(&output[method.len()..]);
    assert_eq!(mark.properties, None);
    assert!(mark.reason.contains("deeper than 16"));
}

#[test]
fn a_header_that_does_not_fit_the_agreed_frame_is_replaced() {
    let large = only_headers(&[b"\x01aS".to_vec(), long(&vec![b'a'; 20_000])].concat());
    let method = deliver(1, 1, b"", b"a");
    let good = [deliver(1, 2, b"", b"a"), header(1, 0, &[0, 0])].concat();
    let frames = [header(1, 3, &large), frame(3, 1, b"abc"), good.clone()].concat();
    let output = scan(&[&*method, &frames].concat()).expect("in step");
    let (mark, after) = mark(&output[method.len()..]);
    let size = format!("{} bytes", large.len());
    assert!(mark.reason.starts_with(&size), "{}", mark.reason);
    assert_eq!(after, [frame(3, 1, b"abc"), good].concat());
}

#[test]
fn a_body_that_is_too_large_is_left_out_and_another_channel_goes_on_meanwhile() {
    let other = [deliver(2, 1, b"", b"a"), header(2, 5, &[0, 0])].concat();
    let large = [deliver(1, 1, b"", b"a"), header(1, BODY_MAX + 1, &[0, 0])].concat();
    let parts = [
        frame(3, 1, &[1; 8000]),
        frame(3, 2, b"other"),
        frame(3, 1, &[1; 2001]),
    ]
    .concat();
    let next = [
        deliver(1, 2, b"", b"a"),
        header(1, BODY_MAX, &[0, 0]),
        frame(3, 1, b"next"),
    ]
    .concat();
    let output = scan(&[&*other, &large, &parts, &next].concat()).expect("in step");
    let first = [&*other, &deliver(1, 1, b"", b"a")].concat();
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
        deliver(1, 2, b"", b"a"),
        header(1, 4, &[0, 0]),
        frame(3, 1, b"next"),
    ]
    .concat();
    let broken_off = |size| {
        let begun = [deliver(1, 1, b"", b"a"), header(1, size, &[0, 0])].concat();
        [begun, frame(3, 1, &[1; 100])].concat()
    };
    let output = scan(&[broken_off(20_000), next.clone()].concat()).expect("in step");
    assert!(output.ends_with(&next) && !output.windows(3).any(|bytes| bytes == [1; 3]));
    // One that lapin has begun to read is the end of the connection.
    let error = scan(&[broken_off(200), next].concat()).expect_err("half of it has gone on");
    assert!(error.to_string().contains("broken off"), "{error}");
}

#[test]
fn the_broker_may_agree_on_less() {
    let tune = frame(1, 0, &[0, 10, 0, 30, 0, 0, 0, 0, 0x10, 0, 0, 60]);
    let fits = |bytes: usize| {
        let text = vec![b'a'; bytes - 8 - 12 - 6 - 7];
        let table = [b"\x01aS".to_vec(), long(&text)].concat();
        let frame = header(1, 0, &only_headers(&table));
        assert_eq!(frame.len(), bytes);
        let before = [&*tune, &deliver(1, 1, b"", b"a")].concat();
        let output = scan(&[&*before, &frame].concat()).expect("in step");
        output[before.len()..] == frame
    };
    assert!(fits(4096));
    assert!(!fits(4097));
}

#[test]
fn an_unreadable_routing_key_is_made_readable_and_the_message_marked() {
    let frames = [
        deliver(1, 1, b"exchange", b"caf\xe9.a"),
        // In between, on another channel.
        deliver(2, 1, b"exchange", b"a"),
        header(2, 0, &[0, 0]),
        header(1, 0, &[0, 0]),
        deliver(1, 2, b"exchange", b"a"),
        header(1, 0, &[0, 0]),
    ]
    .concat();
    let output = scan(&frames).expect("in step");
    let first = deliver(1, 1, b"exchange", b"caf?.a");
    let other = [deliver(2, 1, b"exchange", b"a"), header(2, 0, &[0, 0])].concat();
    assert_eq!(output[..first.len()], first);
    assert_eq!(output[first.len()..][..other.len()], other);
    let (mark, after) = mark(&output[first.len() + other.len()..]);
    assert!(mark.reason.contains("routing key"));
    assert_eq!(mark.properties, Some(vec![0, 0]));
    assert_eq!(
        mark.key,
        Some([short(b"exchange"), short(b"caf\xe9.a")].concat())
    );
    let good = [deliver(1, 2, b"exchange", b"a"), header(1, 0, &[0, 0])].concat();
    assert_eq!(after, good);
}

#[test]
fn a_return_and_the_answer_to_a_get_have_their_names_elsewhere() {
    let returned = |text: &[u8], key: &[u8]| {
        let arguments = [vec![0x01, 0x38], short(text), short(b""), short(key)];
        method(1, 60, 50, &arguments)
    };
    let got = |key: &[u8]| {
        let tag = 1_u64.to_be_bytes().to_vec();
        method(
            1,
            60,
            71,
            &[tag, vec![0], short(b""), short(key), vec![0; 4]],
        )
    };
    for (bad, good) in [
        (returned(b"caf\xe9", b"\xff"), returned(b"caf?", b"?")),
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
    let mut unended = deliver(1, 1, b"", b"a");
    *unended.last_mut().expect("not empty") = 0;
    let server = |table: &[u8]| frame(1, 0, &[vec![0, 10, 0, 10, 0, 9], long(table)].concat());
    assert!(scan(&server(b"\x01aV")).is_ok());
    for broken in [
        [deliver(1, 1, b"", b"a"), endless].concat(),
        unended,
        frame(2, 1, &[0; 13]),
        [deliver(1, 1, b"", b"a"), frame(2, 1, &[0; 14])].concat(),
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
fn what_only_clients_say_and_what_nobody_has_opened_is_the_end() {
    let table = [b"\x01aF".to_vec(), long(&[])].concat();
    let start = [vec![0, 9], long(b""), long(b"PLAIN"), long(b"en_US")];
    let start = method(0, 10, 10, &start);
    assert!(scan(&start).is_ok());
    for (broken, why) in [
        (
            method(
                1,
                40,
                10,
                &[
                    vec![0, 0],
                    short(b"e"),
                    short(b"topic"),
                    vec![0],
                    long(&table),
                ],
            ),
            "no broker sends",
        ),
        (method(0, 10, 11, &[long(&table)]), "no broker sends"),
        (method(1, 60, 40, &[]), "no broker sends"),
        (method(1, 99, 1, &[]), "no broker sends"),
        (frame(1, 1, &[1, 60, 0, 80]), "no known class"),
        (frame(1, 1, &[0, 60, 0]), "no known class"),
        (frame(1, 1, &[]), "no known class"),
        (method(1, 10, 50, &[]), "on a channel"),
        (method(0, 60, 80, &[]), "not open"),
        (deliver(10, 1, b"", b"a"), "not open"),
        (frame(3, 10, b""), "not open"),
        // A broker greets once.
        (start.repeat(2), "a second greeting"),
        // It was closed.
        (
            [method(2, 20, 41, &[]), deliver(2, 1, b"", b"a")].concat(),
            "not open",
        ),
    ] {
        let error = scan(&broken).expect_err(why).to_string();
        assert!(error.contains(why), "{why}: {error}");
    }
}

#[test]
fn reasons_that_were_cut_in_the_middle_of_a_letter_can_be_read() {
    let close = |channel, class, number, text: &[u8]| {
        let arguments = [vec![1, 0x96], short(text), vec![0, 0, 0, 0]];
        method(channel, class, number, &arguments)
    };
    for (bad, good) in [
        (close(0, 10, 50, b"caf\xc3"), close(0, 10, 50, b"caf?")),
        (
            close(1, 20, 40, b"caf\xc3\xa9\xc3"),
            close(1, 20, 40, b"caf???"),
        ),
        (
            method(0, 10, 60, &[short(b"\xff")]),
            method(0, 10, 60, &[short(b"?")]),
        ),
    ] {
        assert_eq!(scan(&bad).expect("in step"), good);
        assert_eq!(scan(&good).expect("in step"), good);
    }
}

#[test]
fn alarms_come_one_by_one() {
    let alarm = [
        method(0, 10, 60, &[short(b"low on memory")]),
        method(0, 10, 61, &[]),
    ]
    .concat();
    assert!(scan(&alarm.repeat(500)).is_ok());
    let error = scan(&alarm.repeat(501)).expect_err("far too many");
    assert!(error.to_string().contains("alarm"), "{error}");
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
