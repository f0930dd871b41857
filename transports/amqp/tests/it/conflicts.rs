//! A queue or an exchange that is not as ours: told by name, and at the cost of its lane only.

use std::{pin::pin, time::Duration};

use algedonic_amqp::{Amqp, QueueType};
use algedonic_test_broker::{Way, shared_url};
use algedonic_transport::{ErrorKind, Lane, Link, LinkState, Outcome, Transport, Verdict};
use futures_util::{StreamExt, stream::FuturesUnordered};
use lapin::{
    ExchangeKind,
    options::{
        ExchangeDeclareOptions, ExchangeDeleteOptions, QueueDeclareOptions, QueueDeleteOptions,
    },
    types::FieldTable,
};
use tokio::time::Instant;

use crate::{
    proxy::behind_a_proxy,
    support::{
        arrives, blocking, config, confirmed, link, message, next, operator, prefix_of, receive,
        receive_on, signal, soon, up,
    },
};

#[tokio::test]
async fn a_queue_that_differs_is_a_conflict_that_names_queue_and_argument() {
    let config = config().await.queue("q");
    let first = Amqp::new(config.clone()).expect("started");
    let _arrivals = receive(&first);
    up(&first).await;
    let second = Amqp::new(config.clone().queue_type(QueueType::Classic)).expect("started");
    let _arrivals = receive(&second);
    let down = link(&second, "down", |link| link.state == LinkState::Down).await;
    let error = down.error.expect("a reason");
    assert_eq!(
        (error.kind(), error.verdict()),
        (ErrorKind::Conflict, Verdict::Permanent),
        "{error}"
    );
    let text = error.to_string();
    assert!(
        text.contains(&prefix_of(&config)) && text.contains("x-queue-type"),
        "{text}"
    );
    assert!(first.link().is_up());
}

#[tokio::test]
async fn an_exchange_that_differs_is_a_conflict() {
    let config = config().await;
    let exchange = format!("{}.events", prefix_of(&config));
    let (_connection, channel) = operator(&shared_url()).await;
    let options = ExchangeDeclareOptions {
        auto_delete: true,
        ..ExchangeDeclareOptions::default()
    };
    let declared = channel.exchange_declare(
        exchange.as_str().into(),
        ExchangeKind::Fanout,
        options,
        FieldTable::default(),
    );
    soon("declared", declared).await.expect("ok");
    let amqp = Amqp::new(config).expect("started");
    let down = link(&amqp, "down", |link| link.state == LinkState::Down).await;
    let error = down.error.expect("a reason");
    assert_eq!(
        (error.kind(), error.verdict()),
        (ErrorKind::Conflict, Verdict::Permanent),
        "{error}"
    );
    assert!(error.to_string().contains(&exchange), "{error}");
}

/// The queue of `broken` is there already, and another one: the other lane is at work, and both
/// are sent on.
async fn a_queue_of_one_lane_that_differs(broken: Lane, works: Lane) {
    // So that a confirm says that one listens.
    let config = config().await.queue("q").audit(None);
    let mut queue = format!("{}.q.{broken}", prefix_of(&config));
    if broken == Lane::Signal {
        // One of its four.
        queue.push_str(".medium");
    }
    let (_connection, channel) = operator(&shared_url()).await;
    let options = QueueDeclareOptions {
        durable: true,
        ..QueueDeclareOptions::default()
    };
    let declared = channel.queue_declare(queue.as_str().into(), options, FieldTable::default());
    soon("declared", declared).await.expect("ok");
    let other = Amqp::new(config.clone().queue("other")).expect("started");
    let _others = receive_on(&other, broken);
    up(&other).await;

    let on = |lane| {
        let mut message = message("a");
        message.lane = lane;
        message
    };
    let amqp = Amqp::new(config).expect("started");
    let mut broken_arrivals = receive_on(&amqp, broken);
    let mut arrivals = receive_on(&amqp, works);
    // It is tried again, at the slow pace, and that disturbs nothing.
    let down = link(&amqp, "down", |link| link.state == LinkState::Down).await;
    let since = Instant::now();
    let error = down.error.expect("a reason");
    assert_eq!(
        (error.kind(), error.verdict()),
        (ErrorKind::Conflict, Verdict::Permanent),
        "{error}"
    );
    assert!(error.to_string().contains(&queue), "{error}");
    soon("the other lane bound", async {
        while amqp.send(on(works)).await.ok() != Some(Outcome::Confirmed) {
            tokio::task::yield_now().await;
        }
    })
    .await;
    next(&mut arrivals).await.ack();
    confirmed(&amqp, on(broken)).await;
    // All others are up by now.
    let attempts = amqp.link().attempts;
    let mut rounds = 0;
    while amqp.link().attempts == attempts {
        let sent = confirmed(&amqp, on(works)).await;
        let delivery = next(&mut arrivals).await;
        assert_eq!(delivery.message().metadata.id, sent);
        assert!(!delivery.is_redelivered());
        delivery.ack();
        confirmed(&amqp, on(broken)).await;
        assert_eq!(amqp.link().state, LinkState::Down);
        rounds += 1;
    }
    println!(
        "{rounds} rounds until the next attempt, after {:?}",
        since.elapsed()
    );
    assert!(since.elapsed() > Duration::from_secs(4) && rounds > 100);

    let deleted = channel.queue_delete(queue.as_str().into(), QueueDeleteOptions::default());
    soon("deleted", deleted).await.expect("ok");
    up(&amqp).await;
    let sent = confirmed(&amqp, on(broken)).await;
    arrives(&mut broken_arrivals, sent).await;
    let sent = confirmed(&amqp, on(works)).await;
    arrives(&mut arrivals, sent).await;
}

/// As many as the window lets in await their confirms when the refusal comes, and each is answered on the connection
/// that it was sent on.
#[tokio::test(flavor = "multi_thread")]
async fn a_signals_queue_that_differs_costs_a_full_window_of_events_nothing() {
    const WINDOW: usize = 512;
    let (config, proxy) = behind_a_proxy().await;
    let config = config.queue("q").window(WINDOW);
    let queue = format!("{}.q.signals.low", prefix_of(&config));
    let (_connection, channel) = operator(&blocking(shared_url).await).await;
    let options = QueueDeclareOptions {
        durable: true,
        ..QueueDeclareOptions::default()
    };
    let declared = channel.queue_declare(queue.as_str().into(), options, FieldTable::default());
    soon("declared", declared).await.expect("ok");
    let amqp = Amqp::new(config).expect("started");
    let _events = receive(&amqp);
    up(&amqp).await;
    let before = proxy.accepted();
    // Confirms take so long that the window is full all the time.
    proxy.delay(Way::ToClient, Duration::from_millis(100));
    let _signals = receive_on(&amqp, Lane::Signal);
    let mut links = amqp.links();
    let told = async {
        loop {
            let link = links.next().await.expect("open");
            if let Some(error) = link.error
                && error.kind() == ErrorKind::Conflict
            {
                return error;
            }
        }
    };
    let mut told = pin!(told);
    let (mut outcomes, mut error, mut sent) = (FuturesUnordered::new(), None, 0);
    while error.is_none() || !outcomes.is_empty() {
        while error.is_none() && outcomes.len() < WINDOW {
            outcomes.push(amqp.send(message("a")));
            sent += 1;
        }
        tokio::select! {
            biased;
            conflict = &mut told, if error.is_none() => {
                assert!(outcomes.len() > WINDOW / 2, "{}", outcomes.len());
                error = Some(conflict);
            }
            outcome = soon("an outcome", outcomes.next()) => {
                let outcome = outcome.expect("some").expect("there is room");
                assert_eq!(outcome, Outcome::Confirmed);
            }
        }
    }
    let error = error.expect("told").to_string();
    assert!(error.contains(&queue), "{error}");
    println!("{sent} confirmed");
    // The one that was to receive signals.
    assert_eq!(proxy.accepted(), before + 1);
    soon(
        "deleted",
        channel.queue_delete(queue.as_str().into(), QueueDeleteOptions::default()),
    )
    .await
    .expect("ok");
}

#[tokio::test]
async fn an_events_queue_that_differs_does_not_deafen_signals() {
    a_queue_of_one_lane_that_differs(Lane::Event, Lane::Signal).await;
}

#[tokio::test]
async fn a_signals_queue_that_differs_does_not_deafen_events() {
    a_queue_of_one_lane_that_differs(Lane::Signal, Lane::Event).await;
}

#[tokio::test]
async fn a_commands_queue_that_differs_does_not_deafen_events() {
    a_queue_of_one_lane_that_differs(Lane::Command, Lane::Event).await;
}

#[tokio::test]
async fn an_events_queue_that_differs_does_not_deafen_commands() {
    a_queue_of_one_lane_that_differs(Lane::Event, Lane::Command).await;
}

#[tokio::test]
async fn an_events_exchange_that_differs_neither_deafens_nor_mutes_signals() {
    // So that a confirm says that one listens.
    let config = config().await.audit(None);
    let exchange = format!("{}.events", prefix_of(&config));
    let (_connection, channel) = operator(&shared_url()).await;
    let declared = channel.exchange_declare(
        exchange.as_str().into(),
        ExchangeKind::Fanout,
        ExchangeDeclareOptions::default(),
        FieldTable::default(),
    );
    soon("declared", declared).await.expect("ok");
    let amqp = Amqp::new(config).expect("started");
    let mut events = receive(&amqp);
    let mut signals = receive_on(&amqp, Lane::Signal);
    let told = |link: &Link| {
        let error = link.error.as_ref();
        link.state == LinkState::Down
            && error.is_some_and(|error| error.to_string().contains(&exchange))
    };
    link(&amqp, "down, with the exchange named", told).await;
    soon("signals", async {
        while !matches!(amqp.send(signal("a")).await, Ok(Outcome::Confirmed)) {
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
    assert!(told(&amqp.link()), "{}", amqp.link());
    let deleted =
        channel.exchange_delete(exchange.as_str().into(), ExchangeDeleteOptions::default());
    soon("deleted", deleted).await.expect("ok");
    up(&amqp).await;
    let sent = confirmed(&amqp, message("a")).await;
    arrives(&mut events, sent).await;
}
