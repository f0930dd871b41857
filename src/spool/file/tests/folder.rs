use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
};

use algedonic_transport::Lane;

use super::{NO_BOUNDS, message, numbers};
use crate::spool::file::{
    Damage, Notice,
    disk::{Disk, Folder},
    encoding::Draft,
    store::Store,
};

/// A folder of this test's own.
struct Place(PathBuf);

impl Place {
    fn new() -> Self {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let name = format!("algedonic-folder-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }

    fn file(&self, end: &str) -> PathBuf {
        self.0.join(format!("spool{end}"))
    }

    fn lock(&self) -> Folder {
        Folder::lock(&self.file("")).expect("nobody has it")
    }

    fn open(&self) -> Store {
        Store::open(self.lock(), NO_BOUNDS).expect("opens")
    }

    /// Of so many events, left as by a process that is killed.
    fn fill(&self, events: u64) {
        let mut store = self.open();
        append(&mut store, 1..=events);
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).expect("a folder");
        let name = |entry: fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
        let mut names: Vec<_> = entries
            .map(|entry| name(entry.expect("an entry")))
            .collect();
        names.sort_unstable();
        names
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn append(store: &mut Store, some: impl Iterator<Item = u64>) {
    let draft = |number| Draft::of(&message(Lane::Event, 0, number, 700)).expect("encodes");
    let committed = store.commit(some.map(draft).collect(), false, 0);
    committed.expect("a good disk");
}

fn damage(store: &mut Store) -> Damage {
    match <[Notice; 1]>::try_from(std::mem::take(&mut store.notices)) {
        Ok([Notice::Damaged(damage)]) => damage,
        other => panic!("{other:?}"),
    }
}

fn shorten(path: &Path) {
    let file = fs::File::options().write(true).open(path).expect("there");
    let length = file.metadata().expect("there").len();
    file.set_len(length / 2).expect("cut");
}

#[test]
fn a_cut_file_that_could_not_be_put_aside_is_still_known_to_be_cut() {
    let place = Place::new();
    place.fill(300);
    shorten(&place.file(""));
    let mut disk = place.lock();
    assert!(disk.is_cut().expect("readable"));
    drop(disk.fresh().expect("a file"));
    // The renaming fails.
    fs::remove_file(place.file(".new")).expect("there");
    disk.replace(true).expect_err("it is gone");
    assert!(disk.is_cut().expect("readable"));
    drop(disk);
    let mut store = place.open();
    let told = damage(&mut store);
    assert!(told.error.to_string().contains("shorter"), "{told}");
    assert_eq!(told.salvaged, numbers(&mut store, Lane::Event).len() as u64);
}

#[test]
fn a_file_that_is_gone_after_its_process_was_killed_is_told() {
    let place = Place::new();
    place.fill(10);
    fs::remove_file(place.file("")).expect("there");
    let mut store = place.open();
    let told = damage(&mut store);
    assert!(told.error.to_string().contains("gone"), "{told}");
    assert_eq!((told.aside, told.salvaged), (None, 0));
    drop(store);
    // Once.
    assert!(place.open().notices.is_empty());
}

#[test]
fn an_empty_one_that_is_gone_is_no_loss() {
    let place = Place::new();
    place.open().close();
    fs::remove_file(place.file("")).expect("there");
    assert!(place.open().notices.is_empty());
}

#[test]
fn without_links_a_damaged_file_is_put_aside_too() {
    let place = Place::new();
    place.fill(300);
    shorten(&place.file(""));
    let mut disk = place.lock();
    disk.place.forget_links();
    let mut store = Store::open(disk, NO_BOUNDS).expect("opens");
    let told = damage(&mut store);
    let there = numbers(&mut store, Lane::Event);
    assert!(!there.is_empty());
    assert!(told.aside.expect("put aside").exists());
    drop(store);
    assert_eq!(place.names().len(), 3, "{:?}", place.names());
    let mut again = place.open();
    assert!(again.notices.is_empty(), "{:?}", again.notices);
    assert_eq!(numbers(&mut again, Lane::Event), there);
}

/// Interrupted before that: the damaged one is still in its place.
#[test]
fn what_was_made_for_another_damage_is_not_taken() {
    let place = Place::new();
    place.fill(10);
    fs::write(place.file(".next"), "of another").expect("written");
    let mut store = place.open();
    assert_eq!(numbers(&mut store, Lane::Event).len(), 10);
    assert!(!place.file(".next").exists());
}

/// Where there are no hard links, and the process ends between the two renamings.
#[test]
fn a_replacement_that_was_interrupted_is_finished() {
    let place = Place::new();
    place.fill(10);
    // What it has salvaged is whole and in its waiting place, and the damaged one is put aside.
    fs::rename(place.file(""), place.file(".next")).expect("there");
    fs::write(place.file(".damaged-1"), "damaged").expect("written");
    // Something that was begun before.
    fs::write(place.file(".new"), "begun").expect("written");
    let mut store = place.open();
    let expected: Vec<u64> = (1..=10).collect();
    assert_eq!(numbers(&mut store, Lane::Event), expected);
    assert_eq!(damage(&mut store).salvaged, 10);
    assert!(!place.file(".next").exists());
    drop(store);
    let mut again = place.open();
    assert!(again.notices.is_empty(), "{:?}", again.notices);
    assert_eq!(numbers(&mut again, Lane::Event), expected);
}

#[cfg(unix)]
#[test]
fn the_lock_is_no_way_to_somebody_elses_file() {
    let place = Place::new();
    let other = place.file(".other");
    fs::write(&other, "of somebody else").expect("written");
    std::os::unix::fs::symlink(&other, place.file(".lock")).expect("a link");
    let error = match Folder::lock(&place.file("")) {
        Err(error) => error,
        Ok(disk) => {
            drop(Store::open(disk, NO_BOUNDS));
            panic!("{:?}: {:?}", place.names(), fs::read(&other));
        }
    };
    assert!(error.to_string().contains("no regular file"), "{error}");
    // One that leads nowhere makes nothing there.
    fs::remove_file(&other).expect("there");
    Folder::lock(&place.file("")).expect_err("refused");
    assert_eq!(place.names(), ["spool.lock"]);
}
