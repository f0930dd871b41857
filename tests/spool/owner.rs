use std::fs;

use algedonic::{
    ErrorKind,
    spool::{FileSpool, Spool, SpoolConfig},
    transport::Lane,
};

use super::{
    LONG, all,
    child::{Task, command},
    folder::Folder,
    message,
};

#[tokio::test]
async fn no_two_have_one_file() {
    let folder = Folder::new();
    let config = SpoolConfig::new(folder.spool());
    let spool = FileSpool::open(config.clone()).await.expect("opens");
    let error = FileSpool::open(config.clone()).await.expect_err("in use");
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(error.is_transient());
    assert!(error.to_string().contains("in use"), "{error}");
    // Nor have two processes.
    let child = || {
        let output = command(Task::Open, &folder.spool())
            .output()
            .expect("a child");
        String::from_utf8(output.stdout).expect("text")
    };
    assert!(child().contains("refused Conflict"), "{}", child());
    // Who was refused has done no harm.
    spool
        .append(message(Lane::Signal, 1, 10))
        .await
        .expect("stored");
    spool.close(LONG).await.expect("closed");
    assert!(child().contains("opened"), "{}", child());
    let again = FileSpool::open(config).await.expect("opens");
    assert_eq!(all(&again, Lane::Signal).await.len(), 1);
}

#[tokio::test]
async fn the_last_clone_that_is_dropped_lets_the_file_go() {
    let folder = Folder::new();
    let config = SpoolConfig::new(folder.spool());
    let spool = FileSpool::open(config.clone()).await.expect("opens");
    let clone = spool.clone();
    let append = clone.append(message(Lane::Signal, 1, 10));
    drop((spool, clone));
    // What was asked for is done.
    append.await.expect("stored");
    let free = async {
        loop {
            match FileSpool::open(config.clone()).await {
                Ok(spool) => break spool,
                Err(error) => assert_eq!(error.kind(), ErrorKind::Conflict),
            }
        }
    };
    let again = tokio::time::timeout(LONG, free).await.expect("in time");
    assert_eq!(again.status().recovered, 1);
}

#[tokio::test]
async fn an_opening_that_is_dropped_leaves_nothing_behind() {
    let folder = Folder::new();
    let config = SpoolConfig::new(folder.spool());
    for _ in 0..10 {
        let opening = FileSpool::open(config.clone());
        let _ = tokio::time::timeout(std::time::Duration::from_micros(1), opening).await;
    }
    let free = async { while FileSpool::open(config.clone()).await.is_err() {} };
    tokio::time::timeout(LONG, free).await.expect("in time");
}

#[cfg(unix)]
#[tokio::test]
async fn the_file_is_for_its_owner_only() {
    use std::os::unix::fs::{PermissionsExt, symlink};

    let folder = Folder::new();
    let config = SpoolConfig::new(folder.spool());
    let mode =
        |path: &std::path::Path| fs::metadata(path).expect("a file").permissions().mode() & 0o777;
    FileSpool::open(config.clone())
        .await
        .expect("opens")
        .close(LONG)
        .await
        .expect("closed");
    assert_eq!(mode(&folder.spool()), 0o600);
    assert_eq!(mode(&folder.path().join("test.spool.lock")), 0o600);
    // Somebody has copied it about.
    fs::set_permissions(folder.spool(), fs::Permissions::from_mode(0o644)).expect("set");
    FileSpool::open(config.clone())
        .await
        .expect("opens")
        .close(LONG)
        .await
        .expect("closed");
    assert_eq!(mode(&folder.spool()), 0o600);
    // A damaged one stays private, too.
    fs::write(folder.spool(), "damaged").expect("written");
    FileSpool::open(config.clone())
        .await
        .expect("opens")
        .close(LONG)
        .await
        .expect("closed");
    assert_eq!(mode(&folder.aside()[0]), 0o600);
    // A link is not followed.
    let elsewhere = folder.path().join("elsewhere");
    fs::rename(folder.spool(), &elsewhere).expect("moved");
    symlink(&elsewhere, folder.spool()).expect("a link");
    let error = FileSpool::open(config).await.expect_err("refused");
    assert!(error.to_string().contains("no regular file"), "{error}");
}

#[tokio::test]
async fn what_cannot_work_says_why() {
    let folder = Folder::new();
    let error = FileSpool::open(SpoolConfig::new(""))
        .await
        .expect_err("no path");
    assert_eq!(error.kind(), ErrorKind::Misconfigured);
    assert!(error.to_string().contains("spool: path"), "{error}");
    let nowhere = folder.path().join("nowhere/test.spool");
    let error = FileSpool::open(SpoolConfig::new(nowhere))
        .await
        .expect_err("no folder");
    assert_eq!(error.kind(), ErrorKind::Misconfigured);
    assert!(
        error
            .advice()
            .is_some_and(|advice| advice.contains("folder")),
        "{error}"
    );
    assert!(!error.is_transient());
}
