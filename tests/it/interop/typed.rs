use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::{SystemTime, UNIX_EPOCH},
};

use algedonic::{CorrelationId, EventId, LinkState, Mirror, Priority, PublishOptions, amqp::Amqp};
use algedonic_test_broker::{shared_url, unique};

use crate::{
    events::StateChange,
    patience::within,
    rabbitmq::{bus, config, link_is},
};

/// The Python program beside this test, talking to the shared broker by pika.
struct Client {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Client {
    fn start(what: &str, exchange: &str, key: &str) -> Self {
        let python = std::env::var("ALGEDONIC_TEST_PYTHON").unwrap_or_else(|_| "python3".into());
        let mut child = Command::new(&python)
            .arg(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/tests/interop/client.py"
            ))
            .args([what, &shared_url(), exchange, key])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{python}: {error}; tests/run provides it"));
        Self {
            input: child.stdin.take(),
            output: BufReader::new(child.stdout.take().expect("piped")),
            child,
        }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("readable");
        assert!(
            !line.is_empty(),
            "the client ended; is pika installed? tests/run provides it"
        );
        line.trim_end().to_owned()
    }

    fn finish(mut self) {
        assert!(self.child.wait().expect("it was started").success());
    }
}

/// Requirement 4.12: the properties, as a client sees them that has never heard of us.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_python_client_reads_a_mirrored_event() {
    let prefix = unique("interop");
    let mirror = Mirror::new(Amqp::new(config(&shared_url(), &prefix, "rust")).expect("good"));
    let here = algedonic::Bus::builder()
        .source("s3.planner")
        .mirror(mirror.outbound::<StateChange>())
        .build()
        .expect("good");
    link_is(&here, LinkState::Up).await;
    let mut client = Client::start("read", &format!("{prefix}.events"), "s3.*");
    let mut client = tokio::task::spawn_blocking(move || {
        assert_eq!(client.line(), "ready");
        client
    })
    .await
    .expect("ready");

    let cause = EventId::new();
    let options = PublishOptions::new()
        .correlation(CorrelationId::from(cause))
        .priority(Priority::new(5));
    let receipt = here
        .publish_with(StateChange::of("s3"), options)
        .await
        .expect("open");
    let id = receipt.id();
    assert!(within("the confirm", receipt.remote()).await.is_confirmed());

    let line = tokio::task::spawn_blocking(move || {
        let line = client.line();
        client.finish();
        line
    })
    .await
    .expect("read");
    let seen: serde_json::Value = serde_json::from_str(&line).expect("JSON");
    let expected = serde_json::json!({
        "key": "s3.state_change",
        "type": "vsm.state_change",
        "message_id": id.to_string(),
        "content_type": "application/cbor",
        "app_id": "s3.planner",
        "correlation_id": cause.to_string(),
        "priority": 5,
        "delivery_mode": 2,
        "event": { "subsystem": "s3", "old_state": "planning", "new_state": "executing" },
    });
    for (name, value) in expected.as_object().expect("an object") {
        assert_eq!(&seen[name], value, "{name}");
    }
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970");
    let timestamp = seen["timestamp"].as_u64().expect("set");
    assert!(now.as_secs().abs_diff(timestamp) < 60, "{timestamp}");
    assert_eq!(seen["headers"]["algedonic-origin"], here.id().to_string());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_typed_subscriber_receives_what_a_python_client_publishes() {
    let prefix = unique("interop");
    let here = bus(config(&shared_url(), &prefix, "rust"));
    let mut changes = here.subscribe::<StateChange>();
    link_is(&here, LinkState::Up).await;
    let mut client = Client::start("send", &format!("{prefix}.events"), "s1.state_change");
    let message = serde_json::json!({
        "type": "vsm.state_change",
        "message_id": "order-7",
        "event": { "subsystem": "s1", "old_state": "ü", "new_state": "executing" },
    });
    tokio::task::spawn_blocking(move || {
        let mut input = client.input.take().expect("piped");
        input
            .write_all(message.to_string().as_bytes())
            .expect("read");
        drop(input);
        assert_eq!(client.line(), "confirmed");
        client.finish();
    })
    .await
    .expect("sent");
    let change = within("the event", changes.recv()).await;
    let change = change.expect("open").expect("no gap");
    assert_eq!((&*change.subsystem, &*change.old_state), ("s1", "ü"));
    let metadata = change.metadata();
    assert_eq!((&*metadata.source, metadata.version), ("pika", 1));
    assert_eq!(metadata.id, EventId::from_foreign("order-7"));
}
