//! What a broker says of itself and of its refusals: its version is found however its greeting is cut, as
//! lapin finds it; and whatever its words are, the error that is made of them is a typed one that can be
//! shown.

use algedonic_transport::ErrorKind;
use amq_protocol::{
    frame::{AMQPFrame, parse_frame},
    protocol::{
        AMQPClass, AMQPError, AMQPErrorKind, AMQPHardError, AMQPSoftError, connection::AMQPMethod,
    },
};
use lapin::types::{AMQPValue, ShortString};

use crate::{
    error::{During, blocked, classify, words},
    greeting::{Greeting, Heard},
    heap,
    input::Input,
};

/// The input is a greeting or the words of a refusal.
pub fn check(data: &[u8]) {
    let mut input = Input::new(data);
    match input.byte() % 4 {
        0 => greeting(&mut input, |bytes| bytes.to_vec()),
        1 => greeting(&mut input, |product| start(product)),
        _ => refusal(&mut input),
    }
}

fn greeting(input: &mut Input<'_>, made: impl FnOnce(&[u8]) -> Vec<u8>) {
    let cut = usize::from(input.byte()) + 1;
    let bytes = made(input.rest());
    let (at_once, cut_up) = heap::within(64 * 1024, || {
        let mut greeting = Greeting::default();
        let at_once = greeting.feed(&bytes);
        let mut greeting = Greeting::default();
        let mut heard = bytes.chunks(cut).filter_map(|piece| greeting.feed(piece));
        (at_once, (heard.next(), heard.next()))
    });
    assert_eq!(
        cut_up,
        (at_once, None),
        "told once, and the same however it comes"
    );
    // What lapin cannot read is the end of the connection, whatever was heard.
    if let Some(read) = lapins(&bytes) {
        let heard = match at_once {
            Some(Heard::RabbitMq(version)) => Some(version.to_string()),
            _ => None,
        };
        assert_eq!(heard, read);
    }
}

/// A greeting as RabbitMQ's, of this product and version.
fn start(text: &[u8]) -> Vec<u8> {
    let long = |bytes: &[u8]| {
        let length = u32::try_from(bytes.len()).expect("an input is short");
        [&length.to_be_bytes()[..], bytes].concat()
    };
    let mut parts = text.splitn(3, |byte| *byte == 0);
    let mut part = || parts.next().unwrap_or_default();
    let (product, version, more) = (part(), part(), part());
    let product = if product.is_empty() {
        b"RabbitMQ"
    } else {
        product
    };
    let table = [
        b"\x07productS",
        &*long(product),
        b"\x07versionS",
        &long(version),
        more,
    ]
    .concat();
    let payload = [
        &[0, 10, 0, 10, 0, 9],
        &*long(&table),
        &long(b"PLAIN"),
        &long(b"en_US"),
    ]
    .concat();
    [&[1, 0, 0], &*long(&payload), &[0xCE]].concat()
}

/// The version, if it is RabbitMQ's and has one, in a greeting that lapin can read: one that nests no deeper
/// than it can bear.
fn lapins(bytes: &[u8]) -> Option<Option<String>> {
    // It calls itself for each table in a table; a level takes five bytes at the least.
    if bytes.len() > 4000 {
        return None;
    }
    let (_, AMQPFrame::Method(_, AMQPClass::Connection(AMQPMethod::Start(start)))) =
        parse_frame(bytes).ok()?
    else {
        return None;
    };
    let text = |name: &str| match start.server_properties.inner().get(name) {
        Some(AMQPValue::LongString(text)) => std::str::from_utf8(text.as_bytes()).ok(),
        _ => None,
    };
    if text("product") != Some("RabbitMQ") {
        return Some(None);
    }
    let mut numbers = text("version")
        .into_iter()
        .flat_map(|version| version.split(['.', '-', '+']))
        .map(|text| text.parse::<u16>().ok());
    let first = numbers.next().flatten();
    let mut number = || numbers.next().flatten().unwrap_or(0);
    Some(first.map(|first| format!("{first}.{}.{}", number(), number())))
}

fn refusal(input: &mut Input<'_>) {
    const SOFT: [AMQPSoftError; 4] = [
        AMQPSoftError::ACCESSREFUSED,
        AMQPSoftError::NOTFOUND,
        AMQPSoftError::PRECONDITIONFAILED,
        AMQPSoftError::RESOURCELOCKED,
    ];
    const HARD: [AMQPHardError; 5] = [
        AMQPHardError::NOTALLOWED,
        AMQPHardError::COMMANDINVALID,
        AMQPHardError::CONNECTIONFORCED,
        AMQPHardError::FRAMEERROR,
        AMQPHardError::INTERNALERROR,
    ];
    const DURING: [During; 5] = [
        During::Connect,
        During::Declare,
        During::Expect,
        During::Publish,
        During::Consume,
    ];
    const BEGINNINGS: [&str; 8] = [
        "",
        "PRECONDITION_FAILED - inequivalent arg '",
        "PRECONDITION_FAILED - inequivalent arg 'x-message-ttl' for queue 'q' in vhost '/': received the value '",
        "PRECONDITION_FAILED - inequivalent arg 'durable' for queue 'q' in vhost '/': received 'true' but current is '",
        "ACCESS_REFUSED - ",
        "ACCESS_REFUSED - configure access to ",
        "NOT_ALLOWED - vhost ",
        "NOT_ALLOWED - access to vhost 'v' refused for user '",
    ];
    let during = *input.one_of(&DURING);
    let kind = if input.bit() {
        AMQPErrorKind::Hard(input.one_of(&HARD).clone())
    } else {
        AMQPErrorKind::Soft(input.one_of(&SOFT).clone())
    };
    let beginning = *input.one_of(&BEGINNINGS);
    let text = format!("{beginning}{}", input.text());
    let Ok(short) = ShortString::try_new(&*text) else {
        return;
    };
    let error = AMQPError::new(kind, short);
    let error = lapin::Error::from(lapin::ErrorKind::ProtocolError(error));
    let (made, alarm) = heap::within(64 * 1024, || {
        (classify(during, "queue q", &error), blocked(&text))
    });
    for error in [made, alarm] {
        assert_ne!(error.kind(), ErrorKind::Malformed);
        let shown = format!("{error} {error:#}");
        assert!(!shown.contains(char::is_control), "{shown:?}");
        assert!(
            shown.contains("queue q") || shown.contains("blocked"),
            "{shown}"
        );
        assert!(shown.len() < 8000, "{} bytes", shown.len());
    }
    assert!(!words(&error).contains(char::is_control));
}
