//! What a record costs that is on the disk when it is promised: alone, and together with others.
//!
//! Beside a bare file and the bare database, in the same folder: that of the build, or `ALGEDONIC_BENCH_FOLDER`. A disk
//! in memory says nothing; that of a virtual machine says little. Run by `benches/compare spool`. Prints
//! `CASE ours=NS peer=NAME theirs=NS ratio=THEIRS/OURS`: nanoseconds for one record, the median over rounds, which are
//! played in turns.

use std::{
    env,
    fs::{self, File, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use algedonic::{
    Key, Metadata,
    spool::{FileSpool, Spool, SpoolConfig},
    transport::{Lane, Message},
};
use futures_util::future::join_all;
use redb::{Database, TableDefinition};
use tokio::runtime::{Builder, Runtime};

/// Of a message's body.
const BODY: usize = 256;
/// Of what the others write: about what a record has.
const RECORD: usize = 480;
/// How many at once.
const TOGETHER: [usize; 4] = [1, 16, 64, 256];
const RECORDS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("records");

/// A folder that is gone at the end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let place = env::var_os("ALGEDONIC_BENCH_FOLDER");
        let place = place.map_or_else(|| env!("CARGO_TARGET_TMPDIR").into(), PathBuf::from);
        let path = place.join(format!("algedonic-bench-{}", std::process::id()));
        fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }

    /// The kind of its file system, as Linux says.
    fn file_system(&self) -> String {
        let mounts = fs::read_to_string("/proc/mounts").unwrap_or_default();
        let path = self.0.canonicalize().expect("it is there");
        let mounts = mounts.lines().filter_map(|line| {
            let mut words = line.split(' ').skip(1);
            let (place, kind) = (words.next()?, words.next()?);
            path.starts_with(place).then_some((place.len(), kind))
        });
        let nearest = mounts.max_by_key(|(length, _)| *length);
        nearest.map_or_else(|| "unknown".to_owned(), |(_, kind)| kind.to_owned())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Puts so many records on the disk at once.
trait Contender {
    fn name(&self) -> &'static str;
    fn put(&mut self);
}

/// Writes them at the end of a file, and waits for the disk once.
struct BareFile {
    file: File,
    bytes: Vec<u8>,
}

impl BareFile {
    fn new(folder: &Path, together: usize) -> Self {
        let mut options = OpenOptions::new();
        let options = options.append(true).create(true);
        Self {
            file: options.open(folder.join("bare")).expect("a file"),
            bytes: vec![7; RECORD * together],
        }
    }
}

impl Contender for BareFile {
    fn name(&self) -> &'static str {
        "file-fdatasync"
    }

    fn put(&mut self) {
        self.file.write_all(&self.bytes).expect("written");
        self.file.sync_data().expect("synced");
    }
}

/// The same in one transaction, and those before taken out: the database keeps its size.
struct BareDatabase {
    database: Database,
    together: u64,
    next: u64,
}

impl BareDatabase {
    fn new(folder: &Path, together: usize) -> Self {
        Self {
            database: Database::create(folder.join("bare.redb")).expect("a database"),
            together: together as u64,
            next: 0,
        }
    }
}

impl Contender for BareDatabase {
    fn name(&self) -> &'static str {
        "redb"
    }

    fn put(&mut self) {
        // Durable at once, as redb has it by default, and the spool.
        let transaction = self.database.begin_write().expect("begun");
        {
            let mut records = transaction.open_table(RECORDS).expect("a table");
            for key in self.next..self.next + self.together {
                let record = [7; RECORD];
                records.insert(key, &record[..]).expect("inserted");
                if let Some(before) = key.checked_sub(self.together) {
                    records.remove(before).expect("removed");
                }
            }
        }
        transaction.commit().expect("committed");
        self.next += self.together;
    }
}

/// So many appends at once, each of a caller of its own, and those before confirmed.
struct Ours<'a> {
    runtime: &'a Runtime,
    spool: FileSpool,
    message: Message,
    together: usize,
    confirmed: Vec<u64>,
}

impl<'a> Ours<'a> {
    fn new(runtime: &'a Runtime, folder: &Path, together: usize) -> Self {
        let config = SpoolConfig::new(folder.join("spool"));
        let metadata = Metadata::new(Key::from_static("bench.reading"), "benches");
        Self {
            runtime,
            spool: runtime.block_on(FileSpool::open(config)).expect("opens"),
            message: Message::new(metadata, Lane::Event, "application/cbor", vec![7; BODY]),
            together,
            confirmed: Vec::new(),
        }
    }
}

impl Contender for Ours<'_> {
    fn name(&self) -> &'static str {
        "ours"
    }

    fn put(&mut self) {
        self.spool.remove(&self.confirmed);
        let appends = (0..self.together).map(|_| self.spool.append(self.message.clone()));
        let stored = self.runtime.block_on(join_all(appends)).into_iter();
        self.confirmed = stored.map(|stored| stored.expect("stored")).collect();
    }
}

impl Drop for Ours<'_> {
    fn drop(&mut self) {
        let closed = self.spool.close(Duration::from_secs(60));
        self.runtime.block_on(closed).expect("closed");
    }
}

/// Puts for so long, and tells the nanoseconds of one record.
fn round(contender: &mut dyn Contender, together: usize, length: Duration) -> f64 {
    let start = Instant::now();
    let mut puts = 0;
    while start.elapsed() < length {
        contender.put();
        puts += 1;
    }
    start.elapsed().as_nanos() as f64 / (puts * together) as f64
}

fn median(times: &mut [f64]) -> f64 {
    times.sort_unstable_by(f64::total_cmp);
    times[times.len() / 2]
}

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    // `cargo test --benches` runs it too.
    if !arguments.iter().any(|argument| argument == "--bench") {
        return;
    }
    let quick = arguments.iter().any(|argument| argument == "--quick");
    let (rounds, length) = if quick { (3, 200) } else { (9, 1000) };
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    println!("# on {}", Folder::new().file_system());
    for together in TOGETHER {
        let folder = Folder::new();
        let mut contenders: [Box<dyn Contender + '_>; 3] = [
            Box::new(Ours::new(&runtime, &folder.0, together)),
            Box::new(BareDatabase::new(&folder.0, together)),
            Box::new(BareFile::new(&folder.0, together)),
        ];
        let mut times = [const { Vec::new() }; 3];
        // One to warm up.
        for number in 0..=rounds {
            for turn in 0..contenders.len() {
                let index = (number + turn) % contenders.len();
                let contender = &mut *contenders[index];
                let time = round(contender, together, Duration::from_millis(length));
                if number > 0 {
                    times[index].push(time);
                }
            }
        }
        let [ours, theirs @ ..] = times.each_mut().map(|times| median(times));
        for (peer, theirs) in contenders[1..].iter().zip(theirs) {
            let (peer, ratio) = (peer.name(), theirs / ours);
            println!(
                "spool/{together}-at-once ours={ours:.0} peer={peer} theirs={theirs:.0} ratio={ratio:.2}"
            );
        }
        println!("    {:.0} appends a second", 1e9 / ours);
    }
}
