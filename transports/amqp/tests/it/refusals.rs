use std::{error::Error as _, fmt::Write as _, time::Duration};

use algedonic_amqp::{Amqp, AmqpConfig, QueueType};
use algedonic_test_broker::{Way, shared_url};
use algedonic_transport::{Error, ErrorKind, Lane, Link, LinkState, Pattern, Transport, Verdict};
use tokio::{net::TcpListener, time::Instant};

use crate::{
    proxy::behind_a_proxy,
    support::{
        arrives, blocking, config, confirmed, link, message, receive, receive_on, signal, soon, up,
    },
};

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
    assert_shows_no_password(&amqp, &down);
    // No hammering: each of the three connections tries again after 5 s, not before.
    let since = Instant::now();
    link(&amqp, "the fourth attempt", |link| link.attempts >= 4).await;
    assert!(
        since.elapsed() > Duration::from_secs(4),
        "{:?}",
        since.elapsed()
    );
    let start = Instant::now();
    soon("close", amqp.close(Duration::from_secs(2))).await;
    assert!(start.elapsed() < Duration::from_secs(1));
}

/// Whatever shows the password has the text `canary`.
fn assert_shows_no_password(amqp: &Amqp, down: &Link) {
    let error = down.error.as_ref().expect("a reason");
    let mut shown = format!("{down} {down:?} {error} {error:#} {error:?} {error:#?} {amqp:?}");
    let mut source = error.source();
    assert!(source.is_some(), "{error:?}");
    while let Some(cause) = source {
        write!(shown, " {cause} {cause:#} {cause:?} {cause:#?}").expect("text");
        source = cause.source();
    }
    assert!(
        shown.contains("guest") && !shown.contains("canary"),
        "{shown}"
    );
}

#[tokio::test]
async fn a_port_that_nobody_serves_is_told_with_its_cause_and_without_the_password() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let address = listener.local_addr().expect("bound");
    drop(listener);
    let url = format!("amqp://guest:canary@{address}");
    let amqp = Amqp::new(AmqpConfig::new(&url).expect("valid")).expect("started");
    let down = link(&amqp, "down", |link| link.state == LinkState::Down).await;
    assert_eq!(
        down.error.as_ref().map(Error::kind),
        Some(ErrorKind::Unavailable)
    );
    assert_shows_no_password(&amqp, &down);
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
async fn a_refused_lane_that_nobody_wants_any_more_is_no_fault() {
    let config = config().await.queue("q");
    let first = Amqp::new(config.clone()).expect("started");
    let _theirs = receive(&first);
    up(&first).await;
    let second = Amqp::new(config.queue_type(QueueType::Classic)).expect("started");
    let signals = receive_on(&second, Lane::Signal);
    up(&second).await;
    let events = receive(&second);
    link(&second, "down", |link| link.state == LinkState::Down).await;
    let since = Instant::now();
    drop(events);
    up(&second).await;
    assert!(
        since.elapsed() < Duration::from_secs(2),
        "{:?}",
        since.elapsed()
    );
    drop(signals);
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_a_lane_declares_has_one_deadline() {
    let second = Duration::from_secs(1);
    let (config, proxy) = behind_a_proxy().await;
    let amqp = Amqp::new(config.connect_timeout(second)).expect("started");
    let mut signals = receive_on(&amqp, Lane::Signal);
    up(&amqp).await;
    // Each answer takes a fifth of a second: no step is late, and twenty are.
    proxy.delay(Way::Both, second / 10);
    let since = Instant::now();
    let interest = (0..20).map(|number| Pattern::new(format!("a.{number}")).expect("a pattern"));
    let mut events = amqp
        .receive(Lane::Event, interest.collect())
        .expect("first call");
    let down = link(&amqp, "down", |link| link.state == LinkState::Down).await;
    let error = down.error.expect("a reason");
    assert!(
        error.kind() == ErrorKind::TimedOut && error.to_string().contains("within 1s"),
        "{error}"
    );
    assert!(
        since.elapsed() >= second && since.elapsed() < 2 * second,
        "{:?}",
        since.elapsed()
    );
    let sent = confirmed(&amqp, signal("a")).await;
    arrives(&mut signals, sent).await;
    proxy.resume().await;
    up(&amqp).await;
    let sent = confirmed(&amqp, message("a.19")).await;
    arrives(&mut events, sent).await;
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
    let url = blocking(shared_url).await.replace(":guest@", ":canary@");
    let url = url.replace("amqp://", "amqps://");
    let amqp = Amqp::new(AmqpConfig::new(&url).expect("built with TLS")).expect("started");
    let down = link(&amqp, "down", |link| link.state == LinkState::Down).await;
    assert_shows_no_password(&amqp, &down);
    let error = down.error.expect("a reason");
    assert_eq!(
        (error.kind(), error.verdict()),
        (ErrorKind::Misconfigured, Verdict::Permanent),
        "{error}"
    );
}
