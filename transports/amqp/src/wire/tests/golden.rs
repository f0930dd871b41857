//! `WIRE.md` shows a message in each form, byte by byte. What is written is that.

use algedonic_transport::{BusId, CorrelationId, Metadata, Priority, TraceContext};

use super::*;

const DOCUMENT: &str = include_str!("../../../WIRE.md");

/// The message of the examples.
fn example() -> Message {
    let time = UNIX_EPOCH + Duration::from_micros(1_795_287_600_000_001);
    let id = EventId::from_u128(0x019a_a797_0e80_7000_8000_0000_0000_0001);
    let name = Key::from_static("vsm.state_change");
    let mut metadata = Metadata::of(id, time, name, "s3.planner");
    metadata.version = 2;
    metadata.key = Key::from_static("s3.state_change");
    metadata.origin = Some(BusId::from_u128(0x019a_a797_0000_7000_8000_0000_0000_00b5));
    metadata.correlation = CorrelationId::from_text("order 7");
    metadata.causation = Some(EventId::from_u128(
        0x019a_a797_0e7f_7000_8000_0000_0000_0009,
    ));
    metadata.trace = Some(TraceContext {
        parent: TRACE.into(),
        state: Some("a=1".into()),
    });
    metadata.priority = Priority::new(5);
    metadata.expires = Some(UNIX_EPOCH + Duration::from_secs(1_795_287_660));
    Message::new(
        metadata,
        Lane::Event,
        "application/cbor",
        &b"\xa1\x61n\x07"[..],
    )
}

/// The bytes of the block below a heading. What follows `|` in a line is for people.
fn documented(heading: &str) -> Vec<u8> {
    let (_, after) = DOCUMENT
        .split_once(&format!("\n#### {heading}\n"))
        .unwrap_or_else(|| panic!("there is no {heading:?}"));
    let block = after.split("```").nth(1).expect("a block");
    let block = block.strip_prefix("text\n").expect("of text");
    block
        .lines()
        .flat_map(|line| {
            line.split('|')
                .next()
                .unwrap_or_default()
                .split_whitespace()
        })
        .map(|byte| u8::from_str_radix(byte, 16).expect("two hexadecimal digits"))
        .collect()
}

fn hex(bytes: &[u8]) -> String {
    let digits: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    digits.join(" ")
}

#[test]
fn what_is_written_is_what_is_documented() {
    for (form, name) in FORMS.into_iter().zip(["Open", "CloudEvents", "Compact"]) {
        let encoded = encode(&example(), form).expect("fits");
        for (part, bytes) in [
            ("properties", bytes_of(&encoded.properties)),
            ("body", encoded.body.to_vec()),
        ] {
            // The body of one open form is that of the other.
            let name = if part == "body" && form == WireForm::CloudEvents {
                "Open"
            } else {
                name
            };
            let heading = format!("{name}: {part}");
            assert_eq!(
                hex(&bytes),
                hex(&documented(&heading)),
                "{heading}, is and should be"
            );
        }
    }
}

#[test]
fn what_is_documented_is_what_is_read() {
    for name in ["Open", "CloudEvents", "Compact"] {
        let bytes = documented(&format!("{name}: properties"));
        let (rest, properties) = parse_properties(&*bytes).expect("properties");
        assert!(rest.is_empty());
        let body = documented(&format!("{}: body", name.replace("CloudEvents", "Open")));
        let message = read(Lane::Event, "s3.state_change", &properties, &body).expect("read");
        let (sent, came) = (example(), message);
        assert_eq!(came.metadata, sent.metadata);
        assert_eq!(
            (came.body, came.content_type),
            (sent.body, sent.content_type)
        );
        assert!(came.persistent);
    }
}

/// The sizes that the documentation gives for the properties of its example, and for an event that
/// says no more than it must.
#[test]
fn the_documented_sizes_are_right() {
    let mut least = example();
    let (id, time) = (least.metadata.id, least.metadata.time);
    least.metadata = Metadata::of(id, time, least.metadata.name, "s3.planner");
    least.metadata.origin = example().metadata.origin;
    for (form, name) in FORMS.into_iter().zip(["open", "CloudEvents", "compact"]) {
        let sizes = [&least, &example()].map(|message| {
            let encoded = encode(message, form).expect("fits");
            let envelope = encoded.body.len() - message.body.len();
            (bytes_of(&encoded.properties).len(), envelope)
        });
        let [(least, before), (most, before_most)] = sizes;
        let row = format!("| {name} | {least} | {before} | {most} | {before_most} |");
        assert!(DOCUMENT.contains(&row), "{row}");
    }
}
