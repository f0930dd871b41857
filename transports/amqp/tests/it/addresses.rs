//! Several addresses of one broker.

use std::{io, time::Duration};

use algedonic_amqp::{Amqp, AmqpConfig};
use algedonic_test_broker::{shared_url, unique};
use algedonic_transport::{ErrorKind, LinkState};
use tokio::{net::TcpListener, time::Instant};

use crate::support::{arrives, blocking, confirmed, link, message, receive, up};

/// The shared broker's own address.
async fn address() -> String {
    let url = blocking(shared_url).await;
    let host = url.rsplit('@').next().expect("a host");
    host.split('/').next().expect("a host").to_owned()
}

/// The settings for the shared broker, found at this address first.
async fn first_at(address: &str) -> AmqpConfig {
    let url = blocking(shared_url).await;
    let own = self::address().await;
    let config = AmqpConfig::new(&url.replace(&own, address)).expect("valid URL");
    config.prefix(unique("it"))
}

/// An address where nobody listens.
async fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
    listener.local_addr().expect("bound").to_string()
}

/// An address where somebody listens and says nothing.
async fn silent() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let address = listener.local_addr().expect("bound").to_string();
    (listener, address)
}

#[tokio::test]
async fn a_broker_is_found_at_its_second_address() {
    let config = first_at(&nobody().await).await.fallback(address().await);
    let amqp = Amqp::new(config).expect("started");
    let mut arrivals = receive(&amqp);
    up(&amqp).await;
    let sent = confirmed(&amqp, message("a")).await;
    arrives(&mut arrivals, sent).await;
}

#[tokio::test]
async fn an_address_that_is_silent_costs_its_part_of_the_deadline_and_no_more() {
    let (_listener, silent) = silent().await;
    let second = Duration::from_secs(1);
    let config = first_at(&silent).await.fallback(address().await);
    let amqp = Amqp::new(config.connect_timeout(3 * second)).expect("started");
    let since = Instant::now();
    up(&amqp).await;
    // Half of three seconds; and the broker's answer is waited for no longer than the other half.
    let took = since.elapsed();
    assert!(took > second && took < 3 * second, "{took:?}");
}

#[tokio::test]
async fn when_none_works_each_is_told_and_the_whole_deadline_holds() {
    let (nobody, (_listener, silent)) = (nobody().await, silent().await);
    let second = Duration::from_secs(1);
    let config = first_at(&nobody).await.fallback(&silent);
    let config = config
        .fallback("no-such-host.invalid")
        .allow_plaintext_login(true);
    let amqp = Amqp::new(config.connect_timeout(2 * second)).expect("started");
    let since = Instant::now();
    let down = link(&amqp, "down", |link| link.state == LinkState::Down).await;
    assert!(since.elapsed() < 3 * second, "{:?}", since.elapsed());
    let error = down.error.expect("a reason");
    let text = error.to_string();
    assert!(error.is_transient(), "{error:?}");
    for part in [
        nobody.as_str(),
        "is the broker up",
        &silent,
        "no answer within",
        "no-such-host.invalid",
    ] {
        assert!(text.contains(part), "{part:?} is not in {text:?}");
    }
}

#[tokio::test]
async fn a_refused_login_is_not_tried_at_the_other_addresses() {
    let (listener, other) = silent().await;
    let url = blocking(shared_url).await.replace(":guest@", ":canary@");
    let config = AmqpConfig::new(&url).expect("valid URL").fallback(other);
    let amqp = Amqp::new(config).expect("started");
    let down = link(&amqp, "down", |link| link.state == LinkState::Down).await;
    assert_eq!(down.error.expect("a reason").kind(), ErrorKind::Denied);
    let come = tokio::task::spawn_blocking(move || {
        let listener = listener.into_std()?;
        listener.set_nonblocking(true)?;
        listener.accept()
    });
    let come = come.await.expect("no panic").map(|_| ());
    assert_eq!(
        come.map_err(|error| error.kind()),
        Err(io::ErrorKind::WouldBlock)
    );
}
