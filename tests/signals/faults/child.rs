use std::{
    env,
    path::Path,
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use algedonic::{
    Bus, Level, Mirror, Outage, Signal,
    amqp::{Amqp, AmqpConfig},
    spool::{FileSpool, SpoolConfig},
};
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process,
    time::{sleep, timeout},
};

use crate::Kept;

const PATH: &str = "ALGEDONIC_TEST_SPOOLING";
const URL: &str = "ALGEDONIC_TEST_SPOOLING_URL";
const TASK: &str = "ALGEDONIC_TEST_SPOOLING_TASK";
const LIFE: &str = "ALGEDONIC_TEST_SPOOLING_LIFE";

/// What a message is known by: the life of its process, and its number in it.
pub(crate) type Known = (u32, u64);

/// What a process is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    /// Send, until it is killed.
    Send,
    /// Send what the others have left, and end.
    Finish,
}

/// A process that sends.
pub(crate) struct Child {
    process: process::Child,
    lines: Lines<BufReader<process::ChildStdout>>,
}

/// What a process said.
#[derive(Debug, Default)]
pub(crate) struct Said {
    pub(crate) safe: Vec<Known>,
    pub(crate) refused: u64,
    /// How many records it found.
    pub(crate) found: u64,
    /// It has raised pain: the file was damaged.
    pub(crate) damaged: bool,
}

impl Child {
    pub(crate) fn start(
        url: &str,
        spool: &Path,
        life: u32,
        task: Task,
        blocks: Option<u32>,
    ) -> Self {
        let program = env::current_exe().expect("a program");
        let mut command = match blocks {
            None => Command::new(program),
            Some(blocks) => {
                let mut command = Command::new("sh");
                command.arg("-c").arg(format!(
                    "trap '' XFSZ; ulimit -f {blocks} && exec \"$0\" \"$@\""
                ));
                command.arg(program);
                command
            }
        };
        command
            .args(["--exact", "faults::child::sends_what_it_can", "--nocapture"])
            .env(URL, url)
            .env(PATH, spool)
            .env(TASK, format!("{task:?}"))
            .env(LIFE, life.to_string())
            .stdout(Stdio::piped());
        let mut process = process::Command::from(command)
            .kill_on_drop(true)
            .spawn()
            .expect("a child");
        let output = process.stdout.take().expect("its output");
        Self {
            process,
            lines: BufReader::new(output).lines(),
        }
    }

    /// Kills it, so long after it has begun.
    pub(crate) async fn killed_after(mut self, lived: Duration) -> Said {
        self.begun().await;
        self.killed_in(lived).await
    }

    /// Kills it, so long after it was started: it may be just opening what the last one left.
    pub(crate) async fn killed_in(mut self, lived: Duration) -> Said {
        let mut said = Said::default();
        let listen = async { while self.listen(&mut said).await {} };
        assert!(
            timeout(lived, listen).await.is_err(),
            "it has ended by itself"
        );
        self.process.kill().await.expect("killed");
        // What it said before it died.
        while self.listen(&mut said).await {}
        said
    }

    pub(crate) async fn ended_when_all_is_sent(mut self) -> Said {
        let mut said = Said::default();
        let listen = async { while self.listen(&mut said).await {} };
        timeout(Duration::from_secs(120), listen)
            .await
            .expect("all is sent in time");
        let status = self.process.wait().await.expect("ended");
        assert!(status.success(), "{status}");
        said
    }

    async fn begun(&mut self) {
        let begun = async { while self.line().await.expect("it begins") != "begun" {} };
        timeout(Duration::from_secs(30), begun)
            .await
            .expect("it begins in time");
    }

    async fn line(&mut self) -> Option<String> {
        self.lines.next_line().await.expect("text")
    }

    /// False at its end.
    async fn listen(&mut self, said: &mut Said) -> bool {
        let Some(line) = self.line().await else {
            return false;
        };
        let words: Vec<_> = line.split(' ').collect();
        match words[..] {
            ["safe", of, number] => said.safe.push((parsed(of), parsed(number))),
            ["refused", ..] => said.refused += 1,
            ["found", found] => said.found = parsed(found),
            ["damaged", ..] => said.damaged = true,
            _ => {}
        }
        true
    }
}

fn parsed<T: std::str::FromStr>(word: &str) -> T {
    word.parse().ok().expect("a number")
}

/// Nothing, unless it is a child of another test.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sends_what_it_can() {
    let Ok(url) = env::var(URL) else {
        return;
    };
    let life: u32 = env::var(LIFE).expect("set").parse().expect("a number");
    let path = env::var_os(PATH).expect("set");
    let spool = open(SpoolConfig::new(path)).await;
    let config = AmqpConfig::new(&url)
        .expect("valid")
        .prefix("killed")
        .queue("sender")
        .confirm_timeout(Duration::from_secs(1));
    let mirror = Mirror::new(Amqp::new(config).expect("valid"))
        .spool(spool)
        .outbound::<Kept>()
        .outage::<Kept>(Outage::Spool);
    let bus = Bus::builder().source("sender").mirror(mirror).build();
    let bus = bus.expect("good");
    println!("\nbegun");
    let mut signals = bus.signals();
    tokio::spawn(async move {
        while let Some(Ok(signal)) = signals.recv().await {
            if signal.metric == "spool.damaged" {
                println!("damaged {}", signal.message);
            }
        }
    });
    if env::var(TASK).expect("set") == "Finish" {
        finish(&bus).await;
        return;
    }
    let next = Arc::new(AtomicU64::new(0));
    let senders = (0..6).map(|sender| {
        let (bus, next) = (bus.clone(), Arc::clone(&next));
        tokio::spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if sender < 4 {
                    raise(&bus, life, number).await;
                } else {
                    publish(&bus, life, number).await;
                }
            }
        })
    });
    futures_util::future::join_all(senders).await;
}

async fn finish(bus: &Bus) {
    let status = || {
        bus.health()
            .mirror
            .and_then(|mirror| mirror.spool)
            .expect("there is one")
    };
    println!("found {}", status().recovered);
    while status().records() > 0 {
        sleep(Duration::from_millis(10)).await;
    }
    let end = bus.shutdown(Duration::from_secs(10)).await;
    assert_eq!(end.unsent, 0, "{end}");
}

/// The process that had it is only just gone.
async fn open(config: SpoolConfig) -> FileSpool {
    for _ in 0..500 {
        match FileSpool::open(config.clone()).await {
            Err(error) if error.is_transient() => sleep(Duration::from_millis(10)).await,
            opened => return opened.expect("opens"),
        }
    }
    panic!("somebody has it");
}

async fn raise(bus: &Bus, life: u32, number: u64) {
    let level = [Level::Low, Level::Medium, Level::High, Level::Critical];
    let level = level[usize::try_from(number % 4).expect("small")];
    let signal = Signal::pain(level, "test.killed").message(format!("{life} {number}"));
    match bus.signal(signal).await {
        Ok(receipt) => {
            let remote = receipt.remote().await;
            assert!(remote.is_safe(), "{remote}");
            println!("safe {life} {number}");
        }
        Err(error) => {
            println!("refused {:?} {error}", error.kind());
            sleep(Duration::from_millis(10)).await;
        }
    }
}

async fn publish(bus: &Bus, life: u32, number: u64) {
    let event = Kept {
        number: u64::from(life) << 32 | number,
    };
    let receipt = bus.publish(event).await.expect("open");
    let remote = receipt.remote().await;
    if remote.is_safe() {
        println!("safe {life} {number}");
    } else {
        println!("refused {remote}");
        sleep(Duration::from_millis(10)).await;
    }
}
