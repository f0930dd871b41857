//! A broker on the other side of the earth.

use std::time::Duration;

use algedonic_amqp::Amqp;
use algedonic_test_broker::Way;

use super::receive;
use crate::{
    proxy::behind_a_proxy,
    support::{confirmed, next, signal, up},
};

/// What signals need is more than what could be asked for one by one, 300 ms each, within the 5 s of the connect timeout.
#[tokio::test]
async fn signals_get_to_and_fro_with_the_default_settings() {
    let (config, proxy) = behind_a_proxy().await;
    proxy.delay(Way::Both, Duration::from_millis(150));
    let amqp = Amqp::new(config.queue("far")).expect("started");
    let mut arrivals = receive(&amqp);
    up(&amqp).await;
    let sent = signal("algedonic.pain.critical");
    let id = sent.metadata.id;
    confirmed(&amqp, sent).await;
    assert_eq!(next(&mut arrivals).await.message().metadata.id, id);
}
