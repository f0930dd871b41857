use std::{error::Error as _, fmt::Write as _, pin::pin, time::Duration};

use algedonic_amqp::{Amqp, AmqpConfig, QueueType};
use algedonic_test_broker::{Way, shared_url};
use algedonic_transport::{
    Error, ErrorKind, Lane, Link, LinkState, Outcome, Pattern, Transport, Verdict,
};
use futures_util::{StreamExt, stream::FuturesUnordered};
use lapin::{
    ExchangeKind,
    options::{
        ExchangeDeclareOptions, ExchangeDeleteOptions, QueueDeclareOptions, QueueDeleteOptions,
    },
    types::FieldTable,
};
use tokio::{net::TcpListener, time::Instant};

use crate::{
    proxy::behind_a_proxy,
    support::{
        arrives, blocking, config, confirmed, link, message, next, operator, prefix_of, receive,
        receive_on, signal, soon, up,
    },
};

#[tokio::test]
async fn a_refused_login_is_denied_for_good_and_the_password_shows_nowhere() {
    let url = blocking(shared_url).await.replace(":guest@", ":canary@");
    let amqp = Amqp::new(AmqpConfig::new(&url).expect("valid")).expect("started");
    let _arrivals = receive(&amqp);
    let down = link(&amqp, "down", |link| link.state == LinkState::Down).await;
    let error = down.error.clone().expect("a reason");
    assert_eq!(
        (error.kind(), error.verdict()),
        (ErrorKind::Denied, Verdict::Permanent),
        "{error}"
    );
    assert!(error.to_string().contains("user guest"), "{error}");
    let refused = soon("refusal", amqp.send(message("a")))
        .await
        .expect_err("down");
    assert_eq!(refused.kind(), ErrorKind::Unavailable);
    assert_shows_no_password(&amqp, &down);
    // No hammering: each of the three connections tries again after 5 s, not before.
    let since = Instant::now();
    link(&amqp, "the fourth attempt", |link| link.attempts >= 4).await;
    assert!(
        since.elapsed() > Duration::from_secs(4),
        "{:?}",
        since.elapsed()
    );
    let start = Instant::now();
    soon("close", amqp.close(Duration::from_secs(2))).await;
    assert!(start.elapsed() < Duration::from_secs(1));
}

/// Whatever shows the password has the text `canary`.
fn assert_shows_no_password(amqp: &Amqp, down: &Link) {
    let error = down.error.as_ref().expect("a reason");
    let mut shown = format!("{down} {down:?} {error} {error:#} {error:?} {error:#?} {amqp:?}");
    let mut source = error.source();
    assert!(source.is_some(), "{error:?}");
    while let Some(cause) = source {
        write!(shown, " {cause} {cause:#} {cause:?} {cause:#?}").expect("text");
        source = cause.source();
    }
    assert!(
        shown.contains("guest") && !shown.contains("canary"),
        "{shown}"
    );
}

#[tokio::test]
async fn a_port_that_nobody_serves_is_told_with_its_cause_and_without_the_password() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let address = listener.local_addr().expect("bound");
    drop(listener);
    let url = format!("amqp://guest:canary@{address}");
    let amqp = Amqp::new(AmqpConfig::new(&url).expect("valid")).expect("started");
    let down = link(&amqp, "down", |link| link.state == LinkState::Down).await;
    assert_eq!(
        down.error.as_ref().map(Error::kind),
        Some(ErrorKind::Unavailable)
    );
    assert_shows_no_password(&amqp, &down);
}

#[tokio::test]
async fn a_vhost_that_does_not_exist_is_denied_by_name() {
    let url = blocking(shared_url).await.replace("/%2f", "/no-such-vhost");
    let amqp = Amqp::new(AmqpConfig::new(&url).expect("valid")).expect("started");
    let down = link(&amqp, "down", |link| link.state == LinkState::Down).await;
    let error = down.error.expect("a reason");
    assert_eq!(
        (error.kind(), error.verdict()),
        (ErrorKind::Denied, Verdict::Permanent),
        "{error}"
    );
    assert!(error.to_string().contains("no-such-vhost"), "{error}");
}

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

#[tokio::test]
async fn a_refused_lane_that_nobody_wants_any_more_is_no_fault() {
    let config = config().await.queue("q");
    let first = Amqp::new(config.clone()).expect("started");
    let _theirs = receive(&first);
    up(&first).await;
    let second = Amqp::new(config.queue_type(QueueType::Classic)).expect("started");
    let signals = receive_on(&second, Lane::Signal);
    up(&second).await;
    let events = receive(&second);
    link(&second, "down", |link| link.state == LinkState::Down).await;
    let since = Instant::now();
    drop(events);
    up(&second).await;
    assert!(
        since.elapsed() < Duration::from_secs(2),
        "{:?}",
        since.elapsed()
    );
    drop(signals);
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_a_lane_declares_has_one_deadline() {
    let second = Duration::from_secs(1);
    let (config, proxy) = behind_a_proxy().await;
    let amqp = Amqp::new(config.connect_timeout(second)).expect("started");
    let mut signals = receive_on(&amqp, Lane::Signal);
    up(&amqp).await;
    // Each answer takes a fifth of a second: no step is late, and twenty are.
    proxy.delay(Way::Both, second / 10);
    let since = Instant::now();
    let interest = (0..20).map(|number| Pattern::new(format!("a.{number}")).expect("a pattern"));
    let mut events = amqp
        .receive(Lane::Event, interest.collect())
        .expect("first call");
    let down = link(&amqp, "down", |link| link.state == LinkState::Down).await;
    let error = down.error.expect("a reason");
    assert!(
        error.kind() == ErrorKind::TimedOut && error.to_string().contains("within 1s"),
        "{error}"
    );
    assert!(
        since.elapsed() >= second && since.elapsed() < 2 * second,
        "{:?}",
        since.elapsed()
    );
    let sent = confirmed(&amqp, signal("a")).await;
    arrives(&mut signals, sent).await;
    proxy.resume().await;
    up(&amqp).await;
    let sent = confirmed(&amqp, message("a.19")).await;
    arrives(&mut events, sent).await;
}

#[tokio::test]
async fn what_cannot_be_sent_is_refused_before_anything_else() {
    let amqp = Amqp::new(config().await.max_body_bytes(10)).expect("started");
    let mut large = message("a");
    large.body = vec![0; 11].into();
    let error = soon("refusal", amqp.send(large))
        .await
        .expect_err("11 bytes");
    assert_eq!(
        (error.kind(), error.verdict()),
        (ErrorKind::TooLarge, Verdict::Permanent)
    );
    let mut malformed = message("a");
    malformed.metadata.correlation =
        algedonic_transport::CorrelationId::from_text(&"c".repeat(256));
    let error = soon("refusal", amqp.send(malformed))
        .await
        .expect_err("256 bytes");
    assert_eq!(
        (error.kind(), error.verdict()),
        (ErrorKind::Malformed, Verdict::Permanent)
    );
}

#[test]
fn outside_of_a_runtime_it_is_an_error_and_no_panic() {
    let error = Amqp::new(AmqpConfig::new("amqp://h").expect("valid")).expect_err("no runtime");
    assert_eq!(error.kind(), ErrorKind::Misconfigured);
}

#[cfg(feature = "tls")]
#[tokio::test]
async fn tls_to_a_port_that_does_not_speak_it_is_misconfigured() {
    let url = blocking(shared_url).await.replace(":guest@", ":canary@");
    let url = url.replace("amqp://", "amqps://");
    let amqp = Amqp::new(AmqpConfig::new(&url).expect("built with TLS")).expect("started");
    let down = link(&amqp, "down", |link| link.state == LinkState::Down).await;
    assert_shows_no_password(&amqp, &down);
    let error = down.error.expect("a reason");
    assert_eq!(
        (error.kind(), error.verdict()),
        (ErrorKind::Misconfigured, Verdict::Permanent),
        "{error}"
    );
}
