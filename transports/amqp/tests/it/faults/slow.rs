//! A way to the broker that is slow.

use std::time::Duration;

use algedonic_amqp::Amqp;
use algedonic_test_broker::Way;
use algedonic_transport::{Outcome, Transport};
use tokio::time::Instant;

use crate::{
    proxy::behind_a_proxy,
    support::{confirmed, message, next, receive, soon, up},
};

/// A broker owes no answer to what it does not have yet.
#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_takes_longer_than_a_confirm_may_take_costs_no_connection() {
    const BODY: usize = 16 << 20;
    const A_SECOND: u32 = 3 << 20;
    let (config, proxy) = behind_a_proxy().await;
    let second = Duration::from_secs(1);
    let config = config
        .queue("q")
        .confirm_timeout(2 * second)
        .max_body_bytes(BODY);
    let amqp = Amqp::new(config).expect("started");
    let mut arrivals = receive(&amqp);
    up(&amqp).await;
    proxy.throttle(Way::ToServer, A_SECOND);
    let mut large = message("a");
    large.body = vec![7; BODY].into();
    let id = large.metadata.id;
    let since = Instant::now();
    let outcome = soon("an outcome", amqp.send(large)).await;
    assert!(
        matches!(outcome, Ok(Outcome::Unknown { .. })),
        "{outcome:?}"
    );
    let delivery = next(&mut arrivals).await;
    println!("arrived after {:?}", since.elapsed());
    assert!(since.elapsed() > 4 * second, "it was not slow");
    assert_eq!(delivery.message().metadata.id, id);
    delivery.ack();
    confirmed(&amqp, message("a")).await;
    assert_eq!(amqp.link().connects, 1, "{}", amqp.link());
}
