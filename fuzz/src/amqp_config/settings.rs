//! The settings that an input asks for, as they are said and as they are set.

use std::{fmt, time::Duration};

use super::CANARY;
use crate::{AmqpConfig, Purpose, QueueType, Tls, TopologyMode, input::Input, wire::WireForm};

/// What was asked for, setting by setting.
#[derive(Debug)]
pub(super) struct Settings {
    /// Whether all of it is here: not where the input is a URL of its own.
    pub(super) known: bool,
    pub(super) tls: bool,
    pub(super) user: String,
    pub(super) password: Secret,
    pub(super) host: String,
    pub(super) port: Option<u16>,
    pub(super) vhost: String,
    pub(super) frame_max: Option<u32>,
    pub(super) channel_max: Option<u32>,
    /// Options of a URL that it cannot have, the last of each kind or not.
    pub(super) broken_options: Vec<&'static str>,
    pub(super) prefix: String,
    pub(super) queue: Option<String>,
    pub(super) exchanges: [Option<String>; 3],
    pub(super) queue_type: QueueType,
    pub(super) topology_mode: TopologyMode,
    pub(super) message_ttl: Option<Duration>,
    pub(super) max_length: Option<u32>,
    pub(super) fallbacks: Vec<String>,
    pub(super) with_tls: bool,
    pub(super) plaintext: bool,
    pub(super) connect_timeout: Duration,
    pub(super) heartbeat: Duration,
    pub(super) confirm_timeout: Duration,
    pub(super) pause: Pause,
    pub(super) publish_connections: usize,
    pub(super) max_unconfirmed_bytes: usize,
    pub(super) window: usize,
    pub(super) prefetch: u16,
    pub(super) max_attempts: u32,
    pub(super) max_body_bytes: usize,
}

/// A password; a failing check must not show it, or nobody could tell who did.
#[derive(Default, PartialEq)]
pub(super) struct Secret(pub(super) String);

impl std::ops::Deref for Secret {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

#[derive(Debug)]
pub(super) enum Pause {
    UpTo(Duration),
    Exactly(Vec<Duration>),
}

impl Default for Settings {
    /// What is documented as the default of each.
    fn default() -> Self {
        Self {
            known: true,
            tls: false,
            user: "guest".to_owned(),
            password: Secret("guest".to_owned()),
            host: "localhost".to_owned(),
            port: None,
            vhost: "/".to_owned(),
            frame_max: None,
            channel_max: None,
            broken_options: Vec::new(),
            prefix: "algedonic".to_owned(),
            queue: None,
            exchanges: [None, None, None],
            queue_type: QueueType::Quorum,
            topology_mode: TopologyMode::Declare,
            message_ttl: None,
            max_length: None,
            fallbacks: Vec::new(),
            with_tls: false,
            plaintext: false,
            connect_timeout: Duration::from_secs(5),
            heartbeat: Duration::from_secs(10),
            confirm_timeout: Duration::from_secs(5),
            pause: Pause::UpTo(Duration::from_secs(30)),
            publish_connections: 1,
            max_unconfirmed_bytes: 64 << 20,
            window: 512,
            prefetch: 100,
            max_attempts: 500,
            max_body_bytes: 256 << 10,
        }
    }
}

impl Settings {
    /// What a URL can say, and the parts of the environment.
    pub(super) fn of_parts(input: &mut Input<'_>) -> Self {
        let mut settings = Self::default();
        let there = input.byte();
        let has = |bit: u8| there >> bit & 1 == 1;
        if has(0) {
            settings.user = text(input);
        }
        if has(1) {
            settings.password = Secret(format!("{}{CANARY}", text(input)));
        }
        if has(2) {
            settings.host = host(input);
        }
        if has(3) {
            settings.port = Some(input.word());
        }
        if has(4) {
            settings.vhost = text(input);
        }
        if has(5) {
            settings.tls = input.bit();
        }
        settings
    }

    pub(super) fn port(&self) -> u16 {
        self.port.unwrap_or(if self.tls { 5671 } else { 5672 })
    }

    /// As a URL, in one of the ways in which it can be written. May add what only a URL says.
    pub(super) fn url(&mut self, input: &mut Input<'_>) -> String {
        let scheme = if self.tls { "amqps" } else { "amqp" };
        let (user, password) = (encoded(&self.user, input), encoded(&self.password, input));
        let host = if self.host.contains(':') {
            format!("[{}]", self.host)
        } else {
            self.host.clone()
        };
        let port = self.port.map_or(String::new(), |port| format!(":{port}"));
        let vhost = match &*self.vhost {
            "/" if input.bit() => input.one_of(&["", "/"]).to_string(),
            vhost => format!("/{}", encoded(vhost, input)),
        };
        let mut query = Vec::new();
        for _ in 0..input.byte() % 5 {
            query.push(self.option(input));
        }
        let query = if query.is_empty() && input.bit() {
            String::new()
        } else {
            format!("?{}", query.join("&"))
        };
        format!("{scheme}://{user}:{password}@{host}{port}{vhost}{query}")
    }

    /// One of the settings that a URL may end with. Of two of a kind the second counts.
    fn option(&mut self, input: &mut Input<'_>) -> String {
        let number: u32 = narrow(count(input));
        match input.byte() % 4 {
            0 => {
                self.frame_max = Some(number);
                if !(8192..=1 << 20).contains(&number) {
                    self.broken_options.push("frame_max");
                }
                format!("frame_max={number}")
            }
            1 => {
                self.channel_max = Some(number);
                if number != 0 && !(8..=65_535).contains(&number) {
                    self.broken_options.push("channel_max");
                }
                format!("channel_max={number}")
            }
            2 => {
                self.heartbeat = Duration::from_secs(number.into());
                format!("heartbeat={number}")
            }
            _ => {
                self.connect_timeout = Duration::from_millis(number.into());
                format!("connection_timeout={number}")
            }
        }
    }

    /// What cannot be in a URL, though there are words for it.
    pub(super) fn broken_in_url(&self) -> Vec<&'static str> {
        let mut broken = self.broken_options.clone();
        if self.port == Some(0) {
            broken.push("port");
        }
        if self.tls && cfg!(not(feature = "tls")) {
            broken.push("amqps://");
        }
        broken
    }

    /// What was said is what was understood.
    pub(super) fn assert_in(&self, config: &AmqpConfig) {
        let uri = &config.uri;
        assert_eq!(
            (
                uri.tls,
                &*uri.username,
                uri.password == *self.password,
                &*uri.host,
                uri.port,
                &*uri.vhost
            ),
            (
                self.tls,
                &*self.user,
                true,
                &*self.host,
                self.port(),
                &*self.vhost
            ),
        );
        assert_eq!(
            (uri.frame_max, uri.channel_max.map(u32::from)),
            (self.frame_max, self.channel_max)
        );
        assert_eq!(
            (config.connect_timeout, config.heartbeat),
            (self.connect_timeout, self.heartbeat)
        );
    }
}

/// Text that a rule may be about: long, empty, or of bytes that mean something.
pub(super) fn text(input: &mut Input<'_>) -> String {
    match input.byte() {
        0..=199 => input.text(),
        200..=219 => "n".repeat(input.byte().into()),
        220..=239 => input.text().repeat(input.byte().into()),
        _ => "n".repeat(usize::from(input.word()) / 3),
    }
}

fn host(input: &mut Input<'_>) -> String {
    const HOSTS: [&str; 8] = [
        "localhost",
        "LOCALHOST",
        "127.0.0.1",
        "127.1.2.3",
        "::1",
        "::ffff:127.0.0.1",
        "0.0.0.0",
        "broker",
    ];
    match input.byte() {
        0..=199 => (*input.one_of(&HOSTS)).to_owned(),
        _ => text(input),
    }
}

/// Percent-encoded where it must be, and where it may be.
fn encoded(text: &str, input: &mut Input<'_>) -> String {
    let all = input.bit();
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' if !all => {
                encoded.push(char::from(byte));
            }
            _ => {
                let digit = |half: u8| char::from_digit(half.into(), 16).expect("four bits");
                encoded.extend(['%', digit(byte >> 4), digit(byte & 15)]);
            }
        }
    }
    encoded
}

fn duration(input: &mut Input<'_>) -> Duration {
    let near = [
        0,
        1,
        9,
        10,
        11,
        99,
        100,
        101,
        999,
        1000,
        1001,
        20_000,
        300_000,
        300_001,
        3_600_000,
        3_600_001,
        2_592_000_000,
        2_592_000_001,
    ];
    match input.byte() % 4 {
        0 | 1 => Duration::from_millis(*input.one_of(&near)),
        2 => Duration::from_secs(u64::from(input.word())),
        _ => Duration::new(input.number(), u32::from(input.word()) << 13),
    }
}

fn count(input: &mut Input<'_>) -> u64 {
    let near = [
        0,
        1,
        2,
        15,
        16,
        17,
        1000,
        1001,
        2000,
        2001,
        4096,
        4097,
        8191,
        8192,
        1 << 20,
        (1 << 20) + 1,
        16 << 20,
        (16 << 20) + 1,
        1 << 30,
        (1 << 30) + 1,
        u64::MAX,
    ];
    match input.byte() % 4 {
        0..=2 => *input.one_of(&near),
        _ => input.number() >> (input.byte() % 64),
    }
}

/// Up to 32 setters, in any order, and some of them twice.
pub(super) fn refine(
    mut config: AmqpConfig,
    settings: &mut Settings,
    input: &mut Input<'_>,
) -> AmqpConfig {
    for _ in 0..32 {
        if input.is_empty() {
            break;
        }
        config = set(config, settings, input);
    }
    config
}

fn set(config: AmqpConfig, settings: &mut Settings, input: &mut Input<'_>) -> AmqpConfig {
    match input.byte() % 24 {
        0 => {
            settings.prefix = text(input);
            config.prefix(&settings.prefix)
        }
        1 => {
            let queue = text(input);
            settings.queue = Some(queue.clone());
            config.queue(queue)
        }
        2 => {
            let index = usize::from(input.byte() % 3);
            let purpose = [Purpose::Events, Purpose::Signals, Purpose::Commands][index];
            let name = text(input);
            settings.exchanges[index] = Some(name.clone());
            config.exchange(purpose, name)
        }
        3 => {
            settings.queue_type = *input.one_of(&[QueueType::Quorum, QueueType::Classic]);
            config.queue_type(settings.queue_type)
        }
        4 => {
            settings.topology_mode = *input.one_of(&[TopologyMode::Declare, TopologyMode::Expect]);
            config.topology_mode(settings.topology_mode)
        }
        5 => {
            settings.message_ttl = input.bit().then(|| duration(input));
            config.message_ttl(settings.message_ttl)
        }
        6 => {
            settings.max_length = input.bit().then(|| narrow(count(input)));
            config.max_length(settings.max_length)
        }
        7 | 8 => {
            let port = *input.one_of(&["", ":", ":1", ":0", ":65535", ":65536", ":x"]);
            let host = host(input);
            let address = match input.byte() % 3 {
                0 => format!("[{host}]{port}"),
                _ => format!("{host}{port}"),
            };
            settings.fallbacks.push(address.clone());
            config.fallback(address)
        }
        9 => {
            settings.with_tls = true;
            config.tls(
                Tls::new()
                    .authority_pem(input.bytes())
                    .identity_pem(input.bytes(), CANARY),
            )
        }
        10 | 11 => {
            settings.plaintext = input.bit();
            config.allow_plaintext_login(settings.plaintext)
        }
        12 => {
            settings.connect_timeout = duration(input);
            config.connect_timeout(settings.connect_timeout)
        }
        13 => {
            settings.heartbeat = duration(input);
            config.heartbeat(settings.heartbeat)
        }
        14 => {
            settings.confirm_timeout = duration(input);
            config.confirm_timeout(settings.confirm_timeout)
        }
        15 => {
            let cap = duration(input);
            settings.pause = Pause::UpTo(cap);
            config.max_backoff(cap)
        }
        16 => {
            let pauses: Vec<_> = (0..input.byte() % 4).map(|_| duration(input)).collect();
            settings.pause = Pause::Exactly(pauses.clone());
            config.backoff_schedule(pauses)
        }
        17 => {
            settings.publish_connections = large(count(input));
            config.publish_connections(settings.publish_connections)
        }
        18 => {
            settings.max_unconfirmed_bytes = large(count(input));
            config.max_unconfirmed_bytes(settings.max_unconfirmed_bytes)
        }
        19 => {
            settings.window = large(count(input));
            config.window(settings.window)
        }
        20 => {
            settings.prefetch = narrow(count(input));
            config.prefetch(settings.prefetch)
        }
        21 => {
            settings.max_attempts = narrow(count(input));
            config.max_attempts(settings.max_attempts)
        }
        22 => {
            settings.max_body_bytes = large(count(input));
            config.max_body_bytes(settings.max_body_bytes)
        }
        _ => config.wire_form(*input.one_of(&[
            WireForm::Open,
            WireForm::CloudEvents,
            WireForm::Compact,
        ])),
    }
}

/// The number, or the most that the type holds.
fn narrow<T: TryFrom<u64> + Bounded>(number: u64) -> T {
    T::try_from(number).unwrap_or(T::MOST)
}

fn large(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

trait Bounded {
    const MOST: Self;
}

impl Bounded for u16 {
    const MOST: Self = Self::MAX;
}

impl Bounded for u32 {
    const MOST: Self = Self::MAX;
}
