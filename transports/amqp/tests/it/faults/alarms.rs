//! A broker that has run out of memory or of disk.

use std::{collections::HashSet, sync::Arc, time::Duration};

use algedonic_amqp::{Amqp, AmqpConfig};
use algedonic_test_broker::Node;
use algedonic_transport::{BoxStream, ErrorKind, Link, LinkState, Outcome, Transport};
use futures_util::{FutureExt, StreamExt, stream::FuturesUnordered};

use crate::support::{
    arrives, config_of, confirmed, ctl, link, message, next, node, receive, soon, up,
};

const MEMORY_GONE: [&str; 2] = ["set_vm_memory_high_watermark", "0.000001"];
const MEMORY_BACK: [&str; 2] = ["set_vm_memory_high_watermark", "0.4"];
/// More than any disk has.
const DISK_GONE: [&str; 2] = ["set_disk_free_limit", "1000000000000000000"];
const DISK_BACK: [&str; 2] = ["set_disk_free_limit", "50MB"];

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_alarm_is_told_from_a_memory_alarm_and_both_end() {
    let node = node().await;
    let config = config_of(&node).confirm_timeout(Duration::from_secs(3));
    let amqp = Amqp::new(config).expect("started");
    let mut arrivals = receive(&amqp);
    up(&amqp).await;
    ctl(&node, &DISK_GONE).await;
    let first = message("a");
    let outcome = amqp.send(first.clone());
    let told = async |words: &[&str]| {
        let blocked = link(&amqp, words[0], |link| {
            let text = link.to_string();
            link.state == LinkState::Blocked && words.iter().all(|word| text.contains(word))
        })
        .await;
        let error = blocked.error.expect("a reason");
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(error.is_transient());
    };
    told(&["disk alarm", "free disk on the broker", "low on disk"]).await;
    let outcome = soon("an outcome", outcome).await.expect("handed over");
    assert!(matches!(outcome, Outcome::Unknown { .. }), "{outcome}");
    let refused = soon("refusal", amqp.send(message("a"))).await;
    assert_eq!(
        refused.map_err(|error| error.kind()),
        Err(ErrorKind::Unavailable)
    );
    // RabbitMQ says why when it begins to block, and not when another reason is added or goes.
    ctl(&node, &MEMORY_GONE).await;
    ctl(&node, &DISK_BACK).await;
    assert_eq!(amqp.link().state, LinkState::Blocked);
    ctl(&node, &MEMORY_BACK).await;
    up(&amqp).await;
    arrives(&mut arrivals, first.metadata.id).await;
    let sent = confirmed(&amqp, message("a")).await;
    arrives(&mut arrivals, sent).await;
    assert_eq!(amqp.link().connects, 1, "{}", amqp.link());
}

/// Comes and goes, seen by the transport of these links, and by one that is made meanwhile.
async fn an_alarm(node: Arc<Node>, mut links: BoxStream<Link>, config: AmqpConfig) {
    let mut is = async |state| {
        soon("the state", async {
            while links.next().await.expect("open").state != state {}
        })
        .await;
    };
    ctl(&node, &MEMORY_GONE).await;
    is(LinkState::Blocked).await;
    // One that comes while the alarm is on finds a broker, and is blocked when it publishes.
    let late = Amqp::new(config.queue("late")).expect("started");
    up(&late).await;
    let outcome = soon("an outcome", late.send(message("late"))).await;
    assert!(
        matches!(outcome, Ok(Outcome::Unknown { .. })),
        "{outcome:?}"
    );
    assert_eq!(late.link().state, LinkState::Blocked);
    ctl(&node, &MEMORY_BACK).await;
    is(LinkState::Up).await;
    up(&late).await;
    confirmed(&late, message("late")).await;
}

/// Before, during and after: what is sent has one outcome, what was confirmed arrives, what was refused does
/// not, and acks go through all the time.
#[tokio::test(flavor = "multi_thread")]
async fn a_burst_goes_through_an_alarm_and_the_books_balance() {
    let node = node().await;
    let config = config_of(&node)
        .queue("q")
        .prefetch(10)
        .confirm_timeout(Duration::from_secs(3));
    let amqp = Amqp::new(config.clone()).expect("started");
    let mut arrivals = receive(&amqp);
    up(&amqp).await;
    let reader = tokio::spawn(async move {
        let mut arrived = Vec::new();
        loop {
            let delivery = next(&mut arrivals).await;
            let last = delivery.message().metadata.key == "last";
            arrived.push(delivery.message().metadata.id);
            delivery.ack();
            if last {
                return arrived;
            }
        }
    });
    let commands = tokio::spawn(an_alarm(node.clone(), amqp.links(), config));
    let mut outcomes = FuturesUnordered::new();
    let (mut sent, mut unknown) = (0, 0);
    let (mut yes, mut no) = (HashSet::new(), HashSet::new());
    // Until a thousand are sent after it.
    let mut after = 0;
    while after < 1000 || !outcomes.is_empty() {
        if after < 1000 && outcomes.len() < 300 {
            let message = message("a");
            let id = message.metadata.id;
            let outcome = amqp.send(message);
            outcomes.push(async move { (id, outcome.await) });
            sent += 1;
            after += u32::from(commands.is_finished());
        }
        if outcomes.len() < 300 && after < 1000 {
            tokio::task::yield_now().await;
        }
        while let Some(Some((id, outcome))) = outcomes.next().now_or_never() {
            match outcome {
                Ok(Outcome::Confirmed) => assert!(yes.insert(id)),
                Ok(Outcome::Unknown { .. }) => unknown += 1,
                Err(error) => {
                    let kind = error.kind();
                    assert!(
                        matches!(kind, ErrorKind::Unavailable | ErrorKind::Busy),
                        "{error}"
                    );
                    no.insert(id);
                    // As a caller does who is told that it is of no use now.
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                other => panic!("{other:?}"),
            }
        }
        if after >= 1000 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    commands.await.expect("no panic");
    println!(
        "{sent} sent: {} confirmed, {unknown} unknown, {} refused",
        yes.len(),
        no.len()
    );
    assert_eq!(yes.len() + unknown + no.len(), sent);
    assert!(unknown > 0 && !no.is_empty() && yes.len() > 1000);
    up(&amqp).await;
    confirmed(&amqp, message("last")).await;
    let arrived = soon("the last", reader).await.expect("no panic");
    let each: HashSet<_> = arrived.iter().copied().collect();
    assert_eq!(each.len(), arrived.len(), "one was sent twice");
    assert_eq!(
        yes.difference(&each).count(),
        0,
        "confirmed, and not arrived"
    );
    assert_eq!(no.intersection(&each).count(), 0, "refused, and arrived");
    assert_eq!(amqp.link().connects, 1, "{}", amqp.link());
}
