//! What waits is there after a restart, and no setting of events takes it away.

use std::time::Duration;

use algedonic_amqp::{Amqp, QueueType};
use algedonic_transport::Transport;

use super::{LEVELS, one_of_each, receive, with_key};
use crate::support::{blocking, config, config_of, confirmed, next, node, soon, up};

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_has_read_is_there_after_a_restart_and_after_a_kill() {
    let node = node().await;
    let config = config_of(&node).queue("q");
    let owner = Amqp::new(config.clone()).expect("started");
    let arrivals = receive(&owner);
    up(&owner).await;
    drop(arrivals);
    soon("close", owner.close(Duration::from_secs(5))).await;
    let sender = Amqp::new(config.clone().queue("sender")).expect("started");
    up(&sender).await;
    let mut sent = Vec::new();
    for kills in [false, true] {
        for signal in one_of_each() {
            sent.push(confirmed(&sender, signal).await);
        }
        let node = node.clone();
        blocking(move || {
            if kills {
                node.kill();
            } else {
                node.stop();
            }
            node.restart();
        })
        .await;
        // Its way is there, too, without anybody who declares it.
        up(&sender).await;
    }
    let owner = Amqp::new(config).expect("started");
    let mut arrivals = receive(&owner);
    let mut came = Vec::new();
    for (key, priority) in LEVELS.into_iter().flat_map(|level| [level, level]) {
        let delivery = next(&mut arrivals).await;
        let metadata = &delivery.message().metadata;
        assert_eq!((&*metadata.key, metadata.priority.get()), (key, priority));
        came.push(metadata.id);
        delivery.ack();
    }
    came.sort_unstable();
    sent.sort_unstable();
    assert_eq!(came, sent);
}

#[tokio::test]
async fn a_time_to_live_and_a_length_are_for_events_alone() {
    let second = Duration::from_secs(1);
    let config = config().await.queue("q").queue_type(QueueType::Classic);
    let config = config.message_ttl(Some(second)).max_length(Some(1));
    let owner = Amqp::new(config.clone()).expect("started");
    let arrivals = receive(&owner);
    up(&owner).await;
    drop(arrivals);
    soon("close", owner.close(Duration::from_secs(5))).await;
    let sender = Amqp::new(config.clone().queue("sender")).expect("started");
    up(&sender).await;
    let mut sent = Vec::new();
    for _ in 0..5 {
        sent.push(confirmed(&sender, with_key("algedonic.pain.low")).await);
    }
    // An event would be gone by then.
    tokio::time::sleep(second * 3 / 2).await;
    let owner = Amqp::new(config).expect("started");
    let mut arrivals = receive(&owner);
    for id in sent {
        let delivery = next(&mut arrivals).await;
        assert_eq!(delivery.message().metadata.id, id);
        delivery.ack();
    }
}
