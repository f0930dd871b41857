//! What an administrator refuses at run time, and allows again.

use std::collections::HashSet;

use algedonic_amqp::{Amqp, AmqpConfig};
use algedonic_transport::{ErrorKind, Lane, LinkState, Outcome, Transport, Verdict};
use futures_util::{StreamExt, stream::FuturesUnordered};

use crate::support::{
    arrives, config_of, confirmed, ctl, link, message, next, node, prefix_of, receive, receive_on,
    signal, soon, up,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_is_made_right_brings_the_link_up() {
    let node = node().await;
    ctl(&node, &["add_user", "someone", "old"]).await;
    ctl(
        &node,
        &["set_permissions", "-p", "/", "someone", ".*", ".*", ".*"],
    )
    .await;
    let url = node.url().replace("guest:guest@", "someone:new@");
    let amqp = Amqp::new(AmqpConfig::new(&url).expect("valid")).expect("started");
    let mut arrivals = receive(&amqp);
    let down = link(&amqp, "down", |link| link.state == LinkState::Down).await;
    assert_eq!(down.error.expect("a reason").kind(), ErrorKind::Denied);
    ctl(&node, &["change_password", "someone", "new"]).await;
    up(&amqp).await;
    let sent = confirmed(&amqp, message("a")).await;
    arrives(&mut arrivals, sent).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lane_that_is_not_permitted_any_more_leaves_the_other_at_work_and_comes_back() {
    let node = node().await;
    ctl(&node, &["add_user", "someone", "secret"]).await;
    let config = config_of(&node);
    let prefix = prefix_of(&config);
    let permit = async |lanes: &str| {
        let names = format!("^{prefix}\\.(q\\.|algedonic\\.)?({lanes})(\\.[a-z]+)?$");
        // Dead letters take the exchange without a name to their queue.
        let written = format!("{names}|^amq\\.default$");
        let arguments = ["set_permissions", "-p", "/", "someone"];
        let arguments = [&arguments[..], &[&names, &written, &names]].concat();
        ctl(&node, &arguments).await;
    };
    permit("events|signals").await;
    let url = node.url().replace("guest:guest@", "someone:secret@");
    let config = AmqpConfig::new(&url).expect("valid");
    let amqp = Amqp::new(config.prefix(&prefix).queue("q")).expect("started");
    let mut events = receive(&amqp);
    let mut signals = receive_on(&amqp, Lane::Signal);
    up(&amqp).await;

    permit("signals").await;
    // The broker asks no more about what it has allowed on a channel before.
    ctl(&node, &["close_all_connections", "test"]).await;
    let down = link(&amqp, "denied", |link| {
        link.error
            .as_ref()
            .is_some_and(|error| error.kind() == ErrorKind::Denied)
    })
    .await;
    let error = down.error.expect("a reason").to_string();
    assert!(
        down.state == LinkState::Down && error.contains(&format!("{prefix}.events")),
        "{error}"
    );
    soon("signals again", async {
        while soon("outcome", amqp.send(signal("a"))).await.is_err() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let sent = confirmed(&amqp, signal("a")).await;
    arrives(&mut signals, sent).await;
    let refused = soon("refusal", amqp.send(message("a"))).await;
    assert_eq!(
        refused.map_err(|error| error.kind()),
        Err(ErrorKind::Unavailable)
    );

    permit("events|signals").await;
    up(&amqp).await;
    let sent = confirmed(&amqp, message("a")).await;
    arrives(&mut events, sent).await;
    let sent = confirmed(&amqp, signal("a")).await;
    arrives(&mut signals, sent).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_closed_under_load_lose_nothing_that_was_confirmed() {
    let node = node().await;
    let amqp = Amqp::new(config_of(&node).queue("q")).expect("started");
    let mut arrivals = receive(&amqp);
    up(&amqp).await;
    let mut confirmed = HashSet::new();
    let mut outcomes = FuturesUnordered::new();
    let (mut sent, mut unknown, mut refused) = (0_u32, 0, 0);
    let mut closing = None;
    let reader = tokio::spawn(async move {
        let mut arrived = HashSet::new();
        loop {
            let delivery = next(&mut arrivals).await;
            let last = delivery.message().metadata.key == "last";
            arrived.insert(delivery.message().metadata.id);
            delivery.ack();
            if last {
                return arrived;
            }
        }
    });
    soon("a second link, and a thousand more", async {
        let mut after = 0;
        while after < 1000 || !outcomes.is_empty() {
            if after < 1000 && outcomes.len() < 400 {
                let message = message("a");
                let id = message.metadata.id;
                let outcome = amqp.send(message);
                outcomes.push(async move { (id, outcome.await) });
                sent += 1;
            }
            if sent == 2000 && closing.is_none() {
                let node = node.clone();
                closing = Some(tokio::spawn(async move {
                    ctl(&node, &["close_all_connections", "test"]).await;
                }));
            }
            if outcomes.len() < 400 && after < 1000 {
                tokio::task::yield_now().await;
                continue;
            }
            let Some((id, outcome)) = outcomes.next().await else {
                break;
            };
            match outcome {
                Ok(Outcome::Confirmed) => {
                    assert!(confirmed.insert(id));
                    after += u32::from(amqp.link().connects == 2);
                }
                Ok(Outcome::Unknown { .. }) => unknown += 1,
                Err(error) => {
                    assert!(
                        matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Busy)
                            && error.verdict() == Verdict::Transient,
                        "{error}"
                    );
                    refused += 1;
                }
                other => panic!("{other:?}"),
            }
        }
    })
    .await;
    closing.expect("closed").await.expect("no panic");
    println!(
        "{sent} sent: {} confirmed, {unknown} unknown, {refused} refused",
        confirmed.len()
    );
    assert_eq!(confirmed.len() + unknown + refused, sent as usize);
    assert_eq!(unknown, 0, "what was under way is published again");
    up(&amqp).await;
    let last = crate::support::confirmed(&amqp, message("last")).await;
    let arrived = soon("the last", reader).await.expect("no panic");
    assert!(arrived.contains(&last));
    let missing = confirmed.difference(&arrived).count();
    assert_eq!(missing, 0, "confirmed, and not arrived");
}
