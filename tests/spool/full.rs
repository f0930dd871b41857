use std::{
    fs::{self, File},
    io::Write,
    path::Path,
    process::Command,
    time::Duration,
};

use algedonic::{
    ErrorKind,
    spool::{FileSpool, Notice, Spool, SpoolConfig},
    transport::Lane,
};

use super::{
    LONG, all,
    child::{Task, limited},
    folder::Folder,
    message, number_of,
};

/// A file system of its own, of so many KiB, in a folder.
struct Small<'a>(&'a Path);

impl<'a> Small<'a> {
    /// None where that is not allowed.
    fn mount(path: &'a Path, kilobytes: u32) -> Option<Self> {
        let size = format!("size={kilobytes}k");
        let mut mount = Command::new("mount");
        let mount = mount
            .args(["-t", "tmpfs", "-o", &size, "algedonic-test"])
            .arg(path);
        let mounted = mount.output().is_ok_and(|output| output.status.success());
        mounted.then_some(Self(path))
    }
}

impl Drop for Small<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0).status();
    }
}

/// Where no file system can be mounted, the same with a limit to the size of files, which the next test has anyway.
#[tokio::test]
async fn a_full_disk_is_an_error_and_loses_nothing() {
    let folder = Folder::new();
    let Some(_small) = Small::mount(folder.path(), 1_536) else {
        println!("no file system could be mounted: the size of files is limited instead");
        return a_limit_to_files(&folder).await;
    };
    // Something else takes a part of it.
    let other = folder.path().join("other");
    let mut filler = File::create(&other).expect("a file");
    filler.write_all(&vec![1; 700 * 1024]).expect("room");
    drop(filler);
    let spool = FileSpool::open(SpoolConfig::new(folder.spool()))
        .await
        .expect("opens");
    let mut stored = Vec::new();
    let error = loop {
        let number = stored.len() as u64 + 1;
        match spool.append(message(Lane::Signal, number, 4_000)).await {
            Ok(_) => stored.push(number),
            Err(error) => break error,
        }
        assert!(number < 1_000, "a disk of 1.5 MiB takes no end");
    };
    assert!(stored.len() > 20, "{}", stored.len());
    println!(
        "{} records of 4,000 bytes on a disk with 836 KiB of room",
        stored.len()
    );
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert!(error.is_transient());
    assert!(
        error.advice().is_some_and(|advice| advice.contains("room")),
        "{error}"
    );
    assert!(matches!(spool.notice().await, Some(Notice::Broken(_))));
    // All that was stored can be read, and nothing else.
    until_readable(&spool).await;
    assert_eq!(numbers(&spool).await, stored);
    // Somebody makes room.
    fs::remove_file(other).expect("gone");
    let last = stored.len() as u64 + 1;
    let again = async {
        while spool
            .append(message(Lane::Signal, last, 4_000))
            .await
            .is_err()
        {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(LONG, again).await.expect("in time");
    stored.push(last);
    assert!(matches!(spool.notice().await, Some(Notice::Mended)));
    spool.close(LONG).await.expect("closed");
    let spool = FileSpool::open(SpoolConfig::new(folder.spool()))
        .await
        .expect("opens");
    assert_eq!(numbers(&spool).await, stored);
    assert!(folder.aside().is_empty());
    spool.close(LONG).await.expect("closed");
}

/// And at once, while the disk is left alone.
#[tokio::test]
async fn a_signal_fits_where_an_event_does_not() {
    let folder = Folder::new();
    let Some(_small) = Small::mount(folder.path(), 2_048) else {
        return println!("no file system could be mounted");
    };
    let spool = FileSpool::open(SpoolConfig::new(folder.spool()))
        .await
        .expect("opens");
    let mut events = 0;
    let error = loop {
        match spool.append(message(Lane::Event, events, 200_000)).await {
            Ok(_) => events += 1,
            Err(error) => break error,
        }
        assert!(events < 100, "a disk of 2 MiB takes no end");
    };
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    for number in 0..5 {
        let signal = spool.append(message(Lane::Signal, number, 500)).await;
        signal.expect("there is room for it");
    }
    // Whatever else is tried has none of that room.
    let mut signals = 5;
    let refused = async {
        loop {
            let event = spool.append(message(Lane::Event, events, 200_000)).await;
            let error = event.expect_err("there is no room for it");
            let signal = spool.append(message(Lane::Signal, signals, 500)).await;
            signal.expect("there is room for it");
            signals += 1;
            if error.to_string().contains("keep room for signals") {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(LONG, refused).await.expect("in time");
    assert!(spool.status().error.is_some());
    assert_eq!(numbers(&spool).await, (0..signals).collect::<Vec<_>>());
    let there = all(&spool, Lane::Event).await;
    assert_eq!(there.len() as u64, events);
    println!("{events} events of 200,000 bytes on a disk of 2 MiB, and {signals} signals");
    spool.close(LONG).await.expect("closed");
}

#[cfg(unix)]
#[tokio::test]
async fn a_file_that_may_not_grow_is_an_error_and_loses_nothing() {
    a_limit_to_files(&Folder::new()).await;
}

async fn a_limit_to_files(folder: &Folder) {
    let output = limited(Task::Fill, &folder.spool(), 2_000)
        .output()
        .expect("a child");
    let said = String::from_utf8(output.stdout).expect("text");
    let mut stored = Vec::new();
    let (mut refused, mut there) = (None, None);
    for line in said.lines() {
        match line.split(' ').collect::<Vec<_>>()[..] {
            ["stored", _, number] => stored.push(number.parse::<u64>().expect("a number")),
            ["refused", kind, transient, ..] => {
                refused = Some((kind.to_owned(), transient.to_owned()));
            }
            ["there", count, last] => {
                there = Some((count.to_owned(), last.to_owned()));
            }
            _ => {}
        }
    }
    assert!(stored.len() > 20, "{said}");
    assert_eq!(
        refused,
        Some(("Unavailable".into(), "true".into())),
        "{said}"
    );
    let last = stored.last().expect("some").to_string();
    assert_eq!(there, Some((stored.len().to_string(), last)), "{said}");
    // Without the limit all is there, and there is room.
    let spool = FileSpool::open(SpoolConfig::new(folder.spool()))
        .await
        .expect("opens");
    assert_eq!(numbers(&spool).await, stored);
    spool
        .append(message(Lane::Signal, 999, 4_000))
        .await
        .expect("stored");
    spool.close(LONG).await.expect("closed");
    assert!(folder.aside().is_empty());
}

async fn until_readable(spool: &FileSpool) {
    let readable = async {
        while spool.read(Lane::Signal, 0, 1).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(LONG, readable).await.expect("in time");
}

async fn numbers(spool: &FileSpool) -> Vec<u64> {
    all(spool, Lane::Signal)
        .await
        .iter()
        .map(number_of)
        .collect()
}
