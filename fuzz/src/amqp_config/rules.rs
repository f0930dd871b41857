//! Which settings cannot be accepted: what the documentation says of each, read once more.

use std::time::Duration;

use super::settings::{Pause, Settings};
use crate::{QueueType, TopologyMode, pattern::is_key};

/// A word of each rule that these settings break, as the error has to have it.
pub(super) fn broken(settings: &Settings) -> Vec<&'static str> {
    let mut broken = Vec::new();
    let mut rule = |name: &'static str, holds: bool| {
        if !holds {
            broken.push(name);
        }
    };
    let name =
        |text: &str| is_key(text) && text.len() <= 100 && text.split('.').next() != Some("amq");
    let text = |text: &str, most: usize| {
        (1..=most).contains(&text.len()) && !text.chars().any(char::is_control)
    };
    rule("prefix", name(&settings.prefix));
    rule(
        "queue",
        settings
            .queue
            .as_deref()
            .is_none_or(|queue| text(queue, 100)),
    );
    let exchanges = ["events", "signals", "commands"];
    let exchanges: Vec<_> = exchanges
        .iter()
        .zip(&settings.exchanges)
        .map(|(word, own)| own.clone().unwrap_or(format!("{}.{word}", settings.prefix)))
        .collect();
    rule(
        "exchange",
        settings.exchanges.iter().flatten().all(|own| name(own)),
    );
    rule(
        "exchange",
        exchanges[0] != exchanges[1]
            && exchanges[1] != exchanges[2]
            && exchanges[2] != exchanges[0],
    );
    // Those that part signals by their level.
    let parts = ["levels", "critical", "high", "medium", "low"];
    let parts = parts.map(|part| format!("{}.{part}", exchanges[1]));
    rule(
        "exchange",
        !parts.contains(&exchanges[0]) && !parts.contains(&exchanges[2]),
    );

    rule("vhost", text(&settings.vhost, 255));
    rule(
        "user",
        settings.user.len() <= 255 && !settings.user.contains('\0'),
    );
    rule(
        "password",
        settings.password.len() <= 16 * 1024 && !settings.password.contains('\0'),
    );
    rule("host", is_host(&settings.host));
    let fallbacks: Vec<_> = settings
        .fallbacks
        .iter()
        .map(|text| address(text))
        .collect();
    rule(
        "fallback",
        fallbacks.len() <= 15 && fallbacks.iter().all(Option::is_some),
    );
    rule("tls", !settings.with_tls || settings.tls);
    let hosts = fallbacks
        .into_iter()
        .flatten()
        .chain([settings.host.clone()]);
    rule(
        "allow_plaintext_login",
        settings.tls || settings.plaintext || hosts.into_iter().all(|host| is_this_one(&host)),
    );

    let named = settings.queue.is_some();
    rule(
        "topology_mode",
        named || settings.topology_mode != TopologyMode::Expect,
    );
    let _: QueueType = settings.queue_type;
    let seconds = Duration::from_secs;
    let millis = Duration::from_millis;
    let day = seconds(24 * 3600);
    rule(
        "message_ttl",
        settings
            .message_ttl
            .is_none_or(|ttl| (seconds(1)..=day * 30).contains(&ttl)),
    );
    rule("max_length", settings.max_length != Some(0));

    rule(
        "connect_timeout",
        (millis(100)..=seconds(300)).contains(&settings.connect_timeout),
    );
    let beat = settings.heartbeat;
    rule(
        "heartbeat",
        (seconds(1)..=seconds(3600)).contains(&beat) && beat.subsec_nanos() == 0,
    );
    rule(
        "confirm_timeout",
        settings.confirm_timeout >= millis(10) && settings.confirm_timeout / 2 < beat,
    );
    let hour = seconds(3600);
    match &settings.pause {
        Pause::UpTo(cap) => rule("max_backoff", (millis(100)..=hour).contains(cap)),
        Pause::Exactly(pauses) => rule(
            "backoff_schedule",
            !pauses.is_empty()
                && pauses
                    .iter()
                    .all(|pause| (millis(10)..=hour).contains(pause)),
        ),
    }
    rule(
        "publish_connections",
        (1..=16).contains(&settings.publish_connections),
    );
    rule("window", (1..=4096).contains(&settings.window));
    rule("prefetch", (1..=2000).contains(&settings.prefetch));
    rule("max_attempts", (2..=1000).contains(&settings.max_attempts));
    rule(
        "max_body_bytes",
        (1..=16 << 20).contains(&settings.max_body_bytes),
    );
    rule(
        "max_unconfirmed_bytes",
        (settings.max_body_bytes.max(1)..=1 << 30).contains(&settings.max_unconfirmed_bytes),
    );
    broken
}

/// A host name or an address: the longest name has 253 bytes.
pub(super) fn is_host(host: &str) -> bool {
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:%".contains(byte);
    (1..=253).contains(&host.len()) && host.as_bytes().iter().all(allowed)
}

/// The host in `host`, `host:port` or `[address]:port`.
fn address(text: &str) -> Option<String> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let end = rest.find(']')?;
            (&rest[..end], &rest[end + 1..])
        }
        None => text.split_at(text.find(':').unwrap_or(text.len())),
    };
    let port = match port {
        "" | ":" => true,
        port => port
            .strip_prefix(':')
            .and_then(|port| port.parse::<u16>().ok())
            .is_some_and(|port| port > 0),
    };
    // In brackets nothing at all means this host, as it does in a URL.
    let host = if host.is_empty() && text.starts_with('[') {
        "localhost"
    } else {
        host
    };
    (port && is_host(host)).then(|| host.to_owned())
}

/// Whether what is sent there stays here.
fn is_this_one(host: &str) -> bool {
    let mapped = host.to_ascii_lowercase();
    let mapped = mapped.strip_prefix("::ffff:").unwrap_or(&mapped);
    host.eq_ignore_ascii_case("localhost")
        || mapped
            .parse::<std::net::Ipv4Addr>()
            .is_ok_and(|ip| ip.octets()[0] == 127)
        || host.parse() == Ok(std::net::Ipv6Addr::LOCALHOST)
        || host.parse::<std::net::Ipv6Addr>().is_ok_and(|ip| {
            // Written in another way.
            ip.to_ipv4_mapped().is_some_and(|ip| ip.octets()[0] == 127)
        })
}
