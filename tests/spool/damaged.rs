use std::fs;

use algedonic::{
    ErrorKind,
    spool::{Damage, FileSpool, Notice, Spool, SpoolConfig},
    transport::Lane,
};

use super::{LONG, all, folder::Folder, message, number_of, seed::Random};

/// A spool of so many signals, closed.
async fn filled(folder: &Folder, signals: u64) {
    let spool = FileSpool::open(SpoolConfig::new(folder.spool()))
        .await
        .expect("opens");
    for number in 1..=signals {
        spool
            .append(message(Lane::Signal, number, 500))
            .await
            .expect("stored");
    }
    spool.close(LONG).await.expect("closed");
}

async fn open(folder: &Folder) -> (Vec<u64>, Option<Damage>) {
    let spool = FileSpool::open(SpoolConfig::new(folder.spool()))
        .await
        .expect("opens");
    let there = all(&spool, Lane::Signal).await;
    spool.close(LONG).await.expect("closed");
    let damage = match spool.notice().await {
        None => None,
        Some(Notice::Damaged(damage)) => Some(damage),
        Some(other) => panic!("{other}"),
    };
    (there.iter().map(number_of).collect(), damage)
}

#[tokio::test]
async fn a_torn_tail_is_told_and_costs_no_record_that_is_whole() {
    let folder = Folder::new();
    filled(&folder, 100).await;
    let whole = fs::read(folder.spool()).expect("readable");
    let mut random = Random::seeded("a torn tail");
    let mut kept = Vec::new();
    for _ in 0..40 {
        let cut = random.index(whole.len());
        fs::write(folder.spool(), &whole[..cut]).expect("written");
        let (there, damage) = open(&folder).await;
        assert!(there.iter().all(|number| (1..=100).contains(number)));
        assert!(there.is_sorted());
        let Some(damage) = damage else {
            assert_eq!(there.len(), 100, "cut at {cut}");
            continue;
        };
        assert_eq!(damage.error.kind(), ErrorKind::Malformed);
        assert_eq!(damage.salvaged, there.len() as u64);
        let aside = damage.aside.expect("put aside");
        assert_eq!(
            fs::read(&aside).expect("readable"),
            whole[..cut],
            "as it was"
        );
        fs::remove_file(aside).expect("gone");
        kept.push((cut, there.len()));
    }
    // The later it is cut, the more there is.
    println!("{} bytes: cut, and kept of 100: {kept:?}", whole.len());
    let most = kept.iter().map(|(_, there)| *there).max();
    assert!(most > Some(50));
}

#[tokio::test]
async fn a_file_of_something_else_is_put_aside() {
    let folder = Folder::new();
    let zeros = vec![0; 100_000];
    for content in [&b""[..], b"no spool at all", &zeros] {
        fs::write(folder.spool(), content).expect("written");
        let (there, damage) = open(&folder).await;
        assert!(there.is_empty());
        let damage = damage.expect("told");
        assert_eq!(damage.error.kind(), ErrorKind::Malformed);
        assert!(damage.to_string().contains("damaged-"), "{damage}");
        let aside = damage.aside.expect("put aside");
        assert_eq!(fs::read(aside).expect("readable"), content);
        // The next time it is a good one.
        assert!(open(&folder).await.1.is_none());
    }
    assert_eq!(folder.aside().len(), 3);
}
