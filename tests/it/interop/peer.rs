use std::{collections::BTreeMap, path::Path, process::Stdio};

use algedonic_test_broker::shared_url;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
};

use crate::patience::within;

/// The libraries of the other clients.
#[derive(Clone, Copy, Debug)]
pub(super) enum Library {
    Pika,
    AioPika,
    Amqplib,
}

impl Library {
    /// Its program, and what runs it. `tests/run` provides both; without them the test fails.
    fn command(self) -> Command {
        let programs = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop");
        let variable = |name, usual: &str| std::env::var(name).unwrap_or_else(|_| usual.to_owned());
        let (runner, program) = match self {
            Self::Pika => (variable("ALGEDONIC_TEST_PYTHON", "python3"), "peer_pika.py"),
            Self::AioPika => (
                variable("ALGEDONIC_TEST_PYTHON", "python3"),
                "peer_aio_pika.py",
            ),
            Self::Amqplib => ("node".to_owned(), "node/peer.js"),
        };
        let mut command = Command::new(runner);
        command.arg(programs.join(program));
        if let Ok(modules) = std::env::var("ALGEDONIC_TEST_NODE_MODULES") {
            command.env("NODE_PATH", modules);
        }
        command
    }
}

/// A message, as the programs write and read it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Line {
    pub(super) key: String,
    pub(super) properties: BTreeMap<String, Value>,
    pub(super) headers: BTreeMap<String, Value>,
    #[serde(flatten)]
    pub(super) body: Body,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Body {
    /// Read, or written, by the client's own means.
    Json(Value),
    Hex(String),
}

pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A running program, ended with the test.
pub(super) struct Peer {
    library: Library,
    child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Peer {
    /// `what` is `read` or `send`.
    pub(super) async fn start(library: Library, what: &str, exchange: &str, count: usize) -> Self {
        let url = tokio::task::spawn_blocking(shared_url)
            .await
            .expect("a node");
        let mut child = library
            .command()
            .args([what, &url, exchange, &count.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("{library:?}: {error}; tests/run provides it"));
        let output = child.stdout.take().expect("piped");
        Self {
            library,
            input: child.stdin.take().expect("piped"),
            output: BufReader::new(output).lines(),
            child,
        }
    }

    async fn line(&mut self) -> String {
        let line = within("a line of the client", self.output.next_line()).await;
        line.expect("readable").unwrap_or_else(|| {
            panic!(
                "{:?} ended early; is it installed? tests/run provides it",
                self.library
            )
        })
    }

    pub(super) async fn says(&mut self, word: &str) {
        assert_eq!(self.line().await, word);
    }

    pub(super) async fn message(&mut self) -> Line {
        serde_json::from_str(&self.line().await).expect("a message")
    }

    /// Publishes a message, and waits for the client to have it confirmed.
    pub(super) async fn send(&mut self, line: &Line) {
        let mut text = serde_json::to_string(line).expect("text");
        text.push('\n');
        self.input.write_all(text.as_bytes()).await.expect("read");
        self.says("confirmed").await;
    }

    pub(super) async fn finish(mut self) {
        drop(self.input);
        let status = within("the client to end", self.child.wait()).await;
        assert!(
            status.expect("it was started").success(),
            "{:?}",
            self.library
        );
    }
}
