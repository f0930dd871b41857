use std::{
    env,
    path::Path,
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use algedonic::{
    spool::{FileSpool, Spool, SpoolConfig},
    transport::Lane,
};

use super::{all, message, number_of};

/// What a child is to do.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Task {
    /// Append and remove, until it is killed.
    Work,
    /// Open, and say how that went.
    Open,
    /// Append until there is no room, then read.
    Fill,
}

const PATH: &str = "ALGEDONIC_TEST_SPOOL";
const TASK: &str = "ALGEDONIC_TEST_SPOOL_TASK";
/// Who append at once.
pub(crate) const WRITERS: u64 = 8;

/// This program again, as a child that does the task and says so on its standard output.
pub(crate) fn command(task: Task, path: &Path) -> Command {
    let mut command = Command::new(env::current_exe().expect("a program"));
    as_child(&mut command, task, path);
    command
}

/// The same, with no file larger than so many blocks of 512 bytes (or 1,024: that is the shell's).
pub(crate) fn limited(task: Task, path: &Path, blocks: u32) -> Command {
    let mut command = Command::new("sh");
    command.arg("-c").arg(format!(
        "trap '' XFSZ; ulimit -f {blocks} && exec \"$0\" \"$@\""
    ));
    command.arg(env::current_exe().expect("a program"));
    as_child(&mut command, task, path);
    command
}

fn as_child(command: &mut Command, task: Task, path: &Path) {
    command
        .args(["--exact", "child::does_what_its_parent_asks", "--nocapture"])
        .env(PATH, path)
        .env(TASK, format!("{task:?}"))
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
}

/// Nothing, unless it is a child of another test.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn does_what_its_parent_asks() {
    let Some(path) = env::var_os(PATH) else {
        return;
    };
    let config = SpoolConfig::new(path);
    match &*env::var(TASK).expect("a task") {
        "Work" => work(FileSpool::open(config).await.expect("opens")).await,
        "Open" => match FileSpool::open(config).await {
            Ok(_) => println!("\nopened"),
            Err(error) => println!("\nrefused {:?} {error}", error.kind()),
        },
        _ => fill(FileSpool::open(config).await.expect("opens")).await,
    }
}

async fn work(spool: FileSpool) {
    println!("\nopen");
    let all = Arc::new(AtomicU64::new(spool.status().appended));
    let start: u64 = env::var("ALGEDONIC_TEST_START")
        .expect("a number")
        .parse()
        .expect("a number");
    let writers = (0..WRITERS).map(|writer| {
        let (spool, all) = (spool.clone(), Arc::clone(&all));
        tokio::spawn(async move {
            let lane = Lane::ALL[usize::try_from(writer % 3).expect("small")];
            let mut number = start + writer;
            loop {
                let length = usize::try_from(number % 700).expect("small");
                let stored = spool.append(message(lane, number, length)).await;
                let sequence = stored.expect("stored");
                println!("stored {sequence} {number}");
                number += WRITERS;
                // About every fourth is confirmed.
                if all.fetch_add(1, Ordering::Relaxed) % 4 == 0 {
                    println!("gone {sequence}");
                    spool.remove(&[sequence]);
                }
            }
        })
    });
    futures_util::future::join_all(writers).await;
}

async fn fill(spool: FileSpool) {
    println!("\nopen");
    for number in 1.. {
        match spool.append(message(Lane::Signal, number, 4_000)).await {
            Ok(sequence) => println!("stored {sequence} {number}"),
            Err(error) => {
                println!(
                    "refused {:?} {} {error}",
                    error.kind(),
                    error.is_transient()
                );
                break;
            }
        }
    }
    // It opens the file again after a second.
    while spool.read(Lane::Signal, 0, 1).await.is_err() {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let there = all(&spool, Lane::Signal).await;
    let last = there.iter().map(number_of).max().unwrap_or_default();
    println!("there {} {last}", there.len());
}
