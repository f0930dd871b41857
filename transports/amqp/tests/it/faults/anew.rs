//! A broker that has lost its data.

use algedonic_amqp::Amqp;
use algedonic_transport::{Lane, Transport};

use crate::support::{
    blocking, command, config_of, confirmed, message, next, node, receive_on, signal, up,
};

/// All that an instance needs is declared again; what was delivered before is settled without harm, and never comes
/// again.
#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_comes_back_without_its_data_is_told_again_what_is_needed() {
    let node = node().await;
    let amqp = Amqp::new(config_of(&node).queue("q")).expect("started");
    let mut inboxes = Lane::ALL.map(|lane| receive_on(&amqp, lane));
    up(&amqp).await;
    let one_of_each = || {
        Lane::ALL.map(|lane| match lane {
            Lane::Event => message("a"),
            Lane::Signal => signal("a"),
            Lane::Command => command("a"),
        })
    };
    let mut old = Vec::new();
    for _ in 0..3 {
        for (sent, inbox) in one_of_each().into_iter().zip(&mut inboxes) {
            confirmed(&amqp, sent).await;
            old.push(next(inbox).await);
        }
    }
    let restarted = node.clone();
    blocking(move || restarted.restart_empty()).await;
    up(&amqp).await;
    let connects = amqp.link().connects;
    for (number, delivery) in old.into_iter().enumerate() {
        match number / Lane::ALL.len() {
            0 => delivery.ack(),
            1 => delivery.requeue(),
            _ => delivery.dead_letter_because("of another life"),
        }
    }
    for _ in 0..100 {
        for (sent, inbox) in one_of_each().into_iter().zip(&mut inboxes) {
            let id = confirmed(&amqp, sent).await;
            let delivery = next(inbox).await;
            assert_eq!(delivery.message().metadata.id, id);
            assert!(!delivery.is_redelivered() && delivery.attempt() == 1);
            delivery.ack();
        }
    }
    assert!(amqp.link().is_up(), "{}", amqp.link());
    assert_eq!(amqp.link().connects, connects);
}
