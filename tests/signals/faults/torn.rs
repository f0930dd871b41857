//! The end of the file is lost with the process.

use std::{collections::BTreeSet, fs, time::Duration};

use algedonic_test_broker::Proxy;

use super::{
    child::{Child, Task},
    folder::Folder,
    seed::Random,
    start,
    witness::Witness,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_torn_file_is_a_pain_and_what_is_whole_in_it_is_heard_once() {
    let mut random = Random::seeded("a torn file");
    let node = start().await;
    let proxy = Proxy::before(&node.url()).await.expect("a port");
    let url = proxy.rewrite(&node.url());
    let (mut damaged, mut whole) = (0, 0);
    for round in 0..4 {
        let folder = Folder::new();
        let witness = Witness::start(&node.url(), "killed").await;
        proxy.refuse().await;
        let child = Child::start(&url, &folder.spool(), round, Task::Send, None);
        let said = child.killed_after(Duration::from_millis(700)).await;
        let safe = BTreeSet::from_iter(said.safe);
        let length = fs::metadata(folder.spool()).expect("there").len();
        let cut = length * (60 + random.below(41)) / 100;
        let file = fs::OpenOptions::new().write(true).open(folder.spool());
        file.expect("writable").set_len(cut).expect("cut");

        proxy.resume().await;
        let child = Child::start(&url, &folder.spool(), round, Task::Finish, None);
        let said = child.ended_when_all_is_sent().await;
        let heard = witness.heard(said.found).await;
        println!(
            "{} safe, cut at {cut} of {length}: {} found, damaged: {}",
            safe.len(),
            said.found,
            said.damaged
        );
        assert!(
            said.damaged || heard.is_superset(&safe),
            "lost without a word"
        );
        assert_eq!(folder.aside().len(), usize::from(said.damaged));
        damaged += u32::from(said.damaged);
        whole += heard.len();
    }
    assert!(damaged > 0, "nothing was tried");
    assert!(whole > 0, "nothing was whole");
}
