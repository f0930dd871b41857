use std::time::Duration;

use algedonic_amqp::{Amqp, AmqpConfig, QueueType};
use algedonic_test_broker::shared_url;
use algedonic_transport::{ErrorKind, LinkState, Transport, Verdict};
use lapin::{ExchangeKind, options::ExchangeDeclareOptions, types::FieldTable};
use tokio::time::Instant;

use crate::support::{blocking, config, link, message, operator, prefix_of, receive, soon, up};

#[tokio::test]
async fn a_refused_login_is_denied_for_good_and_the_password_shows_nowhere() {
    let url = blocking(shared_url).await.replace(":guest@", ":canary@");
    let amqp = Amqp::new(AmqpConfig::new(&url).expect("valid")).expect("started");
    let _arrivals = receive(&amqp);
    let down = link(&amqp, "down", |link| link.state == LinkState::Down).await;
    let error = down.error.clone().expect("a reason");
    assert_eq!(
        (error.kind(), error.verdict()),
        (ErrorKind::Denied, Verdict::Permanent),
        "{error}"
    );
    assert!(error.to_string().contains("user guest"), "{error}");
    let refused = soon("refusal", amqp.send(message("a")))
        .await
        .expect_err("down");
    assert_eq!(refused.kind(), ErrorKind::Unavailable);
    let shown = format!("{down} {down:?} {error:#} {error:?} {amqp:?} {refused:?}");
    assert!(!shown.contains("canary"), "{shown}");
    // No hammering: each of the two connections tries again after 5 s, not before.
    let until = Instant::now() + Duration::from_secs(3);
    tokio::time::sleep_until(until).await;
    assert_eq!(amqp.link().attempts, 2);
    let start = Instant::now();
    soon("close", amqp.close(Duration::from_secs(2))).await;
    assert!(start.elapsed() < Duration::from_secs(1));
}

#[tokio::test]
async fn a_vhost_that_does_not_exist_is_denied_by_name() {
    let url = blocking(shared_url).await.replace("/%2f", "/no-such-vhost");
    let amqp = Amqp::new(AmqpConfig::new(&url).expect("valid")).expect("started");
    let down = link(&amqp, "down", |link| link.state == LinkState::Down).await;
    let error = down.error.expect("a reason");
    assert_eq!(
        (error.kind(), error.verdict()),
        (ErrorKind::Denied, Verdict::Permanent),
        "{error}"
    );
    assert!(error.to_string().contains("no-such-vhost"), "{error}");
}

#[tokio::test]
async fn a_queue_that_differs_is_a_conflict_that_names_queue_and_argument() {
    let config = config().await.queue("q");
    let first = Amqp::new(config.clone()).expect("started");
    let _arrivals = receive(&first);
    up(&first).await;
    let second = Amqp::new(config.clone().queue_type(QueueType::Classic)).expect("started");
    let _arrivals = receive(&second);
    let down = link(&second, "down", |link| link.state == LinkState::Down).await;
    let error = down.error.expect("a reason");
    assert_eq!(
        (error.kind(), error.verdict()),
        (ErrorKind::Conflict, Verdict::Permanent),
        "{error}"
    );
    let text = error.to_string();
    assert!(
        text.contains(&prefix_of(&config)) && text.contains("x-queue-type"),
        "{text}"
    );
    assert!(first.link().is_up());
}

#[tokio::test]
async fn an_exchange_that_differs_is_a_conflict() {
    let config = config().await;
    let exchange = format!("{}.events", prefix_of(&config));
    let (_connection, channel) = operator(&shared_url()).await;
    let options = ExchangeDeclareOptions {
        auto_delete: true,
        ..ExchangeDeclareOptions::default()
    };
    let declared = channel.exchange_declare(
        exchange.as_str().into(),
        ExchangeKind::Fanout,
        options,
        FieldTable::default(),
    );
    soon("declared", declared).await.expect("ok");
    let amqp = Amqp::new(config).expect("started");
    let down = link(&amqp, "down", |link| link.state == LinkState::Down).await;
    let error = down.error.expect("a reason");
    assert_eq!(
        (error.kind(), error.verdict()),
        (ErrorKind::Conflict, Verdict::Permanent),
        "{error}"
    );
    assert!(error.to_string().contains(&exchange), "{error}");
}

#[tokio::test]
async fn what_cannot_be_sent_is_refused_before_anything_else() {
    let amqp = Amqp::new(config().await.max_body_bytes(10)).expect("started");
    let mut large = message("a");
    large.body = vec![0; 11].into();
    let error = soon("refusal", amqp.send(large))
        .await
        .expect_err("11 bytes");
    assert_eq!(
        (error.kind(), error.verdict()),
        (ErrorKind::TooLarge, Verdict::Permanent)
    );
    let mut malformed = message("a");
    malformed.metadata.correlation =
        algedonic_transport::CorrelationId::from_text(&"c".repeat(256));
    let error = soon("refusal", amqp.send(malformed))
        .await
        .expect_err("256 bytes");
    assert_eq!(
        (error.kind(), error.verdict()),
        (ErrorKind::Malformed, Verdict::Permanent)
    );
}

#[test]
fn outside_of_a_runtime_it_is_an_error_and_no_panic() {
    let error = Amqp::new(AmqpConfig::new("amqp://h").expect("valid")).expect_err("no runtime");
    assert_eq!(error.kind(), ErrorKind::Misconfigured);
}

#[cfg(feature = "tls")]
#[tokio::test]
async fn tls_to_a_port_that_does_not_speak_it_is_misconfigured() {
    let url = blocking(shared_url).await.replace("amqp://", "amqps://");
    let amqp = Amqp::new(AmqpConfig::new(&url).expect("built with TLS")).expect("started");
    let down = link(&amqp, "down", |link| link.state == LinkState::Down).await;
    let error = down.error.expect("a reason");
    assert_eq!(
        (error.kind(), error.verdict()),
        (ErrorKind::Misconfigured, Verdict::Permanent),
        "{error}"
    );
}
