mod access;
mod alarms;
mod anew;
mod cuts;
mod cycles;
mod frozen;
mod operators;
mod refused;
mod reopened;
mod resent;
mod secrets;
mod several;
mod slow;
#[cfg(feature = "tls")]
mod tls;

use std::{collections::HashSet, time::Duration};

use algedonic_amqp::Amqp;
use algedonic_test_broker::{Way, shared_url};
use algedonic_transport::{ErrorKind, LinkState, Outcome, Transport};
use futures_util::{StreamExt, future::join_all, stream::FuturesUnordered};
use lapin::options::{ExchangeDeleteOptions, QueueDeleteOptions};
use tokio::time::Instant;

use crate::{
    proxy::{behind_a_proxy, cut},
    support::{
        blocking, config, config_of, confirmed, ctl, everything, link, message, next, node,
        operator, prefix_of, receive, soon, up,
    },
};

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_broker_leaves_no_message_in_doubt_for_long_and_loses_none_that_was_confirmed() {
    let node = node().await;
    let amqp = Amqp::new(config_of(&node).queue("q")).expect("started");
    let mut arrivals = receive(&amqp);
    up(&amqp).await;
    // RabbitMQ 3.10 writes the first election of a quorum queue to disk seconds later: killed
    // before that, the queue never has a leader again. An orderly restart writes it.
    let orderly = node.clone();
    blocking(move || orderly.restart()).await;
    link(&amqp, "up again", |link| link.is_up() && link.connects == 2).await;
    let mut confirmed = HashSet::new();
    let mut outcomes = FuturesUnordered::new();
    let mut killing = None;
    let mut sent = 0_u32;
    let (mut unknown, mut refused) = (0, 0);
    loop {
        while outcomes.len() < 512 && killing.is_none() {
            let message = message("a");
            let id = message.metadata.id;
            let outcome = amqp.send(message);
            outcomes.push(async move { (id, outcome.await) });
            sent += 1;
        }
        if sent > 2000 && killing.is_none() {
            let node = node.clone();
            killing = Some((blocking(move || node.kill()).await, Instant::now()));
        }
        let Some((id, outcome)) = soon("an outcome", outcomes.next()).await else {
            break;
        };
        match outcome {
            Ok(Outcome::Confirmed) => assert!(confirmed.insert(id)),
            Ok(Outcome::Unknown { .. }) => unknown += 1,
            Err(error) => {
                assert!(
                    matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Busy),
                    "{error}"
                );
                refused += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    let ((), killed) = killing.expect("killed");
    let resolved = killed.elapsed();
    println!(
        "{} confirmed, {unknown} unknown, {refused} refused, all within {resolved:?}",
        confirmed.len()
    );
    // What was not confirmed waits for the broker to come back until its confirm timeout.
    assert!(resolved < Duration::from_secs(6), "{resolved:?}");
    assert!(unknown > 0 && unknown <= 512);
    link(&amqp, "down", |link| link.state == LinkState::Down).await;
    let error = soon("refusal", amqp.send(message("a")))
        .await
        .expect_err("down");
    assert_eq!(error.kind(), ErrorKind::Unavailable);

    let restarted = node.clone();
    blocking(move || restarted.restart()).await;
    up(&amqp).await;
    soon("every confirmed message", async {
        while !confirmed.is_empty() {
            let delivery = next(&mut arrivals).await;
            confirmed.remove(&delivery.message().metadata.id);
            delivery.ack();
        }
    })
    .await;
    soon("close", amqp.close(Duration::from_secs(5))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_is_noticed_at_once_and_mended_as_soon_as_the_port_opens() {
    let (config, proxy) = behind_a_proxy().await;
    let amqp = Amqp::new(config).expect("started");
    let mut arrivals = receive(&amqp);
    up(&amqp).await;
    drop(amqp.send(message("a")));
    for round in 0..3 {
        // A session of a second was a good one: the next loss is met with the fast retry.
        let up_since = Instant::now();
        while up_since.elapsed() < Duration::from_millis(1100) {
            next(&mut arrivals).await.ack();
            let outcome = amqp.send(message("a"));
            assert_eq!(
                soon("outcome", outcome).await.expect("up"),
                Outcome::Confirmed
            );
        }
        cut(&proxy).await;
        let cut = Instant::now();
        link(&amqp, "down", |link| link.state == LinkState::Down).await;
        let noticed = cut.elapsed();
        link(&amqp, "three attempts of each", |link| link.attempts >= 6).await;
        proxy.resume().await;
        let open = Instant::now();
        while !matches!(
            soon("outcome", amqp.send(message("a"))).await,
            Ok(Outcome::Confirmed)
        ) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let mended = open.elapsed();
        println!("round {round}: noticed in {noticed:?}, first confirm after {mended:?}");
        assert!(noticed < Duration::from_millis(100), "{noticed:?}");
        assert!(mended < Duration::from_millis(500), "{mended:?}");
        up(&amqp).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_nothing_passes_is_given_up() {
    let (config, proxy) = behind_a_proxy().await;
    let second = Duration::from_secs(1);
    let amqp = Amqp::new(config.heartbeat(second).confirm_timeout(second)).expect("started");
    let _arrivals = receive(&amqp);
    up(&amqp).await;
    proxy.stall(Way::Both);
    let sent = Instant::now();
    let outcome = soon("outcome", amqp.send(message("a")))
        .await
        .expect("handed over");
    assert!(matches!(outcome, Outcome::Unknown { .. }), "{outcome}");
    assert!(sent.elapsed() < 2 * second, "{:?}", sent.elapsed());
    link(&amqp, "down", |link| link.state == LinkState::Down).await;
    cut(&proxy).await;
    proxy.resume().await;
    up(&amqp).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_broker_makes_outcomes_unknown_and_is_found_again() {
    let node = node().await;
    let second = Duration::from_secs(1);
    let config = config_of(&node)
        .heartbeat(2 * second)
        .confirm_timeout(second)
        .queue("q")
        .window(64);
    let amqp = Amqp::new(config).expect("started");
    let mut arrivals = receive(&amqp);
    up(&amqp).await;
    node.pause();
    let start = Instant::now();
    let outcomes = join_all((0..64).map(|_| amqp.send(message("a"))));
    let busy = soon("refusal", amqp.send(message("a")))
        .await
        .expect_err("the window is full");
    assert_eq!(busy.kind(), ErrorKind::Busy);
    for outcome in soon("outcomes", outcomes).await {
        assert!(
            matches!(outcome, Ok(Outcome::Unknown { .. })),
            "{outcome:?}"
        );
    }
    assert!(start.elapsed() < 2 * second, "{:?}", start.elapsed());
    assert!(
        soon("refusal", amqp.send(message("a"))).await.is_err(),
        "no room for more"
    );
    let link = link(&amqp, "down", |link| link.state == LinkState::Down).await;
    println!("given up after {:?}: {link}", start.elapsed());
    node.resume();
    up(&amqp).await;
    let last = message("a");
    assert_eq!(
        soon("outcome", amqp.send(last.clone()))
            .await
            .expect("sent"),
        Outcome::Confirmed
    );
    soon("the message", async {
        while next(&mut arrivals).await.message().metadata.id != last.metadata.id {}
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_memory_alarm_blocks_and_unblocks_and_closing_meanwhile_is_bounded() {
    let node = node().await;
    let second = Duration::from_secs(1);
    let new = || Amqp::new(config_of(&node).confirm_timeout(second)).expect("started");
    let (amqp, closing) = (new(), new());
    let mut arrivals = receive(&amqp);
    up(&amqp).await;
    up(&closing).await;
    ctl(&node, &["set_vm_memory_high_watermark", "0.000001"]).await;
    let first = message("a");
    let outcomes = [amqp.send(first.clone()), closing.send(first.clone())];
    for amqp in [&amqp, &closing] {
        let link = link(amqp, "blocked", |link| link.state == LinkState::Blocked).await;
        assert!(link.to_string().contains("low on memory"), "{link}");
    }
    for outcome in soon("outcomes", join_all(outcomes)).await {
        assert!(
            matches!(outcome, Ok(Outcome::Unknown { .. })),
            "{outcome:?}"
        );
    }
    let error = soon("refusal", amqp.send(message("a")))
        .await
        .expect_err("blocked");
    assert_eq!(error.kind(), ErrorKind::Unavailable);

    let start = Instant::now();
    soon("close", closing.close(2 * second)).await;
    assert!(start.elapsed() < 3 * second, "{:?}", start.elapsed());
    drop(closing);

    ctl(&node, &["set_vm_memory_high_watermark", "0.4"]).await;
    up(&amqp).await;
    // What was written before the alarm arrives, though its sender was told that nobody knows.
    assert_eq!(
        next(&mut arrivals).await.message().metadata.id,
        first.metadata.id
    );
    assert_eq!(
        soon("outcome", amqp.send(message("a")))
            .await
            .expect("sent"),
        Outcome::Confirmed
    );
    assert_eq!(amqp.link().connects, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_comes_later_is_found() {
    let node = node().await;
    let stopped = node.clone();
    blocking(move || stopped.stop()).await;
    let amqp = Amqp::new(config_of(&node)).expect("started without a broker");
    let _arrivals = receive(&amqp);
    let down = link(&amqp, "down", |link| link.state == LinkState::Down).await;
    let error = down.error.expect("a reason");
    assert!(
        error.kind() == ErrorKind::Unavailable && error.is_transient(),
        "{error}"
    );
    let restarted = node.clone();
    blocking(move || restarted.restart()).await;
    up(&amqp).await;
    assert!(amqp.link().attempts == 0 && amqp.link().connects == 1);
}

#[tokio::test]
async fn a_queue_deleted_under_its_consumer_is_declared_again() {
    let config = config().await.queue("q");
    let prefix = prefix_of(&config);
    let amqp = Amqp::new(config).expect("started");
    let mut arrivals = receive(&amqp);
    up(&amqp).await;
    let (_connection, channel) = operator(&shared_url()).await;
    let queue = format!("{prefix}.q.events");
    let deleted = channel.queue_delete(queue.as_str().into(), QueueDeleteOptions::default());
    soon("deleted", deleted).await.expect("it was there");
    soon("the second time", async {
        let mut links = amqp.links();
        while links.next().await.expect("open").connects < 2 {}
    })
    .await;
    let sent = message("a");
    assert_eq!(
        soon("outcome", amqp.send(sent.clone()))
            .await
            .expect("sent"),
        Outcome::Confirmed
    );
    assert_eq!(
        next(&mut arrivals).await.message().metadata.id,
        sent.metadata.id
    );
}

/// The application reads nothing meanwhile, and what it has not read is gone with the queue.
#[tokio::test]
async fn a_queue_deleted_with_unread_messages_before_a_busy_reader_is_declared_again() {
    let config = config().await.queue("q");
    let prefix = prefix_of(&config);
    let amqp = Amqp::new(config).expect("started");
    let mut arrivals = receive(&amqp);
    up(&amqp).await;
    for _ in 0..20 {
        confirmed(&amqp, message("a")).await;
    }
    // It has waited, and is busy with the first.
    let busy = next(&mut arrivals).await;
    let (_connection, channel) = operator(&shared_url()).await;
    let queue = format!("{prefix}.q.events");
    let deleted = channel.queue_delete(queue.as_str().into(), QueueDeleteOptions::default());
    soon("deleted", deleted).await.expect("it was there");
    link(&amqp, "the second time", |link| {
        link.connects == 2 && link.is_up()
    })
    .await;
    // For a delivery of a channel that is gone.
    busy.ack();
    let sent = confirmed(&amqp, message("a")).await;
    let delivery = next(&mut arrivals).await;
    assert_eq!(delivery.message().metadata.id, sent);
    delivery.ack();
    assert_eq!(amqp.link().connects, 2, "{}", amqp.link());
}

#[tokio::test]
async fn an_exchange_deleted_under_the_publisher_is_declared_again() {
    let config = config().await;
    let prefix = prefix_of(&config);
    let amqp = Amqp::new(config).expect("started");
    up(&amqp).await;
    let (_connection, channel) = operator(&shared_url()).await;
    let exchange = format!("{prefix}.events");
    let deleted =
        channel.exchange_delete(exchange.as_str().into(), ExchangeDeleteOptions::default());
    soon("deleted", deleted).await.expect("it was there");
    // The first costs the channel, and is published again on the next, as those around it are.
    let outcomes: Vec<_> = (0..100).map(|_| amqp.send(message("a"))).collect();
    for outcome in outcomes {
        let outcome = soon("outcome", outcome).await.expect("handed over");
        assert_eq!(outcome, Outcome::NotRouted);
    }
}

#[tokio::test]
async fn a_closed_connection_is_made_again_and_late_settlements_do_no_harm() {
    let (config, proxy) = behind_a_proxy().await;
    let amqp = Amqp::new(config.queue("q")).expect("started");
    let mut arrivals = amqp
        .receive(algedonic_transport::Lane::Event, everything())
        .expect("first call");
    up(&amqp).await;
    let sent = message("a");
    soon("outcome", amqp.send(sent.clone()))
        .await
        .expect("sent");
    let early = next(&mut arrivals).await;
    cut(&proxy).await;
    link(&amqp, "down", |link| link.state == LinkState::Down).await;
    proxy.resume().await;
    up(&amqp).await;
    // The delivery belongs to a channel that is gone.
    early.ack();
    let again = next(&mut arrivals).await;
    assert_eq!(again.message().metadata.id, sent.metadata.id);
    assert!(again.is_redelivered());
    again.ack();
    let last = message("a");
    assert_eq!(
        soon("outcome", amqp.send(last.clone()))
            .await
            .expect("sent"),
        Outcome::Confirmed
    );
    assert_eq!(
        next(&mut arrivals).await.message().metadata.id,
        last.metadata.id
    );
    assert_eq!(amqp.link().connects, 2, "{}", amqp.link());
}
