//! A broker that lies about one thing. Whatever it says, the transport goes on with it, or ends the connection
//! with a typed error and makes another; and no lie costs it a panic, a thread, or its memory.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use algedonic_amqp::Amqp;
use algedonic_transport::{ErrorKind, LinkState, Outcome, Transport};
use futures_util::StreamExt;
use tokio::time::{Instant, sleep, timeout};

use super::broker::{Broker, Lie, frame, header, method};
use crate::{
    raw::{nested, short},
    support::{alone, is_alone, lapin_threads, message, receive, soon},
};

/// Which request is answered with a lie, with which, and what comes of it.
pub(super) struct Case {
    name: &'static str,
    at: (u16, u16),
    lie: fn(u16) -> Lie,
    end: End,
}

#[derive(Clone, Copy)]
pub(super) enum End {
    /// The connection is given up, with an error that says this.
    Lost(&'static str),
    /// It is borne.
    Works,
}

/// `lie` is told on which channel it was asked.
pub(super) fn case(name: &'static str, at: (u16, u16), end: End, lie: fn(u16) -> Lie) -> Case {
    Case { name, at, lie, end }
}

/// Before anything was asked.
pub(super) const START: (u16, u16) = (0, 0);
pub(super) const LOGIN: (u16, u16) = (10, 11);
pub(super) const OPEN: (u16, u16) = (10, 40);
pub(super) const CHANNEL: (u16, u16) = (20, 10);
pub(super) const DECLARE: (u16, u16) = (40, 10);
pub(super) const CONFIRM: (u16, u16) = (85, 10);
pub(super) const PUBLISH: (u16, u16) = (60, 40);
pub(super) const CONSUME: (u16, u16) = (60, 20);

/// A method that closes the connection (class 10) or the channel (class 20).
pub(super) fn close(channel: u16, class: u16, code: u16, text: &[u8]) -> Vec<u8> {
    let number = if class == 10 { 50 } else { 40 };
    let arguments = [&code.to_be_bytes()[..], &short(text), &[0, 0, 0, 0]].concat();
    method(channel, (class, number), &arguments)
}

/// A method with a table that nests deeper than any stack is.
pub(super) fn bomb(channel: u16, number: (u16, u16), before: &[Vec<u8>]) -> Vec<u8> {
    // In a frame of 32 KiB, and far more than lapin's stack can bear.
    let table = &nested(4000)[2..];
    method(channel, number, &[&before.concat(), table].concat())
}

/// Four bytes for a consumer.
pub(super) fn delivery(channel: u16, tag: u64) -> Vec<u8> {
    [
        super::broker::deliver(channel, b"consumer", tag, b"a"),
        header(channel, 4),
        frame(3, channel, b"body"),
    ]
    .concat()
}

/// About twice what all of it needs, and far less than a broker has sent by then.
const MEMORY: u64 = 100 << 20;
/// How long a lie without an end is borne.
const FLOOD: Duration = Duration::from_secs(2);

/// Tries all of `cases` in a process of its own: threads, memory and panics are those of a process.
pub(super) fn each(test: &str, cases: impl FnOnce() -> Vec<Case>) {
    static PANICS: AtomicUsize = AtomicUsize::new(0);
    if !is_alone() {
        print!("{}", alone(&format!("hostile::{test}"), &[]));
        return;
    }
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        PANICS.fetch_add(1, Ordering::SeqCst);
        usual(panic);
    }));
    let runtime = tokio::runtime::Runtime::new().expect("started");
    let mut wrong = Vec::new();
    for case in cases() {
        let since = Instant::now();
        // The most so far is forgotten.
        std::fs::write("/proc/self/clear_refs", "5").expect("Linux");
        let told = runtime.block_on(async { timeout(Duration::from_secs(60), case.told()).await });
        let told = told.unwrap_or_else(|_| Err("it hangs".to_owned()));
        let panics = PANICS.swap(0, Ordering::SeqCst);
        let memory = resident();
        let name = case.name;
        println!(
            "{name}: {told:?} after {:?}, {} MiB",
            since.elapsed(),
            memory >> 20
        );
        if told.is_err() || panics > 0 || memory > MEMORY {
            wrong.push(format!(
                "{name}: {told:?}, {panics} panics, {} MiB",
                memory >> 20
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

impl Case {
    /// What is said of the lie; or what should not have been.
    async fn told(&self) -> Result<String, String> {
        let lying = Arc::new(AtomicBool::new(true));
        let (at, lie, lies) = (self.at, self.lie, lying.clone());
        let broker = Broker::start(move |asked| {
            (asked.method == at && lies.load(Ordering::SeqCst)).then(|| lie(asked.channel))
        })
        .await;
        let config = broker
            .config()
            .connect_timeout(Duration::from_secs(1))
            .confirm_timeout(Duration::from_millis(500))
            .backoff_schedule([Duration::from_millis(50)]);
        let amqp = Amqp::new(config).expect("started");
        let arrivals = receive(&amqp);
        let told = match self.end {
            End::Lost(words) => lost(&amqp, words).await?,
            End::Works => borne(&amqp, &broker).await?,
        };
        lying.store(false, Ordering::SeqCst);
        let again = timeout(Duration::from_secs(20), works(&amqp)).await;
        again.map_err(|_| format!("{told}; and then it is {}", amqp.link()))?;
        soon("close", amqp.close(Duration::from_secs(1))).await;
        drop((amqp, arrivals, broker));
        let threads = async {
            while lapin_threads() > 0 {
                sleep(Duration::from_millis(20)).await;
            }
        };
        let ended = timeout(Duration::from_secs(10), threads).await;
        ended.map_err(|_| format!("{told}; and a thread is left"))?;
        Ok(told)
    }
}

/// Publishes until the link is down, and says why it is.
async fn lost(amqp: &Amqp, words: &str) -> Result<String, String> {
    let mut links = amqp.links();
    let down = async {
        while let Some(link) = links.next().await {
            if link.state == LinkState::Down {
                return link.error;
            }
        }
        None
    };
    let publishing = async {
        loop {
            let outcome = soon("an outcome", amqp.send(message("a"))).await;
            if let Ok(Outcome::Rejected { reason }) = &outcome {
                return format!("a good message was rejected: {reason}");
            }
            sleep(Duration::from_millis(20)).await;
        }
    };
    let error = tokio::select! {
        error = timeout(Duration::from_secs(20), down) => error,
        wrong = publishing => return Err(wrong),
    };
    let error = error.map_err(|_| format!("it goes on: {}", amqp.link()))?;
    let error = error.ok_or("down without an error")?;
    let text = format!("{:?} {error:#}", error.kind());
    if !text.contains(words) {
        return Err(format!("{words:?} is not in {text}"));
    }
    if text.contains("canary") || text.contains(char::is_control) {
        return Err(format!("shown: {text:?}"));
    }
    // A lie is no reason to believe that an honest broker will not be there soon.
    let for_ever = [
        ErrorKind::Denied,
        ErrorKind::Misconfigured,
        ErrorKind::Conflict,
    ];
    if !error.is_transient() && !for_ever.contains(&error.kind()) {
        return Err(format!("for ever: {text}"));
    }
    Ok(text)
}

/// Publishes for a while, with the link up at its end.
async fn borne(amqp: &Amqp, broker: &Broker) -> Result<String, String> {
    let until = Instant::now() + FLOOD;
    let mut outcomes = 0;
    while Instant::now() < until {
        let outcome = soon("an outcome", amqp.send(message("a"))).await;
        if let Ok(Outcome::Rejected { reason }) = &outcome {
            return Err(format!("a good message was rejected: {reason}"));
        }
        outcomes += u32::from(outcome.is_ok());
        sleep(Duration::from_millis(20)).await;
    }
    let link = amqp.link();
    if let Some(error) = link.error {
        return Err(format!("{error:#}"));
    }
    let (taken, connections) = (broker.taken() >> 20, broker.connections());
    Ok(format!(
        "{outcomes} outcomes, {taken} MiB taken, {connections} connections"
    ))
}

/// With an honest broker.
async fn works(amqp: &Amqp) {
    while !matches!(amqp.send(message("a")).await, Ok(Outcome::Confirmed)) || !amqp.link().is_up() {
        sleep(Duration::from_millis(20)).await;
    }
}

/// The most memory that this process has had, in bytes.
pub(super) fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib: u64 = line
        .and_then(|line| line.split_whitespace().next()?.parse().ok())
        .expect("KiB");
    kib << 10
}
