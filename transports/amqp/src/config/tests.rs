//! The defaults, and what each rule refuses.

use super::*;
use crate::Purpose;

fn config() -> AmqpConfig {
    AmqpConfig::new("amqp://user:canary@localhost").expect("valid")
}

#[test]
fn the_defaults_are_valid_and_show_no_password() {
    config().validate().expect("defaults");
    assert!(!format!("{:?}", config()).contains("canary"));
    assert_ne!(config().queue, config().queue);
}

#[test]
fn each_broken_rule_names_its_field() {
    let second = Duration::from_secs(1);
    for (field, broken) in vec![
        ("prefix", config().prefix("a..b")),
        ("prefix", config().prefix("amq.x")),
        ("queue", config().queue("q".repeat(101))),
        ("queue", config().queue("a\u{1b}b")),
        ("queue", config().queue("")),
        ("exchange", config().exchange(Purpose::Events, "a..b")),
        ("exchange", config().exchange(Purpose::Signals, "amq.topic")),
        (
            "exchange",
            config().exchange(Purpose::Events, "algedonic.signals.low"),
        ),
        (
            "exchange",
            config().exchange(Purpose::Commands, "algedonic.signals.levels"),
        ),
        (
            "topology_mode",
            config().topology_mode(TopologyMode::Expect),
        ),
        ("message_ttl", config().message_ttl(Some(second / 2))),
        ("max_length", config().max_length(Some(0))),
        ("connect_timeout", config().connect_timeout(Duration::ZERO)),
        ("heartbeat", config().heartbeat(second / 2)),
        (
            "heartbeat",
            config().heartbeat(second * 3 / 2).confirm_timeout(second),
        ),
        ("confirm_timeout", config().confirm_timeout(20 * second)),
        ("max_backoff", config().max_backoff(Duration::ZERO)),
        ("backoff_schedule", config().backoff_schedule([])),
        (
            "backoff_schedule",
            config().backoff_schedule([second, Duration::ZERO]),
        ),
        ("publish_connections", config().publish_connections(17)),
        (
            "max_unconfirmed_bytes",
            config().max_unconfirmed_bytes(1000),
        ),
        ("window", config().window(0)),
        ("prefetch", config().prefetch(0)),
        ("max_attempts", config().max_attempts(1)),
        ("max_body_bytes", config().max_body_bytes(usize::MAX)),
        (
            "commands: message_ttl",
            config().commands(CommandQueue::new().message_ttl(Some(second / 2))),
        ),
        (
            "commands: max_length",
            config().commands(CommandQueue::new().max_length(Some(0))),
        ),
        (
            "commands: prefetch",
            config().commands(CommandQueue::new().prefetch(2001)),
        ),
        (
            "commands: max_attempts",
            config().commands(CommandQueue::new().max_attempts(1001)),
        ),
    ] {
        refused(field, &broken);
    }
}

#[test]
fn an_audit_queue_takes_the_place_of_no_other() {
    for (field, broken) in [
        (
            "audit: name",
            config().audit(AuditQueue::new().name("a..b")),
        ),
        (
            "audit: name",
            config().audit(AuditQueue::new().name("amq.x")),
        ),
        (
            "audit: name",
            config()
                .queue("q")
                .audit(AuditQueue::new().name("algedonic.q.signals.high")),
        ),
        (
            "audit: name",
            config()
                .queue("q")
                .audit(AuditQueue::new().name("algedonic.q.signals.dlq")),
        ),
        (
            "audit: name",
            config()
                .queue("q")
                .audit(AuditQueue::new().name("algedonic.q.events")),
        ),
        (
            "audit: max_length",
            config().audit(AuditQueue::new().max_length(0)),
        ),
        (
            "audit: max_bytes",
            config().audit(AuditQueue::new().max_bytes(1000)),
        ),
    ] {
        refused(field, &broken);
    }
}

fn refused(field: &str, broken: &AmqpConfig) {
    let error = broken.validate().expect_err(field);
    assert_eq!(error.kind(), ErrorKind::Misconfigured);
    assert!(
        error.to_string().contains(&format!(": {field}: ")),
        "{error}"
    );
}

#[test]
fn what_lapin_or_the_login_would_choke_on_is_refused_before() {
    let long = "v".repeat(256);
    for (field, url) in [
        ("vhost", format!("amqp://localhost/{long}")),
        ("vhost", "amqp://localhost/a%00b".to_owned()),
        ("NUL", "amqp://u%00v:canary@localhost".to_owned()),
        ("NUL", "amqp://u:canary%00@localhost".to_owned()),
        ("user", format!("amqp://{long}:canary@localhost")),
        (
            "password",
            format!("amqp://u:{}@localhost", "canary".repeat(3000)),
        ),
        ("host", format!("amqp://{long}")),
    ] {
        let error = AmqpConfig::new(&url).and_then(|config| config.validate());
        let error = error.expect_err(&url).to_string();
        assert!(
            error.contains(field) && !error.contains("canary"),
            "{error}"
        );
    }
}

#[test]
fn a_url_sets_what_its_query_says() {
    let config = AmqpConfig::new("amqp://h?heartbeat=3&connection_timeout=250").expect("valid");
    assert_eq!(config.heartbeat, Duration::from_secs(3));
    assert_eq!(config.connect_timeout, Duration::from_millis(250));
}

#[test]
fn no_name_of_an_instance_is_that_of_the_audit_queue_by_chance() {
    for queue in ["algedonic", "algedonic.signals", "signals", "s3"] {
        let named = config().queue(queue);
        named.validate().expect(queue);
        assert_eq!(
            named.audit_queue_name().as_deref(),
            Some("algedonic.algedonic.signals")
        );
    }
    assert_eq!(config().audit(None).audit_queue_name(), None);
}
