//! The queue of copies is in nobody's way.

use std::time::Duration;

use algedonic_amqp::{Amqp, AuditQueue, TopologyMode};
use algedonic_test_broker::shared_url;
use algedonic_transport::{Outcome, Transport};
use lapin::{
    options::{QueueDeclareOptions, QueueDeleteOptions},
    types::FieldTable,
};

use super::{receive, with_key};
use crate::{
    dead_letters::{id_of, letter, waiting},
    support::{
        arrives, blocking, config, config_of, confirmed, ctl, next, node, operator, prefix_of,
        soon, up,
    },
};

#[tokio::test]
async fn a_full_audit_queue_drops_its_oldest_copies_and_nothing_else() {
    let audit = AuditQueue::new().max_length(3);
    let config = config().await.queue("q").audit(audit);
    let name = config.audit_queue_name().expect("one");
    let (_connection, channel) = operator(&blocking(shared_url).await).await;
    let amqp = Amqp::new(config).expect("started");
    let mut arrivals = receive(&amqp);
    up(&amqp).await;
    let mut sent = Vec::new();
    for _ in 0..10 {
        sent.push(confirmed(&amqp, with_key("algedonic.pain.high")).await);
    }
    for id in &sent {
        let delivery = next(&mut arrivals).await;
        assert_eq!(delivery.message().metadata.id, *id);
        delivery.ack();
    }
    assert_eq!(waiting(&channel, &name).await, 3);
    for id in &sent[7..] {
        assert_eq!(id_of(&letter(&channel, &name).await), id.to_string());
    }
}

#[tokio::test]
async fn who_hears_nothing_and_has_no_audit_queue_is_told_that_nobody_hears_it() {
    let config = config().await;
    let sender = Amqp::new(config.clone().audit(None)).expect("started");
    up(&sender).await;
    let pain = || with_key("algedonic.pain.critical");
    let unheard = soon("an outcome", sender.send(pain())).await;
    assert_eq!(unheard.expect("sent"), Outcome::NotRouted);
    let other = Amqp::new(config.clone()).expect("started");
    up(&other).await;
    let id = confirmed(&sender, pain()).await;
    let (_connection, channel) = operator(&blocking(shared_url).await).await;
    let name = config.audit_queue_name().expect("by default");
    assert_eq!(id_of(&letter(&channel, &name).await), id.to_string());
}

/// Two instances need not agree on its bounds, and an operator may have made it.
#[tokio::test]
async fn one_that_is_there_is_taken_as_it_is() {
    let config = config().await.queue("q");
    let name = format!("{}.audit", prefix_of(&config));
    let (_connection, channel) = operator(&blocking(shared_url).await).await;
    let durable = QueueDeclareOptions {
        durable: true,
        ..QueueDeclareOptions::default()
    };
    let declared = channel.queue_declare(name.as_str().into(), durable, FieldTable::default());
    soon("declared", declared).await.expect("ok");
    for length in [10, 20] {
        let audit = AuditQueue::new().name(&name).max_length(length);
        let amqp = Amqp::new(config.clone().audit(audit)).expect("started");
        up(&amqp).await;
        let id = confirmed(&amqp, with_key("algedonic.pain.low")).await;
        assert_eq!(id_of(&letter(&channel, &name).await), id.to_string());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_may_not_be_made_or_is_missing_stops_no_signal() {
    let node = node().await;
    let config = config_of(&node).prefix("vsm").queue("s3");
    ctl(&node, &["add_user", "someone", "secret"]).await;
    let ours = "^vsm\\.(s3\\.)?(signals|events).*|^amq\\.default$";
    let allow = ["set_permissions", "-p", "/", "someone", ours, ours, ours];
    ctl(&node, &allow).await;
    let url = node.url().replace("guest:guest@", "someone:secret@");
    let denied = algedonic_amqp::AmqpConfig::new(&url).expect("valid");
    let denied = denied.prefix("vsm").queue("s3");
    let amqp = Amqp::new(denied).expect("started");
    let mut arrivals = receive(&amqp);
    up(&amqp).await;
    let id = confirmed(&amqp, with_key("algedonic.pain.low")).await;
    arrives(&mut arrivals, id).await;
    drop(arrivals);
    soon("close", amqp.close(Duration::from_secs(5))).await;

    let expecting = config.clone().topology_mode(TopologyMode::Expect);
    let amqp = Amqp::new(expecting).expect("started");
    let mut arrivals = receive(&amqp);
    up(&amqp).await;
    let id = confirmed(&amqp, with_key("algedonic.pain.low")).await;
    arrives(&mut arrivals, id).await;

    // Who declares it again has it again.
    let declaring = Amqp::new(config.clone().queue("s4")).expect("started");
    up(&declaring).await;
    let (_connection, channel) = operator(&node.url()).await;
    let id = confirmed(&amqp, with_key("algedonic.pain.low")).await;
    let name = config.audit_queue_name().expect("by default");
    assert_eq!(id_of(&letter(&channel, &name).await), id.to_string());
    // And whoever deletes it has done no more than that.
    let deleted = channel.queue_delete(name.as_str().into(), QueueDeleteOptions::default());
    soon("deleted", deleted).await.expect("it was there");
    let id = confirmed(&amqp, with_key("algedonic.pain.low")).await;
    arrives(&mut arrivals, id).await;
}
