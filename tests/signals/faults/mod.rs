//! A process that sends signals and kept events is killed at any moment, with the broker there, away, and coming and
//! going. What its calls returned as safe is heard by another process, once.

mod child;
mod course;
#[expect(dead_code, reason = "the spool's own tests use all of it")]
#[path = "../../spool/folder.rs"]
mod folder;
#[expect(dead_code, reason = "other tests use all of it")]
#[path = "../../it/seed.rs"]
mod seed;
mod torn;
mod witness;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use algedonic_test_broker::{Node, Proxy};

use self::{
    child::{Child, Task},
    course::{Course, Weather},
    folder::Folder,
    seed::Random,
    witness::Witness,
};

/// Several seconds of each kind of weather.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_safe_is_heard_once_though_its_process_is_killed() {
    lives(9, None).await;
}

/// Issue 6 of this project asks for 200 points.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes"]
async fn the_same_at_two_hundred_points() {
    lives(210, None).await;
}

/// A file that may not become larger than 240 KiB stands for a disk without room.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_without_room_loses_nothing_that_was_safe() {
    lives(6, Some(480)).await;
}

/// How long a process lives, at most.
const LONGEST: Duration = Duration::from_millis(1_200);
/// In less than that it has opened its spool.
const BEGINNING: Duration = Duration::from_millis(200);

async fn lives(lives: u32, blocks: Option<u32>) {
    let mut random = Random::seeded("a process that is killed");
    let node = Arc::new(start().await);
    let proxy = Arc::new(Proxy::before(&node.url()).await.expect("a port"));
    let url = proxy.rewrite(&node.url());
    let folder = Folder::new();
    let witness = Witness::start(&node.url(), "killed").await;
    let mut course = Course::new(&node, &proxy, random.fork());
    let (mut safe, mut refused) = (BTreeSet::new(), 0);
    for life in 0..lives {
        let weather = match blocks {
            // Or there would be nothing to fill it with.
            Some(_) => Weather::Away,
            None => [Weather::Fine, Weather::Away, Weather::Changing][life as usize % 3],
        };
        course.set(weather).await;
        let child = Child::start(&url, &folder.spool(), life, Task::Send, blocks);
        let part = random.below(1_000) as f64 / 1_000.0;
        let said = if life % 5 == 4 {
            child.killed_in(BEGINNING.mul_f64(part)).await
        } else {
            child.killed_after(LONGEST.mul_f64(part)).await
        };
        refused += said.refused;
        safe.extend(said.safe);
        if life == 0 {
            // RabbitMQ 3.10 never finds the leader of a quorum queue again that was declared within some seconds before a
            // kill. After an orderly restart the queues are not that young.
            let node = Arc::clone(&node);
            let restart = move || {
                node.stop();
                node.restart();
            };
            let restarted = tokio::task::spawn_blocking(restart).await;
            restarted.expect("restarted");
        }
    }
    course.set(Weather::Fine).await;
    // The next process sends what the others have left.
    let last = Child::start(&url, &folder.spool(), lives, Task::Finish, None);
    let said = last.ended_when_all_is_sent().await;
    safe.extend(said.safe);
    let heard = witness.heard_all(&safe).await;
    println!(
        "{lives} kills, {} safe, {refused} refused, {} heard, {} duplicates on the wire",
        safe.len(),
        heard.messages,
        heard.duplicates
    );
    assert!(safe.len() > 100, "{} are few", safe.len());
    assert!(blocks.is_none() || refused > 0, "there was room");
}

async fn start() -> Node {
    tokio::task::spawn_blocking(Node::start)
        .await
        .expect("started")
}
