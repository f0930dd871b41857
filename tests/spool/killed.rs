use std::{
    collections::{BTreeMap, BTreeSet},
    io::{BufRead, BufReader},
    path::Path,
    sync::mpsc,
    thread,
    time::Duration,
};

use algedonic::{
    spool::{FileSpool, Spool, SpoolConfig},
    transport::Lane,
};

use super::{
    LONG, all,
    child::{Task, WRITERS, command},
    folder::Folder,
    number_of,
    seed::Random,
};

/// What children have said, over all rounds.
#[derive(Default)]
struct Said {
    /// Number by sequence.
    stored: BTreeMap<u64, u64>,
    gone: BTreeSet<u64>,
}

#[tokio::test]
async fn nothing_that_was_stored_is_lost_when_the_process_is_killed() {
    rounds(30).await;
}

#[tokio::test]
#[ignore = "takes minutes"]
async fn the_same_a_thousand_times() {
    rounds(1_000).await;
}

async fn rounds(rounds: u32) {
    let mut random = Random::seeded("a spool whose process is killed");
    let mut delays = random.fork();
    let mut folder = Folder::new();
    let (mut said, mut stored, mut returned) = (Said::default(), 0, 0);
    for round in 0..rounds {
        // A small file now and then: its beginnings matter, too.
        if random.one_in(20) {
            folder = Folder::new();
            said = Said::default();
        }
        let start = u64::from(round) << 32;
        let delay = Duration::from_micros(delays.below(60_000));
        let lines = killed_after(&folder.spool(), start, delay);
        stored += said.listen(&lines);
        returned += said.check(&folder.spool()).await;
    }
    println!("{rounds} kills, {stored} stored, {returned} removed ones came back");
    assert!(stored > 0, "no child came to store anything");
}

/// What a child says until it is killed, so long after it has opened the spool.
fn killed_after(path: &Path, start: u64, delay: Duration) -> Vec<String> {
    let mut child = command(Task::Work, path);
    let mut child = child
        .env("ALGEDONIC_TEST_START", start.to_string())
        .spawn()
        .expect("a child");
    let output = BufReader::new(child.stdout.take().expect("its output"));
    let (sender, lines) = mpsc::channel();
    let reader = thread::spawn(move || {
        for line in output.lines() {
            let _ = sender.send(line.expect("text"));
        }
    });
    while lines.recv_timeout(LONG).expect("it opens") != "open" {}
    thread::sleep(delay);
    child.kill().expect("killed");
    child.wait().expect("gone");
    reader.join().expect("no panic");
    lines.into_iter().collect()
}

impl Said {
    /// How many were stored.
    fn listen(&mut self, lines: &[String]) -> usize {
        let before = self.stored.len();
        // A line is written whole, or not at all: it is short, and goes into a pipe.
        for line in lines {
            let parsed = |word: &str| word.parse::<u64>().expect("a number");
            match line.split(' ').collect::<Vec<_>>()[..] {
                ["stored", sequence, number] => {
                    let old = self.stored.insert(parsed(sequence), parsed(number));
                    assert_eq!(old, None, "one sequence for two");
                }
                ["gone", sequence] => {
                    self.gone.insert(parsed(sequence));
                }
                _ => panic!("{line}"),
            }
        }
        self.stored.len() - before
    }

    /// Opens the file: what was stored is there, in its place. How many removed ones came back.
    async fn check(&mut self, path: &Path) -> usize {
        let spool = FileSpool::open(SpoolConfig::new(path))
            .await
            .expect("opens");
        let mut there = BTreeMap::new();
        let mut last_of: BTreeMap<(u64, u64), u64> = BTreeMap::new();
        for lane in Lane::ALL {
            for record in all(&spool, lane).await {
                let number = number_of(&record);
                there.insert(record.sequence, number);
                // Each writer's own are in the order in which it has stored them.
                let writer = (number >> 32, number % WRITERS);
                let before = last_of.insert(writer, number);
                assert!(
                    before.is_none_or(|before| before < number),
                    "{before:?} before {number}"
                );
            }
        }
        let mut returned = 0;
        for (sequence, number) in &self.stored {
            let found = there.get(sequence);
            let gone = self.gone.contains(sequence);
            assert!(
                found == Some(number) || gone && found.is_none(),
                "{sequence}: {found:?}"
            );
            returned += usize::from(gone && found.is_some());
        }
        spool.close(LONG).await.expect("closed");
        assert!(spool.notice().await.is_none(), "nothing to tell");
        for (sequence, number) in there {
            self.stored.insert(sequence, number);
            // From now on it is there.
            self.gone.remove(&sequence);
        }
        self.stored
            .retain(|sequence, _| !self.gone.contains(sequence));
        returned
    }
}
