//! What was accepted works: within the limits of the protocol and of the clock, whatever is done with it.

use std::time::Duration;

use algedonic_transport::{Error, ErrorKind, Lane, Pattern};
use lapin::types::ShortString;
use serde_json::Value;
use tokio::time::Instant;

use super::CANARY;
use crate::{AmqpConfig, Purpose, backoff::Backoff};

pub(super) fn check(config: &AmqpConfig) {
    for purpose in [Purpose::Events, Purpose::Signals, Purpose::Commands] {
        for name in [
            config.exchange_name(purpose),
            config.queue_name(purpose),
            config.dead_letter_queue_name(purpose),
        ] {
            assert!(ShortString::try_new(&*name).is_ok(), "{name:?} is too long");
            assert!(!name.starts_with("amq."), "{name:?} is the broker's");
        }
    }
    let (levels, bands) = config.band_exchange_names();
    let audit = config.audit_queue_name();
    let all = bands
        .into_iter()
        .chain(config.signal_queue_names())
        .chain([levels])
        .chain(audit);
    for name in all {
        assert!(ShortString::try_new(&*name).is_ok(), "{name:?} is too long");
    }
    assert!(ShortString::try_new(&*config.uri.vhost).is_ok());
    definitions(config);

    let addresses = config.addresses().expect("they were looked at");
    assert!(
        (1..=16).contains(&addresses.len()) && addresses.iter().all(|address| address.port > 0)
    );
    assert_eq!(addresses[0].host, config.uri.host);

    // All that is added to the clock, and what the protocol has two bytes for.
    let now = Instant::now();
    let ends = [
        config.connect_timeout,
        config.confirm_timeout,
        4 * config.heartbeat,
    ];
    assert!(ends.iter().all(|after| now.checked_add(*after).is_some()));
    assert!(u16::try_from(config.heartbeat.as_secs()).is_ok_and(|seconds| seconds > 0));
    assert!(config.heartbeat.subsec_nanos() == 0);
    let error = |transient| match transient {
        true => Error::transient(ErrorKind::Unavailable, "test"),
        false => Error::permanent(ErrorKind::Denied, "test"),
    };
    let mut backoff = Backoff::new(&config.reconnect);
    for transient in [true, true, false, false, true] {
        let pause = backoff.after(&error(transient), Duration::ZERO);
        assert!(
            (Duration::from_millis(10)..=Duration::from_secs(3600)).contains(&pause),
            "{pause:?}"
        );
    }

    // What is allocated for a connection: 64 frames of lapin's, and what the guard holds.
    if let Some(bytes) = config.uri.frame_max {
        assert!((8192..=1 << 20).contains(&bytes), "frames of {bytes} bytes");
    }
}

/// RabbitMQ can import them, and they say what is declared.
fn definitions(config: &AmqpConfig) {
    let pattern = Pattern::new("a.*.\u{23}").expect("a pattern");
    let text = config.definitions(&[(Lane::Event, vec![pattern])]);
    assert!(!text.contains(CANARY), "{text}");
    let json: Value = serde_json::from_str(&text).expect("JSON");
    let names = |list: &str| -> Vec<&str> {
        let list = json[list].as_array().expect("a list");
        list.iter()
            .filter_map(|one| {
                assert_eq!(one["vhost"], *config.uri.vhost);
                one["name"].as_str()
            })
            .collect()
    };
    let [events, signals] = [Purpose::Events, Purpose::Signals];
    assert_eq!(
        names("exchanges"),
        [events, signals, Purpose::Commands].map(|purpose| config.exchange_name(purpose))
    );
    assert_eq!(
        names("queues"),
        [
            config.dead_letter_queue_name(events),
            config.queue_name(events),
            config.audit_queue_name().expect("by default"),
        ]
    );
    assert_eq!(json["bindings"][0]["routing_key"], "a.*.#");
    assert_eq!(
        json["bindings"][0]["destination"],
        config.queue_name(events)
    );
}
