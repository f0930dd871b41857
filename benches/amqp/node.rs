//! Node's amqplib as a peer: a process of its own, which measures itself.

use std::{process::Stdio, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    sync::Mutex,
    time::timeout,
};

use crate::{round::Took, speed::Setting};

const PATIENCE: Duration = Duration::from_secs(60);

/// Started when it is first asked, and used for all rounds: by then its code is compiled.
#[derive(Clone)]
pub(crate) struct Node(Arc<Mutex<Option<Process>>>);

struct Process {
    _child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Work<'setting> {
    what: &'static str,
    url: &'setting str,
    exchange: &'setting str,
    bytes: usize,
    messages: u32,
    callers: usize,
}

#[derive(Deserialize)]
struct Answer {
    nanoseconds: u64,
    processor: u64,
}

impl Node {
    pub(crate) fn new() -> Self {
        Self(Arc::default())
    }

    /// No callers: one who keeps a window full.
    pub(crate) async fn publish(
        &self,
        setting: &Setting,
        exchange: &str,
        callers: usize,
        messages: u32,
    ) -> Took {
        self.ask(&Work {
            what: "publish",
            url: &setting.url,
            exchange,
            bytes: setting.bytes,
            messages,
            callers,
        })
        .await
    }

    /// What is in the queue called as the exchange.
    pub(crate) async fn consume(&self, setting: &Setting, exchange: &str, messages: u32) -> Took {
        self.ask(&Work {
            what: "consume",
            url: &setting.url,
            exchange,
            bytes: setting.bytes,
            messages,
            callers: 0,
        })
        .await
    }

    async fn ask(&self, work: &Work<'_>) -> Took {
        let mut process = self.0.lock().await;
        let process = process.get_or_insert_with(Process::start);
        let mut line = serde_json::to_string(work).expect("text");
        line.push('\n');
        process
            .input
            .write_all(line.as_bytes())
            .await
            .expect("read");
        let answer = timeout(PATIENCE, process.output.next_line()).await;
        let answer = answer.expect("in time").expect("readable");
        let answer = answer.expect("node with amqplib: benches/compare amqp provides it");
        let answer: Answer = serde_json::from_str(&answer).expect("what it took");
        Took {
            time: Duration::from_nanos(answer.nanoseconds),
            work: Duration::from_micros(answer.processor),
        }
    }
}

impl Process {
    fn start() -> Self {
        let mut command = Command::new("node");
        command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/benches/amqp/node.js"));
        if let Ok(modules) = std::env::var("ALGEDONIC_TEST_NODE_MODULES") {
            command.env("NODE_PATH", modules);
        }
        let child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn();
        let mut child = child.expect("node 18 or newer");
        let output = child.stdout.take().expect("piped");
        Self {
            input: child.stdin.take().expect("piped"),
            output: BufReader::new(output).lines(),
            _child: child,
        }
    }
}
