//! Messages from other programs: whatever they hold, reading them never panics, each is counted
//! once, and a good one that comes after them arrives.

use std::{borrow::Cow, collections::BTreeMap, fmt, time::Duration};

use algedonic::{
    Buffer, Bus, Counts, Event, EventId, Key, Metadata, Mirror, Signal, Subscription,
    memory::Broker,
    transport::{Lane, Message, Outcome, Transport},
};
use serde::{Deserialize, Serialize};

use crate::input::Input;

/// What the bus knows: something of everything that a body can hold.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Report {
    text: String,
    number: f64,
    list: Vec<i64>,
    maybe: Option<bool>,
    mood: Mood,
    map: BTreeMap<String, u8>,
    inner: Vec<Self>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
enum Mood {
    #[default]
    Calm,
    Tense(char),
    Torn {
        between: (u8, i128),
    },
}

impl Event for Report {
    const NAME: &'static str = "fuzz.report";
    const VERSION: u32 = 3;
    const KEYS: &'static str = "fuzz.#";
}

/// How many messages one input holds at most: fewer than any buffer on the way.
const MESSAGES: usize = 16;

/// The input is a row of messages.
pub fn check(data: &[u8]) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime");
    runtime.block_on(receive(Input::new(data)));
}

async fn receive(mut input: Input<'_>) {
    let broker = Broker::new();
    let mirror = Mirror::new(broker.transport("there")).inbound::<Report>();
    let bus = Bus::builder().mirror(mirror).build();
    let bus = bus.expect("a good configuration");
    let mut reports = bus.subscribe_with::<Report>(Buffer::block(MESSAGES + 1));
    let signals = bus.signals();
    let foreign = broker.transport("foreign");

    let mut sent = 0;
    let mut last = EventId::from_u128(0);
    while sent < MESSAGES as u64 && !input.is_empty() {
        let message = message(&mut input, last);
        last = message.metadata.id;
        send(&foreign, message).await;
        sent += 1;
    }
    let good = Report {
        text: "good".into(),
        inner: vec![Report::default()],
        ..Report::default()
    };
    let last = EventId::new();
    send(&foreign, good_message(last, &good)).await;
    sent += 1;

    let arrived = arrival(&mut reports, last).await;
    assert_eq!(arrived, good);
    let counted = all_counted(&bus, sent).await;
    assert_eq!(counted, sent, "{:?}", bus.counts());
    let counts = bus.counts();
    assert_eq!(
        broker.dead_letters("there").len() as u64,
        counts.malformed + counts.unknown_type,
        "{counts:?}"
    );
    assert_eq!(
        (counts.received, counts.dropped, counts.undelivered),
        (counts.delivered, 0, 0),
        "one subscriber of each kind gets all that was received: {counts:?}"
    );
    for lane in Lane::ALL {
        let left = (
            broker.waiting("there", lane),
            broker.unsettled("there", lane),
        );
        assert_eq!(left, (0, 0), "unread or unsettled on the lane of {lane}");
    }
    drop(signals);
}

/// The event of this id, which comes after all others.
async fn arrival(reports: &mut Subscription<Report>, id: EventId) -> Report {
    let arrival = async {
        loop {
            let report = reports.recv().await.expect("open").expect("no gap");
            if report.id() == id {
                return (*report).clone();
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), arrival)
        .await
        .expect("a good message arrives after any other")
}

/// How many messages were counted, once that is at least so many; the lanes do not wait for each other.
async fn all_counted(bus: &Bus, least: u64) -> u64 {
    const TURNS: usize = 10_000;
    let counted = |counts: Counts| {
        counts.received + counts.malformed + counts.unknown_type + counts.duplicates
    };
    for _ in 0..TURNS {
        if counted(bus.counts()) >= least {
            // One that is counted twice has its time, too.
            tokio::task::yield_now().await;
            return counted(bus.counts());
        }
        tokio::task::yield_now().await;
    }
    panic!("a message was not counted, of {least}: {:?}", bus.counts());
}

async fn send(transport: &impl Transport, message: Message) {
    let shown = Shown(message.clone());
    let outcome = transport.send(message).await;
    assert!(
        matches!(outcome, Ok(Outcome::Confirmed)),
        "{shown}: {outcome:?}"
    );
}

struct Shown(Message);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} with {:02x?}", self.0, self.0.body)
    }
}

/// The bits of a message's first byte, which choose between what is likely and what is arbitrary.
mod choice {
    pub(super) const SIGNAL: u8 = 1;
    pub(super) const OTHER_TYPE: u8 = 2;
    pub(super) const OTHER_NAME: u8 = 4;
    pub(super) const SAME_ID: u8 = 8;
    pub(super) const OTHER_VERSION: u8 = 16;
    pub(super) const RAW_BODY: u8 = 32;
    pub(super) const DEEP_BODY: u8 = 64;
}

fn message(input: &mut Input<'_>, last: EventId) -> Message {
    let choices = input.byte();
    let chosen = |choice| choices & choice != 0;
    let lane = if chosen(choice::SIGNAL) {
        Lane::Signal
    } else {
        Lane::Event
    };
    let content_type = if chosen(choice::OTHER_TYPE) {
        Cow::Owned(String::from_utf8_lossy(input.bytes()).into_owned())
    } else {
        Cow::Borrowed("application/cbor")
    };
    let usual_name = match lane {
        Lane::Event | Lane::Command => Report::NAME,
        Lane::Signal => Signal::NAME,
    };
    let name = if chosen(choice::OTHER_NAME) {
        name(input.bytes())
    } else {
        Key::from_static(usual_name)
    };
    let version = if chosen(choice::OTHER_VERSION) {
        u32::from_be_bytes([(); 4].map(|()| input.byte()))
    } else {
        1
    };
    let id = if chosen(choice::SAME_ID) {
        last
    } else {
        EventId::new()
    };
    let body = if chosen(choice::RAW_BODY) {
        input.many_bytes().to_vec()
    } else if chosen(choice::DEEP_BODY) {
        deep(input)
    } else {
        mutated(input)
    };
    Message::new(metadata(id, lane, name, version), lane, content_type, body)
}

fn good_message(id: EventId, report: &Report) -> Message {
    let metadata = metadata(id, Lane::Event, Key::from_static(Report::NAME), 3);
    let content_type = "Application/CBOR; good=1";
    Message::new(metadata, Lane::Event, content_type, encoded(report))
}

fn metadata(id: EventId, lane: Lane, name: Key, version: u32) -> Metadata {
    let mut metadata = Metadata::new(name, "foreign");
    metadata.id = id;
    metadata.version = version;
    metadata.key = Key::from_static(match lane {
        Lane::Event | Lane::Command => "fuzz.some.key",
        Lane::Signal => "algedonic.pain.high",
    });
    metadata
}

/// The bytes as a key; what cannot stand in one is replaced.
fn name(bytes: &[u8]) -> Key {
    let text = String::from_utf8_lossy(bytes);
    Key::new(&*text).unwrap_or_else(|_| {
        let word: String = bytes
            .iter()
            .map(|byte| char::from(b'a' + byte % 26))
            .collect();
        Key::new(format!("fuzz.{word}")).unwrap_or(Key::from_static("fuzz"))
    })
}

/// A body that is nearly good: some of its bytes are other bytes, or its end is missing.
fn mutated(input: &mut Input<'_>) -> Vec<u8> {
    let mut report = Report {
        text: String::from_utf8_lossy(input.bytes()).into_owned(),
        number: f64::from(input.byte()),
        list: vec![i64::MIN, 0, i64::from(input.byte())],
        maybe: Some(true),
        mood: Mood::Torn {
            between: (1, i128::MIN),
        },
        map: BTreeMap::from([("a".into(), 1)]),
        inner: vec![],
    };
    for _ in 0..input.byte() % 40 {
        report = Report {
            mood: Mood::Tense('t'),
            inner: vec![report],
            ..Report::default()
        };
    }
    let mut body = encoded(&report);
    for change in input.bytes().chunks_exact(3) {
        let at = usize::from(u16::from_be_bytes([change[0], change[1]])) % body.len();
        body[at] ^= change[2];
    }
    let missing = usize::from(input.byte().saturating_sub(192));
    body.truncate(body.len().saturating_sub(missing));
    body
}

/// A body that nests deeper than any stack, in places where something else is read each time.
fn deep(input: &mut Input<'_>) -> Vec<u8> {
    const BEFORE: [&[u8]; 4] = [b"", b"\xa1\x67unknown", b"\xa1\x65inner", b"\xa1\x64mood"];
    const LEVEL: [&[u8]; 5] = [
        b"\xa1\x65inner\x81", // a report in a report
        b"\x81",              // a list in a list
        b"\x9f",              // the same, of unknown length
        b"\xbf\x61k",         // a map in a map
        b"\xc2",              // a tag on a tag
    ];
    let before = BEFORE[usize::from(input.byte()) % BEFORE.len()];
    let level = LEVEL[usize::from(input.byte()) % LEVEL.len()];
    let levels = u16::from_be_bytes([input.byte(), input.byte()]) / 4;
    [before, &level.repeat(levels.into()), b"\xa0"].concat()
}

fn encoded(report: &Report) -> Vec<u8> {
    let mut body = Vec::new();
    ciborium::into_writer(report, &mut body).expect("a vector takes everything");
    body
}
