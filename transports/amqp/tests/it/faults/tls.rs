//! Whom does TLS trust, and whom does the broker?

use std::{sync::Arc, time::Duration};

use algedonic_amqp::{Amqp, AmqpConfig, Tls};
use algedonic_test_broker::{Node, unique};
use algedonic_transport::{Error, ErrorKind, LinkState, Transport, Verdict};
use tokio::time::Instant;

use crate::{
    certificates::{Authority, Certificate},
    support::{arrives, blocking, confirmed, ctl, link, message, receive, soon, up},
};

fn of_node(authority: &Authority, certificate: &Certificate) -> algedonic_test_broker::Tls {
    algedonic_test_broker::Tls {
        authority: authority.pem().to_owned(),
        certificate: certificate.pem.clone(),
        key: certificate.key.clone(),
    }
}

async fn start(authority: &Authority, certificate: &Certificate) -> Arc<Node> {
    let tls = of_node(authority, certificate);
    Arc::new(blocking(move || Node::start_with_tls(&tls)).await)
}

fn config(scheme: &str, host: &str, port: u16) -> AmqpConfig {
    let config = AmqpConfig::new(&format!("{scheme}://guest:guest@{host}:{port}"));
    config
        .expect("valid URL")
        .prefix(unique("it"))
        .connect_timeout(PATIENCE)
}

/// What every attempt has.
const PATIENCE: Duration = Duration::from_secs(10);

/// It works, both ways.
async fn works(config: AmqpConfig) {
    let amqp = Amqp::new(config).expect("started");
    let mut arrivals = receive(&amqp);
    up(&amqp).await;
    let sent = confirmed(&amqp, message("a")).await;
    arrives(&mut arrivals, sent).await;
    soon("close", amqp.close(Duration::from_secs(2))).await;
}

/// It does not, for good, and that is said in time.
async fn fails(config: AmqpConfig, kind: ErrorKind, part: &str) -> Error {
    let since = Instant::now();
    let amqp = Amqp::new(config).expect("started");
    let down = link(&amqp, part, |link| link.state == LinkState::Down).await;
    let error = down.error.expect("a reason");
    assert!(since.elapsed() < PATIENCE, "{:?}: {error}", since.elapsed());
    let verdict = (error.kind(), error.verdict());
    assert_eq!(verdict, (kind, Verdict::Permanent), "{error:?}");
    assert!(
        error.to_string().contains(part) && error.advice().is_some(),
        "{error}"
    );
    error
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_does_not_hold_is_no_connection() {
    use ErrorKind::{Denied, Misconfigured};
    let (authority, stranger) = (Authority::new("ours"), Authority::new("strange"));
    let node = start(&authority, &authority.server(&["localhost"])).await;
    let trusting = || Tls::new().authority_pem(authority.pem());
    let over_tls = || config("amqps", "localhost", node.tls_port());

    works(over_tls().tls(trusting())).await;
    let file = node.folder().join("authority.pem");
    works(over_tls().tls(Tls::new().authority_file(file))).await;
    // More than one authority may be trusted, as while one takes over from the other.
    let both = format!("{}{}", stranger.pem(), authority.pem());
    works(over_tls().tls(Tls::new().authority_pem(both))).await;

    let strange = Tls::new().authority_pem(stranger.pem());
    fails(
        over_tls().tls(strange),
        Misconfigured,
        "an authority that is not trusted",
    )
    .await;
    let by_number = config("amqps", "127.0.0.1", node.tls_port());
    fails(by_number.tls(trusting()), Misconfigured, "for another host").await;
    let plain_port = config("amqps", "localhost", node.port());
    fails(
        plain_port.tls(trusting()),
        Misconfigured,
        "does not speak TLS",
    )
    .await;
    let tls_port = config("amqp", "localhost", node.tls_port());
    let amqp = Amqp::new(tls_port).expect("started");
    let down = link(&amqp, "down", |link| link.state == LinkState::Down).await;
    // What the broker says about it before it hangs up gets lost at times.
    let error = down.error.expect("a reason");
    assert!(
        error.to_string().contains("must begin with amqps://"),
        "{error}"
    );
    let url = format!("amqps://guest:wrong@localhost:{}", node.tls_port());
    let wrong_password = AmqpConfig::new(&url).expect("valid URL").tls(trusting());
    fails(wrong_password, Denied, "the password").await;

    let (tls, again) = (
        of_node(&authority, &authority.expired_server(&["localhost"])),
        node.clone(),
    );
    blocking(move || {
        again.set_certificate(&tls);
        again.restart();
    })
    .await;
    fails(over_tls().tls(trusting()), Misconfigured, "has expired").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_may_log_in_by_its_certificate() {
    let (authority, stranger) = (Authority::new("ours"), Authority::new("strange"));
    let node = start(&authority, &authority.server(&["localhost"])).await;
    let trusting = || Tls::new().authority_pem(authority.pem());
    let over_tls = || config("amqps", "localhost", node.tls_port());
    let us = authority.client("someone");
    let pem = || {
        trusting()
            .identity_pem(us.pem.as_str(), us.key.as_str())
            .external()
    };

    // The broker knows nobody of that name yet.
    let denied = fails(
        over_tls().tls(pem()),
        ErrorKind::Denied,
        "in the certificate",
    )
    .await;
    assert!(
        denied.to_string().contains("user of the certificate"),
        "{denied}"
    );
    ctl(&node, &["add_user", "someone", "unused"]).await;
    ctl(&node, &["clear_password", "someone"]).await;
    ctl(
        &node,
        &["set_permissions", "-p", "/", "someone", ".*", ".*", ".*"],
    )
    .await;
    works(over_tls().tls(pem())).await;
    let archive = trusting()
        .identity_pkcs12(us.pkcs12("open"), "open")
        .external();
    works(over_tls().tls(archive)).await;

    let them = stranger.client("someone");
    let strange = trusting().identity_pem(them.pem.as_str(), them.key.as_str());
    fails(
        over_tls().tls(strange.external()),
        ErrorKind::Denied,
        "refused our certificate",
    )
    .await;

    // What does not fit together is refused before anything is connected.
    let other = trusting().identity_pem(us.pem.as_str(), them.key.as_str());
    for (tls, part) in [
        (other, "identity"),
        (
            trusting().identity_pkcs12(us.pkcs12("open"), "wrong"),
            "identity",
        ),
    ] {
        let error = Amqp::new(over_tls().tls(tls)).expect_err("does not fit");
        assert_eq!(error.kind(), ErrorKind::Misconfigured);
        assert!(error.to_string().contains(part), "{error}");
    }
}
