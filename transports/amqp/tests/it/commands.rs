//! Commands: one work queue for the instances of one name.

use std::time::Duration;

use algedonic_amqp::{Amqp, AmqpConfig, CommandQueue, Purpose, QueueType};
use algedonic_test_broker::shared_url;
use algedonic_transport::{
    Arrival, BoxStream, Delivery, ErrorKind, EventId, Lane, Outcome, Pattern, Transport,
};
use futures_util::{FutureExt, StreamExt, future::join_all};
use lapin::{
    BasicProperties,
    options::{BasicPublishOptions, QueueDeclareOptions, QueueDeleteOptions},
    types::FieldTable,
};
use tokio::{net::TcpListener, time::Instant};

use crate::{
    dead_letters::{header_of, headers_of, letter, waiting},
    support::{
        arrives, blocking, command, config, config_of, confirmed, ctl, eventually, link, message,
        next, node, operator, prefix_of, receive_on, soon, up,
    },
};

const SECOND: Duration = Duration::from_secs(1);

fn id_of(delivery: &Delivery) -> EventId {
    delivery.message().metadata.id
}

/// One instance of the name in `config`, which takes all commands.
async fn member(config: &AmqpConfig) -> (Amqp, BoxStream<Arrival>) {
    let amqp = Amqp::new(config.clone()).expect("started");
    let commands = receive_on(&amqp, Lane::Command);
    up(&amqp).await;
    (amqp, commands)
}

/// The queue of `config` is there, and nobody takes from it.
async fn nobody_is_there(config: &AmqpConfig) {
    let (amqp, commands) = member(config).await;
    soon("close", amqp.close(5 * SECOND)).await;
    drop(commands);
}

/// Requirements 0.12 and 0.14.
#[tokio::test]
async fn a_command_reaches_one_subsystem_only() {
    let config = config().await;
    let prefix = prefix_of(&config);
    let mut subsystems = Vec::new();
    for name in ["s1", "s3", "s4"] {
        let amqp = Amqp::new(config.clone().queue(name)).expect("started");
        let own = Pattern::new(format!("{name}.*")).expect("a pattern");
        let commands = amqp.receive(Lane::Command, vec![own]);
        up(&amqp).await;
        subsystems.push((amqp, commands.expect("the first call")));
    }
    // Anybody may send: one without a name, and any AMQP client.
    let sender = Amqp::new(config.clone()).expect("started");
    let sent = confirmed(&sender, command("s4.adjust_policy")).await;
    let url = blocking(shared_url).await;
    let (_connection, channel) = operator(&url).await;
    let options = BasicPublishOptions {
        mandatory: true,
        ..BasicPublishOptions::default()
    };
    let publish = channel.basic_publish(
        format!("{prefix}.commands").as_str().into(),
        "s4.adjust_policy".into(),
        options,
        b"by hand",
        BasicProperties::default().with_type("s4.adjust_policy".into()),
    );
    soon("published", publish).await.expect("published");

    let (_s4, commands) = &mut subsystems[2];
    let ours = next(commands).await;
    assert_eq!((id_of(&ours), ours.message().lane), (sent, Lane::Command));
    ours.ack();
    let theirs = next(commands).await;
    assert_eq!(&theirs.message().body[..], b"by hand");
    theirs.ack();
    // What follows is the first that the others get.
    for (name, key) in [(0, "s1.start"), (1, "s3.start")] {
        let sent = confirmed(&sender, command(key)).await;
        let delivery = next(&mut subsystems[name].1).await;
        assert_eq!(id_of(&delivery), sent);
        delivery.ack();
    }
    let nobody = soon("an outcome", sender.send(command("s2.start"))).await;
    assert_eq!(nobody.expect("sent"), Outcome::NotRouted);
    for name in ["s1", "s3", "s4"] {
        assert_eq!(
            config.clone().queue(name).queue_name(Purpose::Commands),
            format!("{prefix}.{name}.commands")
        );
        eventually("the queue is empty", async || {
            waiting(&channel, &format!("{prefix}.{name}.commands")).await == 0
        })
        .await;
    }
}

#[tokio::test]
async fn an_instance_without_a_name_takes_none_and_sends_them() {
    let config = config().await;
    let amqp = Amqp::new(config.clone()).expect("started");
    let refused = amqp.receive(Lane::Command, vec![]).err().expect("no name");
    assert_eq!(refused.kind(), ErrorKind::Misconfigured);
    assert!(
        refused.to_string().contains("AmqpConfig::queue"),
        "{refused}"
    );
    up(&amqp).await;
    let (_member, mut commands) = member(&config.queue("s4")).await;
    let sent = confirmed(&amqp, command("a")).await;
    arrives(&mut commands, sent).await;
}

/// Who sends no commands has neither the connection nor the exchange.
#[tokio::test]
async fn the_first_commands_wait_for_their_connection_and_keep_their_order() {
    let config = config().await;
    let (_member, mut commands) = member(&config.clone().queue("s4")).await;
    let sender = Amqp::new(config).expect("started");
    up(&sender).await;
    let connects = sender.link().connects;
    let sent: Vec<_> = (0..100).map(|_| command("a")).collect();
    let outcomes = join_all(sent.iter().map(|command| sender.send(command.clone())));
    // The link says that there is one connection more to be made.
    assert!(!sender.link().is_up());
    for outcome in soon("the outcomes", outcomes).await {
        assert_eq!(outcome.expect("it waited"), Outcome::Confirmed);
    }
    up(&sender).await;
    assert_eq!(sender.link().connects, connects + 1);
    for sent in &sent {
        let delivery = next(&mut commands).await;
        assert_eq!(id_of(&delivery), sent.metadata.id);
        delivery.ack();
    }
}

#[tokio::test]
async fn without_a_broker_the_first_command_is_refused_and_not_in_doubt() {
    let patience = SECOND / 2;
    // Nobody listens.
    let free = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = free.local_addr().expect("bound");
    drop(free);
    let closed = AmqpConfig::new(&format!("amqp://{address}")).expect("valid");
    // One that says nothing, ever.
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = silent.local_addr().expect("bound");
    let mute = AmqpConfig::new(&format!("amqp://{address}")).expect("valid");
    for config in [closed, mute] {
        let amqp = Amqp::new(config.confirm_timeout(patience)).expect("started");
        for attempt in 0..3 {
            let since = Instant::now();
            let refused = soon("a refusal", amqp.send(command("a"))).await;
            let error = refused.expect_err("nobody is there");
            assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
            assert!(error.is_transient());
            let most = if attempt == 0 { 2 * SECOND } else { SECOND / 4 };
            assert!(since.elapsed() < most, "{attempt}: {:?}", since.elapsed());
        }
        // Closing with the connection not made is closing in time, and nothing is in doubt.
        let closed = soon("close", amqp.close(SECOND)).await;
        assert_eq!(closed.unknown, 0);
    }
}

/// The rest of its work is not kept from the others by one that has its hands full.
#[tokio::test]
async fn an_idle_member_gets_what_a_busy_one_has_no_hands_for() {
    let config = config().await.queue("s4");
    let one = CommandQueue::new().prefetch(1);
    let config = config.commands(one);
    let (_busy, mut slow) = member(&config).await;
    let sender = Amqp::new(config.clone()).expect("started");
    let first = confirmed(&sender, command("long")).await;
    let held = next(&mut slow).await;
    assert_eq!(id_of(&held), first);
    let (_idle, mut quick) = member(&config).await;
    for _ in 0..20 {
        let sent = confirmed(&sender, command("short")).await;
        let delivery = next(&mut quick).await;
        assert_eq!(id_of(&delivery), sent);
        delivery.ack();
    }
    assert!(slow.next().now_or_never().is_none());
    held.ack();
    // Free again, it takes its turn.
    let (mut shared, mut at_first) = (0, 0);
    while at_first == 0 {
        confirmed(&sender, command("short")).await;
        tokio::select! {
            arrival = slow.next() => {
                at_first += 1;
                drop(arrival);
            }
            delivery = next(&mut quick) => delivery.ack(),
        }
        shared += 1;
        assert!(shared < 100, "the first gets no more");
    }
}

async fn full(kind: QueueType) {
    let three = CommandQueue::new().queue_type(kind).max_length(Some(3));
    let config = config().await.queue("s4").commands(three);
    nobody_is_there(&config).await;
    let sender = Amqp::new(config.clone().queue("sender")).expect("started");
    let mut events = receive_on(&sender, Lane::Event);
    up(&sender).await;
    let mut taken = Vec::new();
    // A quorum queue learns of its length a little later, and takes some more.
    let reason = loop {
        let sent = command("a");
        let id = sent.metadata.id;
        match soon("an outcome", sender.send(sent)).await.expect("sent") {
            Outcome::Confirmed => taken.push(id),
            Outcome::Rejected { reason } => break reason,
            other => panic!("neither taken nor refused: {other:?}"),
        }
        assert!(taken.len() < 100, "it is never full");
    };
    assert!(taken.len() >= 3 && reason.contains("nack"), "{reason}");
    // That is felt on no other lane.
    let event = confirmed(&sender, message("a")).await;
    arrives(&mut events, event).await;
    // Nothing was dropped to make room.
    let (_connection, channel) = operator(&blocking(shared_url).await).await;
    let letters = config.dead_letter_queue_name(Purpose::Commands);
    assert_eq!(waiting(&channel, &letters).await, 0);
    let (_member, mut commands) = member(&config).await;
    for id in taken {
        let delivery = next(&mut commands).await;
        assert_eq!(id_of(&delivery), id);
        delivery.ack();
    }
    // There is room again.
    soon("room", async {
        while sender.send(command("a")).await.expect("sent") != Outcome::Confirmed {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_full_quorum_queue_of_commands_refuses_more_and_drops_none() {
    full(QueueType::Quorum).await;
}

#[tokio::test]
async fn a_full_classic_queue_of_commands_refuses_more_and_drops_none() {
    full(QueueType::Classic).await;
}

/// Requirement 0.13.
#[tokio::test]
async fn a_command_that_waits_too_long_is_a_dead_letter() {
    for kind in [QueueType::Quorum, QueueType::Classic] {
        let queue = CommandQueue::new().queue_type(kind);
        let queue = queue.message_ttl(Some(SECOND));
        let config = config().await.queue("s4").commands(queue);
        nobody_is_there(&config).await;
        let sender = Amqp::new(config.clone()).expect("started");
        let sent = confirmed(&sender, command("a")).await;
        let (_connection, channel) = operator(&blocking(shared_url).await).await;
        let letters = config.dead_letter_queue_name(Purpose::Commands);
        let letter = letter(&channel, &letters).await;
        let id = letter.properties.message_id().as_ref();
        assert_eq!(id.map(ToString::to_string), Some(sent.to_string()));
        assert_eq!(header_of(&letter, "x-first-death-reason"), "expired");
    }
}

/// Over the instances of a name, where the queue counts: that of quorum queues.
#[tokio::test]
async fn attempts_are_counted_over_the_members_and_have_an_end() {
    let few = CommandQueue::new().max_attempts(3);
    let config = config().await.queue("s4").commands(few);
    let sender = Amqp::new(config.clone()).expect("started");
    let (first, mut commands) = member(&config).await;
    let sent = confirmed(&sender, command("hard")).await;
    let mut last = first;
    for attempt in 1..=3 {
        let delivery = next(&mut commands).await;
        assert_eq!((id_of(&delivery), delivery.attempt()), (sent, attempt));
        // It goes with the command in its hands, as one does whose process ends.
        drop(last);
        (last, commands) = member(&config).await;
    }
    match soon("an arrival", commands.next()).await {
        Some(Arrival::Malformed(error)) => {
            assert!(error.to_string().contains("3 times"), "{error}");
        }
        other => panic!("expected the end of it, not {other:?}"),
    }
    let (_connection, channel) = operator(&blocking(shared_url).await).await;
    let letters = config.dead_letter_queue_name(Purpose::Commands);
    let letter = letter(&channel, &letters).await;
    assert_eq!(header_of(&letter, "algedonic-reason"), "attempts");
    assert_eq!(header_of(&letter, "algedonic-key"), "hard");
    drop(last);
}

/// One that nobody can read keeps nobody waiting, and is kept with the reason.
#[tokio::test]
async fn a_command_that_cannot_be_read_is_a_dead_letter_with_its_reason() {
    let config = config().await.queue("s4");
    let (amqp, mut commands) = member(&config).await;
    let (_connection, channel) = operator(&blocking(shared_url).await).await;
    let publish = channel.basic_publish(
        config.exchange_name(Purpose::Commands).as_str().into(),
        "a".into(),
        BasicPublishOptions::default(),
        b"nothing says what this is",
        BasicProperties::default(),
    );
    soon("published", publish).await.expect("published");
    let told = soon("an arrival", commands.next()).await;
    assert!(matches!(told, Some(Arrival::Malformed(_))), "{told:?}");
    let sent = confirmed(&amqp, command("a")).await;
    arrives(&mut commands, sent).await;
    let letters = config.dead_letter_queue_name(Purpose::Commands);
    let letter = letter(&channel, &letters).await;
    assert_eq!(header_of(&letter, "algedonic-reason"), "malformed");
    assert!(!headers_of(&letter).inner().contains_key("x-death"));
}

/// The broker keeps a dead command of a quorum queue until its letter has arrived.
#[tokio::test(flavor = "multi_thread")]
async fn without_its_dead_letter_queue_a_command_is_kept() {
    let node = node().await;
    // Or it tries again after three minutes.
    let soon_again =
        "application:set_env(rabbit, dead_letter_worker_publisher_confirm_timeout, 500).";
    ctl(&node, &["eval", soon_again]).await;
    let config = config_of(&node).queue("s4");
    let (amqp, mut commands) = member(&config).await;
    let (_connection, channel) = operator(&node.url()).await;
    let letters = config.dead_letter_queue_name(Purpose::Commands);
    let deleted = channel.queue_delete(letters.as_str().into(), QueueDeleteOptions::default());
    soon("deleted", deleted).await.expect("it was there");
    let dead = confirmed(&amqp, command("a")).await;
    next(&mut commands).await.dead_letter_because("no use");
    // What comes after it is not held up.
    let sent = confirmed(&amqp, command("a")).await;
    arrives(&mut commands, sent).await;
    soon("close", amqp.close(5 * SECOND)).await;
    // The next instance declares the queue again, and RabbitMQ moves what it has kept.
    let (_next, _commands) = member(&config).await;
    let letter = letter(&channel, &letters).await;
    let id = letter.properties.message_id().as_ref();
    assert_eq!(id.map(ToString::to_string), Some(dead.to_string()));
    assert_eq!(header_of(&letter, "x-first-death-reason"), "rejected");
}

/// Requirement 2.15: the queue is there for a group that has gone, until somebody deletes it.
#[tokio::test]
async fn the_queue_stays_when_the_last_member_goes() {
    let config = config().await.queue("s4");
    nobody_is_there(&config).await;
    let (_connection, channel) = operator(&blocking(shared_url).await).await;
    let look = QueueDeclareOptions {
        passive: true,
        ..QueueDeclareOptions::default()
    };
    let queue = config.queue_name(Purpose::Commands);
    let looked = channel.queue_declare(queue.as_str().into(), look, FieldTable::default());
    let found = soon("a look", looked).await.expect("it is there");
    assert_eq!((found.message_count(), found.consumer_count()), (0, 0));
    let sender = Amqp::new(config.clone()).expect("started");
    let sent = confirmed(&sender, command("a")).await;
    let (_member, mut commands) = member(&config).await;
    arrives(&mut commands, sent).await;
}

/// A lane that is refused is told by the link, and the others go on.
#[tokio::test]
async fn an_exchange_of_commands_that_differs_is_told_and_stops_nothing_else() {
    let config = config().await;
    let name = config.exchange_name(Purpose::Commands);
    let (_connection, channel) = operator(&blocking(shared_url).await).await;
    let declared = channel.exchange_declare(
        name.as_str().into(),
        lapin::ExchangeKind::Fanout,
        lapin::options::ExchangeDeclareOptions::default(),
        FieldTable::default(),
    );
    soon("declared", declared).await.expect("ok");
    let amqp = Amqp::new(config).expect("started");
    up(&amqp).await;
    let refused = soon("a refusal", amqp.send(command("a"))).await;
    assert_eq!(
        refused.expect_err("another kind").kind(),
        ErrorKind::Unavailable
    );
    let down = link(&amqp, "down", |link| link.error.is_some()).await;
    let error = down.error.expect("a reason");
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(error.to_string().contains(&name), "{error}");
    let event = soon("an outcome", amqp.send(message("a"))).await;
    assert_eq!(event.expect("sent"), Outcome::NotRouted);
}
