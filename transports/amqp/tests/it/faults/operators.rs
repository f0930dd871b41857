//! What those who run the broker do to it while we are connected, or away.

use std::time::Duration;

use algedonic_amqp::{Amqp, AmqpConfig, Purpose, QueueType};
use algedonic_test_broker::shared_url;
use algedonic_transport::{Error, ErrorKind, Lane, LinkState, Outcome, Transport, Verdict};
use lapin::{
    ExchangeKind,
    options::{
        BasicConsumeOptions, ExchangeDeclareOptions, ExchangeDeleteOptions, QueueDeclareOptions,
        QueueDeleteOptions,
    },
    types::FieldTable,
};
use tokio::time::Instant;

use crate::{
    proxy::{behind_a_proxy, cut},
    support::{
        arrives, config, config_of, confirmed, ctl, link, message, node, operator, receive,
        receive_on, signal, soon, up,
    },
};

/// Waits until this is what is wrong.
async fn wrong(amqp: &Amqp, words: &[&str]) -> Error {
    let down = link(amqp, words[0], |link| {
        let text = link.to_string();
        link.state == LinkState::Down && words.iter().all(|word| text.contains(word))
    })
    .await;
    down.error.expect("a reason")
}

fn is(error: &Error, kind: ErrorKind, verdict: Verdict) {
    assert_eq!((error.kind(), error.verdict()), (kind, verdict), "{error}");
}

/// A message goes there and comes back, on each lane.
async fn works(
    amqp: &Amqp,
    events: &mut algedonic_transport::BoxStream<algedonic_transport::Arrival>,
) {
    let sent = confirmed(amqp, message("a")).await;
    arrives(events, sent).await;
}

#[tokio::test]
async fn a_queue_that_others_made_anew_meanwhile_is_a_conflict_until_it_is_gone() {
    let (config, proxy) = behind_a_proxy().await;
    let config = config.queue("q");
    let queue = config.queue_name(Purpose::Events);
    let amqp = Amqp::new(config).expect("started");
    let mut events = receive(&amqp);
    let mut signals = receive_on(&amqp, Lane::Signal);
    up(&amqp).await;
    cut(&proxy).await;
    let (_connection, channel) = operator(&shared_url()).await;
    let name = || queue.as_str().into();
    let deleted = channel.queue_delete(name(), QueueDeleteOptions::default());
    soon("deleted", deleted).await.expect("it was there");
    let durable = QueueDeclareOptions {
        durable: true,
        ..QueueDeclareOptions::default()
    };
    let declared = channel.queue_declare(name(), durable, FieldTable::default());
    soon("declared", declared).await.expect("ok");
    proxy.resume().await;
    let words = [
        &*format!("queue {queue}: x-"),
        "and none on the broker",
        "delete it",
    ];
    let error = wrong(&amqp, &words).await;
    is(&error, ErrorKind::Conflict, Verdict::Permanent);
    let sent = soon("signals again", async {
        loop {
            let signal = signal("a");
            let id = signal.metadata.id;
            if amqp.send(signal).await.ok() == Some(Outcome::Confirmed) {
                return id;
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
    arrives(&mut signals, sent).await;
    // Nobody hears events, and who sends one is told.
    let unheard = soon("an outcome", amqp.send(message("a"))).await;
    assert_eq!(unheard.expect("sent"), Outcome::NotRouted);
    let deleted = channel.queue_delete(name(), QueueDeleteOptions::default());
    soon("deleted", deleted).await.expect("it was there");
    up(&amqp).await;
    works(&amqp, &mut events).await;
}

/// An exchange is deleted, with the bindings of everybody, and nobody is told; then there is another one of the
/// same name. Who publishes learns that nobody hears it; who wanted that himself, why.
#[tokio::test]
async fn an_exchange_that_others_made_anew_under_us_is_a_conflict_until_it_is_gone() {
    let config = config().await.queue("q");
    let exchange = config.exchange_name(Purpose::Events);
    let amqp = Amqp::new(config).expect("started");
    let mut events = receive(&amqp);
    up(&amqp).await;
    let (_connection, channel) = operator(&shared_url()).await;
    let name = || exchange.as_str().into();
    let deleted = channel.exchange_delete(name(), ExchangeDeleteOptions::default());
    soon("deleted", deleted).await.expect("it was there");
    let durable = ExchangeDeclareOptions {
        durable: true,
        ..ExchangeDeclareOptions::default()
    };
    let kind = ExchangeKind::Fanout;
    let declared = channel.exchange_declare(name(), kind, durable, FieldTable::default());
    soon("declared", declared).await.expect("ok");
    let unheard = soon("an outcome", amqp.send(message("a"))).await;
    assert_eq!(unheard.expect("sent"), Outcome::NotRouted);
    let words = format!("exchange {exchange}: type is topic here and fanout on the broker");
    let error = wrong(&amqp, &[&words]).await;
    is(&error, ErrorKind::Conflict, Verdict::Permanent);
    let deleted = channel.exchange_delete(name(), ExchangeDeleteOptions::default());
    soon("deleted", deleted).await.expect("it was there");
    up(&amqp).await;
    works(&amqp, &mut events).await;
}

/// Found by the first message of our own that does not come; after half a minute without one.
async fn a_lost_binding(found: impl AsyncFnOnce(&Amqp)) {
    let config = config().await.queue("q");
    let (exchange, queue) = (
        config.exchange_name(Purpose::Events),
        config.queue_name(Purpose::Events),
    );
    let amqp = Amqp::new(config).expect("started");
    let mut events = receive(&amqp);
    up(&amqp).await;
    let (_connection, channel) = operator(&shared_url()).await;
    let unbound = channel.queue_unbind(
        queue.as_str().into(),
        exchange.as_str().into(),
        "#".into(),
        FieldTable::default(),
    );
    soon("unbound", unbound).await.expect("it was there");
    found(&amqp).await;
    works(&amqp, &mut events).await;
    assert_eq!(amqp.link().connects, 1, "{}", amqp.link());
}

#[tokio::test]
async fn a_binding_that_is_taken_away_is_made_again_when_it_is_missed() {
    a_lost_binding(async |amqp| {
        let unheard = soon("an outcome", amqp.send(message("a"))).await;
        assert_eq!(unheard.expect("sent"), Outcome::NotRouted);
        let since = Instant::now();
        soon("the binding", async {
            while amqp.send(message("a")).await.ok() != Some(Outcome::Confirmed) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
        let took = since.elapsed();
        println!("bound again after {took:?}");
        assert!(took < Duration::from_secs(5), "{took:?}");
    })
    .await;
}

/// Nobody publishes: it takes until the next look, half a minute.
#[tokio::test]
async fn a_binding_that_is_taken_away_is_made_again_by_and_by() {
    a_lost_binding(async |_| tokio::time::sleep(Duration::from_secs(32)).await).await;
}

/// Somebody has declared a queue of our name for himself.
#[tokio::test]
async fn a_queue_that_another_connection_holds_is_waited_for() {
    let config = config().await.queue("q");
    let queue = config.queue_name(Purpose::Events);
    let (connection, channel) = operator(&shared_url()).await;
    let exclusive = QueueDeclareOptions {
        exclusive: true,
        ..QueueDeclareOptions::default()
    };
    let declared = channel.queue_declare(queue.as_str().into(), exclusive, FieldTable::default());
    soon("declared", declared).await.expect("ok");
    let amqp = Amqp::new(config).expect("started");
    let mut events = receive(&amqp);
    let error = wrong(&amqp, &[&queue, "another connection holds the queue"]).await;
    is(&error, ErrorKind::Unavailable, Verdict::Transient);
    soon("closed", connection.close(200, "OK".into()))
        .await
        .expect("ok");
    up(&amqp).await;
    works(&amqp, &mut events).await;
}

/// Somebody consumes from our queue and wants nobody beside him.
#[tokio::test]
async fn a_queue_that_another_consumer_has_to_himself_is_waited_for() {
    // RabbitMQ 3.10 lets others consume from a quorum queue all the same.
    let config = config().await.queue("q").queue_type(QueueType::Classic);
    let queue = config.queue_name(Purpose::Events);
    let owner = Amqp::new(config.clone()).expect("started");
    let arrivals = receive(&owner);
    up(&owner).await;
    drop(arrivals);
    soon("close", owner.close(Duration::from_secs(5))).await;
    let (connection, channel) = operator(&shared_url()).await;
    let exclusive = BasicConsumeOptions {
        exclusive: true,
        ..BasicConsumeOptions::default()
    };
    let name = queue.as_str().into();
    let consumer = channel.basic_consume(name, "".into(), exclusive, FieldTable::default());
    let consumer = soon("a consumer", consumer).await.expect("ok");
    let amqp = Amqp::new(config).expect("started");
    let mut events = receive(&amqp);
    let error = wrong(&amqp, &[&queue, "another consumer has the queue to itself"]).await;
    is(&error, ErrorKind::Unavailable, Verdict::Transient);
    drop(consumer);
    soon("closed", connection.close(200, "OK".into()))
        .await
        .expect("ok");
    up(&amqp).await;
    works(&amqp, &mut events).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_are_told_from_refusals_and_waited_for() {
    let node = node().await;
    ctl(&node, &["add_user", "someone", "secret"]).await;
    let allow = ["set_permissions", "-p", "/", "someone", ".*", ".*", ".*"];
    ctl(&node, &allow).await;
    let url = node.url().replace("guest:guest@", "someone:secret@");
    for (limit, raise, words) in [
        (
            &["set_vhost_limits", "-p", "/", r#"{"max-queues": 0}"#][..],
            &["set_vhost_limits", "-p", "/", r#"{"max-queues": -1}"#][..],
            "set_vhost_limits",
        ),
        (
            &["set_vhost_limits", "-p", "/", r#"{"max-connections": 0}"#],
            &["set_vhost_limits", "-p", "/", r#"{"max-connections": -1}"#],
            "close other connections, or raise the limit",
        ),
        (
            &["set_user_limits", "someone", r#"{"max-connections": 0}"#],
            &["set_user_limits", "someone", r#"{"max-connections": -1}"#],
            "close other connections, or raise the limit",
        ),
        (
            &["set_user_limits", "someone", r#"{"max-channels": 0}"#],
            &["set_user_limits", "someone", r#"{"max-channels": -1}"#],
            "set_user_limits",
        ),
    ] {
        ctl(&node, limit).await;
        let config = AmqpConfig::new(&url).expect("valid");
        let amqp = Amqp::new(config.prefix(algedonic_test_broker::unique("it"))).expect("started");
        let mut events = receive(&amqp);
        let error = wrong(&amqp, &[words, "limit"]).await;
        is(&error, ErrorKind::Unavailable, Verdict::Transient);
        ctl(&node, raise).await;
        up(&amqp).await;
        works(&amqp, &mut events).await;
        soon("close", amqp.close(Duration::from_secs(5))).await;
    }
}

/// A node that is put into maintenance closes its listeners and its connections.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_in_maintenance_is_away_and_comes_back() {
    let node = node().await;
    let amqp = Amqp::new(config_of(&node).queue("q")).expect("started");
    let mut events = receive(&amqp);
    up(&amqp).await;
    let mut links = amqp.links();
    let said = tokio::spawn(async move {
        let mut said = Vec::new();
        loop {
            let link = futures_util::StreamExt::next(&mut links).await;
            let link = link.expect("open").to_string();
            let refused = link.contains("refused");
            said.push(link);
            if refused {
                return said;
            }
        }
    });
    ctl(&node, &["eval", "rabbit_maintenance:drain()."]).await;
    let said = soon("the refusal", said).await.expect("no panic");
    assert!(
        said.iter().any(|link| link.contains("maintenance")),
        "{said:#?}"
    );
    let refused = soon("refusal", amqp.send(message("a"))).await;
    assert_eq!(
        refused.map_err(|error| error.kind()),
        Err(ErrorKind::Unavailable)
    );
    ctl(&node, &["eval", "rabbit_maintenance:revive()."]).await;
    up(&amqp).await;
    works(&amqp, &mut events).await;
}

/// The broker's application is stopped, and its Erlang machine is not.
#[tokio::test(flavor = "multi_thread")]
async fn an_application_that_is_stopped_and_started_is_found_again() {
    let node = node().await;
    let amqp = Amqp::new(config_of(&node).queue("q")).expect("started");
    let mut events = receive(&amqp);
    up(&amqp).await;
    works(&amqp, &mut events).await;
    ctl(&node, &["stop_app"]).await;
    let down = link(&amqp, "down", |link| link.state == LinkState::Down).await;
    is(
        &down.error.expect("a reason"),
        ErrorKind::Unavailable,
        Verdict::Transient,
    );
    ctl(&node, &["start_app"]).await;
    up(&amqp).await;
    works(&amqp, &mut events).await;
}

/// Those who are in stay in; who comes is refused, and let in when the door opens.
#[tokio::test]
async fn a_closed_listener_is_felt_by_new_connections_only() {
    let (config, proxy) = behind_a_proxy().await;
    let amqp = Amqp::new(config.clone().queue("q")).expect("started");
    let mut events = receive(&amqp);
    up(&amqp).await;
    proxy.refuse().await;
    works(&amqp, &mut events).await;
    let late = Amqp::new(config.queue("late")).expect("started");
    let mut late_events = receive(&late);
    let error = wrong(&late, &["refused", "is the broker up"]).await;
    is(&error, ErrorKind::Unavailable, Verdict::Transient);
    works(&amqp, &mut events).await;
    assert_eq!(amqp.link().connects, 1, "{}", amqp.link());
    proxy.resume().await;
    up(&late).await;
    works(&late, &mut late_events).await;
}
