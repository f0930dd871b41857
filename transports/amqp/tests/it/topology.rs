//! What is on the broker already, made by us or by others.

use std::time::Duration;

use algedonic_amqp::{Amqp, AmqpConfig, CommandQueue, Purpose, QueueType, TopologyMode};
use algedonic_test_broker::shared_url;
use algedonic_transport::{Error, ErrorKind, Lane, LinkState, Outcome, Transport, Verdict};
use lapin::{
    ExchangeKind,
    options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable},
};

use crate::support::{
    arrives, command, config, confirmed, link, message, operator, receive, receive_on, soon, up,
};

/// Why this does not work, for good.
async fn refusal(config: AmqpConfig) -> Error {
    refusal_on(config, Lane::Event).await
}

async fn refusal_on(config: AmqpConfig, lane: Lane) -> Error {
    let amqp = Amqp::new(config).expect("started");
    let _arrivals = receive_on(&amqp, lane);
    let down = link(&amqp, "down", |link| link.state == LinkState::Down).await;
    let error = down.error.expect("a reason");
    assert_eq!(error.verdict(), Verdict::Permanent, "{error}");
    error
}

#[tokio::test]
async fn a_mismatch_names_the_queue_the_argument_ours_and_theirs() {
    let hour = Some(Duration::from_secs(3600));
    let config = config().await.queue("q").message_ttl(hour);
    let amqp = Amqp::new(config.clone()).expect("started");
    let _arrivals = receive(&amqp);
    up(&amqp).await;
    let queue = config.queue_name(Purpose::Events);
    let letters = config.dead_letter_queue_name(Purpose::Events);
    for (changed, words) in [
        (
            config.clone().message_ttl(Some(Duration::from_secs(60))),
            format!("queue {queue}: x-message-ttl is 60000 here and 3600000 on the broker"),
        ),
        (
            config.clone().message_ttl(None),
            format!("queue {queue}: x-message-ttl is none here and 3600000 on the broker"),
        ),
        (
            config.clone().max_length(Some(10)),
            format!("queue {queue}: x-max-length is 10 here and none on the broker"),
        ),
        (
            config.clone().queue_type(QueueType::Classic),
            format!("queue {letters}: x-queue-type is classic here and quorum on the broker"),
        ),
    ] {
        let error = refusal(changed).await;
        assert_eq!(error.kind(), ErrorKind::Conflict);
        assert!(
            error.to_string().contains(&words),
            "{words:?} is not in {error}"
        );
    }
    assert!(amqp.link().is_up());
}

#[tokio::test]
async fn a_mismatch_of_the_queue_of_commands_is_told_in_the_same_words() {
    let config = config().await.queue("s4");
    let amqp = Amqp::new(config.clone()).expect("started");
    let _commands = receive_on(&amqp, Lane::Command);
    up(&amqp).await;
    let queue = config.queue_name(Purpose::Commands);
    let ours = CommandQueue::new();
    for (changed, words) in [
        (
            ours.max_length(Some(10)),
            format!("queue {queue}: x-max-length is 10 here and none on the broker"),
        ),
        (
            ours.message_ttl(Some(Duration::from_secs(60))),
            format!("queue {queue}: x-message-ttl is 60000 here and none on the broker"),
        ),
        (
            ours.queue_type(QueueType::Classic),
            format!("queue {queue}.dlq: x-queue-type is classic here and quorum on the broker"),
        ),
    ] {
        let changed = config.clone().commands(changed);
        let error = refusal_on(changed, Lane::Command).await;
        assert_eq!(error.kind(), ErrorKind::Conflict);
        assert!(
            error.to_string().contains(&words),
            "{words:?} is not in {error}"
        );
    }
    // One that somebody else has made, by hand.
    let config = config.queue("by_hand");
    let queue = config.queue_name(Purpose::Commands);
    let (_connection, channel) = operator(&shared_url()).await;
    let mut arguments = FieldTable::default();
    let text = |text: &str| AMQPValue::LongString(text.into());
    arguments.insert("x-queue-type".into(), text("quorum"));
    arguments.insert("x-delivery-limit".into(), AMQPValue::LongInt(1000));
    let durable = QueueDeclareOptions {
        durable: true,
        ..QueueDeclareOptions::default()
    };
    let declared = channel.queue_declare(queue.as_str().into(), durable, arguments);
    soon("declared", declared).await.expect("ok");
    let error = refusal_on(config, Lane::Command).await.to_string();
    assert!(
        error.contains(&format!("queue {queue}: "))
            && error.contains(" here and none on the broker"),
        "{error}"
    );
}

#[tokio::test]
async fn a_mismatch_of_long_names_still_names_the_argument() {
    let name = "n".repeat(100);
    let config = config().await.queue(&name);
    let amqp = Amqp::new(config.clone()).expect("started");
    let _arrivals = receive(&amqp);
    up(&amqp).await;
    let error = refusal(config.queue_type(QueueType::Classic)).await;
    let text = error.to_string();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(
        text.contains(&name) && text.contains("x-queue-type"),
        "{text}"
    );
}

#[tokio::test]
async fn an_exchange_of_another_kind_is_named_with_both_kinds() {
    let config = config().await;
    let exchange = config.exchange_name(Purpose::Events);
    let (_connection, channel) = operator(&shared_url()).await;
    let options = ExchangeDeclareOptions {
        durable: true,
        ..ExchangeDeclareOptions::default()
    };
    let declared = channel.exchange_declare(
        exchange.as_str().into(),
        ExchangeKind::Fanout,
        options,
        FieldTable::default(),
    );
    soon("declared", declared).await.expect("ok");
    let error = refusal(config).await;
    let words = format!("exchange {exchange}: type is topic here and fanout on the broker");
    assert!(error.to_string().contains(&words), "{error}");
}

#[tokio::test]
async fn what_others_should_have_made_is_missed_by_name_and_found_later() {
    let config = config().await.queue("q");
    let expecting = config.clone().topology_mode(TopologyMode::Expect);
    let error = refusal(expecting.clone()).await;
    assert_eq!(error.kind(), ErrorKind::Misconfigured);
    // Whichever connection was first.
    let exchanges = [Purpose::Events, Purpose::Signals].map(|of| config.exchange_name(of));
    let text = error.to_string();
    let missing = |name: &String| text.contains(&format!("exchange {name}: missing"));
    assert!(exchanges.iter().any(missing), "{text}");

    // The exchanges alone do not do.
    let publisher = Amqp::new(config.clone().queue("other")).expect("started");
    up(&publisher).await;
    let error = refusal(expecting.clone()).await.to_string();
    let letters = config.dead_letter_queue_name(Purpose::Events);
    assert!(
        error.contains(&format!("queue {letters}: missing")),
        "{error}"
    );
    let (_connection, channel) = operator(&shared_url()).await;
    let options = QueueDeclareOptions {
        passive: true,
        ..Default::default()
    };
    let look = channel.queue_declare(letters.as_str().into(), options, FieldTable::default());
    soon("an answer", look)
        .await
        .expect_err("nothing was declared");

    let owner = Amqp::new(config).expect("started");
    let owners = receive(&owner);
    up(&owner).await;
    drop(owners);
    soon("close", owner.close(Duration::from_secs(2))).await;
    let amqp = Amqp::new(expecting).expect("started");
    let mut arrivals = receive(&amqp);
    up(&amqp).await;
    let sent = confirmed(&amqp, message("a")).await;
    arrives(&mut arrivals, sent).await;
}

#[tokio::test]
async fn who_uses_no_commands_needs_nothing_for_them_and_who_does_is_told_what_is_missing() {
    let config = config().await.queue("s4");
    let owner = Amqp::new(config.clone()).expect("started");
    let _theirs = receive(&owner);
    up(&owner).await;
    let amqp = Amqp::new(config.clone().topology_mode(TopologyMode::Expect)).expect("started");
    up(&amqp).await;
    let exchange = format!(
        "exchange {}: missing",
        config.exchange_name(Purpose::Commands)
    );
    let refused = soon("refusal", amqp.send(command("s4.stop"))).await;
    assert_eq!(
        refused.expect_err("no exchange").kind(),
        ErrorKind::Unavailable
    );
    let misses = |words: String| {
        link(&amqp, "down", move |link| {
            let error = link.error.as_ref();
            error.is_some_and(|error| error.to_string().contains(&words))
        })
    };
    misses(exchange).await;
    // Events and signals go their way all the same.
    confirmed(&amqp, message("a")).await;
    // Somebody may declare it: the others find it.
    soon("NotRouted", owner.send(command("s4.stop")))
        .await
        .expect("sent");
    up(&amqp).await;
    let commands = receive_on(&amqp, Lane::Command);
    let letters = config.dead_letter_queue_name(Purpose::Commands);
    misses(format!("queue {letters}: missing")).await;
    drop(commands);
}

/// AMQP has no way to look at a binding: the link of who receives is up. Who publishes is told.
#[tokio::test]
async fn a_binding_that_others_should_have_made_is_missed_by_who_publishes() {
    let config = config().await.queue("q");
    let (exchange, queue) = (
        config.exchange_name(Purpose::Events),
        config.queue_name(Purpose::Events),
    );
    let owner = Amqp::new(config.clone()).expect("started");
    let owners = receive(&owner);
    up(&owner).await;
    drop(owners);
    soon("close", owner.close(Duration::from_secs(2))).await;
    let (_connection, channel) = operator(&shared_url()).await;
    let (exchange, queue) = (|| exchange.as_str().into(), || queue.as_str().into());
    let none = FieldTable::default;
    let unbound = channel.queue_unbind(queue(), exchange(), "#".into(), none());
    soon("unbound", unbound).await.expect("it was there");

    let amqp = Amqp::new(config.topology_mode(TopologyMode::Expect)).expect("started");
    let mut arrivals = receive(&amqp);
    up(&amqp).await;
    for _ in 0..3 {
        let unheard = soon("an outcome", amqp.send(message("a"))).await;
        assert_eq!(unheard.expect("sent"), Outcome::NotRouted);
    }
    let options = QueueBindOptions::default();
    let bound = channel.queue_bind(queue(), exchange(), "#".into(), options, none());
    soon("bound", bound).await.expect("ok");
    let sent = confirmed(&amqp, message("a")).await;
    arrives(&mut arrivals, sent).await;
    assert_eq!(amqp.link().connects, 1, "{}", amqp.link());
}
