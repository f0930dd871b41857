//! Who may enter, and what an operator may take away and give back.

use std::time::Duration;

use algedonic_amqp::{Amqp, AmqpConfig, CommandQueue, Purpose, TopologyMode};
use algedonic_transport::{ErrorKind, Lane, LinkState, Transport, Verdict};

use crate::support::{
    arrives, config_of, confirmed, ctl, everything, import, link, message, node, receive,
    receive_on, soon, up,
};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_taken_away_is_told_apart_and_is_back_when_it_is_given_back() {
    let node = node().await;
    ctl(&node, &["add_user", "someone", "first"]).await;
    let allow = ["set_permissions", "-p", "/", "someone", ".*", ".*", ".*"];
    ctl(&node, &allow).await;
    let url = node.url().replace("guest:guest@", "someone:first@");
    let config = AmqpConfig::new(&url).expect("valid").queue("q");
    let amqp = Amqp::new(config).expect("started");
    let mut arrivals = receive(&amqp);
    up(&amqp).await;

    let limit = |most: &'static str| ["set_vhost_limits", "-p", "/", most];
    for (take, give, kind, verdict, words) in [
        (
            &["change_password", "someone", "second"][..],
            &["change_password", "someone", "first"][..],
            ErrorKind::Denied,
            Verdict::Permanent,
            "check the user name and the password",
        ),
        (
            &["clear_permissions", "-p", "/", "someone"],
            &allow,
            ErrorKind::Denied,
            Verdict::Permanent,
            "let the user into the vhost",
        ),
        (
            &limit(r#"{"max-connections": 0}"#),
            &limit(r#"{"max-connections": -1}"#),
            ErrorKind::Unavailable,
            Verdict::Transient,
            "raise the limit",
        ),
    ] {
        ctl(&node, take).await;
        // Who is in stays in.
        ctl(&node, &["close_all_connections", "test"]).await;
        let down = link(&amqp, words, |link| {
            link.error
                .as_ref()
                .is_some_and(|error| error.to_string().contains(words))
        })
        .await;
        let error = down.error.expect("a reason");
        assert_eq!(down.state, LinkState::Down);
        assert_eq!((error.kind(), error.verdict()), (kind, verdict), "{error}");
        let text = error.to_string();
        assert!(
            text.contains("user someone at") && text.contains("vhost /"),
            "{text}"
        );
        assert!(!text.contains("first"), "{text}");
        let refused = soon("refusal", amqp.send(message("a"))).await;
        assert_eq!(
            refused.map_err(|error| error.kind()),
            Err(ErrorKind::Unavailable)
        );
        ctl(&node, give).await;
        up(&amqp).await;
        let sent = confirmed(&amqp, message("a")).await;
        arrives(&mut arrivals, sent).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_operator_imports_is_all_that_is_needed() {
    let node = node().await;
    let config = config_of(&node)
        .queue("q \"quoted\"")
        .max_length(Some(10_000))
        .commands(CommandQueue::new().max_length(Some(100)));
    let interest = Lane::ALL.map(|lane| (lane, everything()));
    let definitions = config.definitions(&interest);
    import(&node, &definitions).await;

    // One who may configure nothing.
    ctl(&node, &["add_user", "someone", "secret"]).await;
    ctl(
        &node,
        &["set_permissions", "-p", "/", "someone", "^$", ".*", ".*"],
    )
    .await;
    let url = node.url().replace("guest:guest@", "someone:secret@");
    let prefix = config.exchange_name(Purpose::Events).replace(".events", "");
    let expecting = AmqpConfig::new(&url).expect("valid").prefix(prefix);
    let expecting = expecting
        .queue("q \"quoted\"")
        .topology_mode(TopologyMode::Expect);
    let amqp = Amqp::new(expecting).expect("started");
    let every_lane_works = async |amqp: &Amqp| {
        let mut inboxes = Lane::ALL.map(|lane| receive_on(amqp, lane));
        up(amqp).await;
        for (inbox, lane) in inboxes.iter_mut().zip(Lane::ALL) {
            let mut sent = message("a.b");
            sent.lane = lane;
            let sent = confirmed(amqp, sent).await;
            arrives(inbox, sent).await;
        }
    };
    every_lane_works(&amqp).await;
    soon("close", amqp.close(Duration::from_secs(2))).await;

    // And it is what we would have declared.
    let declaring = Amqp::new(config).expect("started");
    every_lane_works(&declaring).await;
}
