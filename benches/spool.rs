//! What a record costs that is on the disk when it is promised: alone, and together with others.
//!
//! Beside a bare file and the bare database, in the same folder: that of the build, or `ALGEDONIC_BENCH_FOLDER`. A disk
//! in memory says nothing; that of a virtual machine says little. Compare rows of one run only.

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
use criterion::{BenchmarkGroup, Criterion, Throughput, measurement::WallTime};
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
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Writes so many records at the end of a file, and waits for the disk.
fn bare_file(group: &mut BenchmarkGroup<'_, WallTime>, folder: &Path, together: usize) {
    let mut options = OpenOptions::new();
    let mut file: File = options
        .append(true)
        .create(true)
        .open(folder.join("bare"))
        .expect("a file");
    let bytes = vec![7; RECORD * together];
    group.bench_function("file, fdatasync", |bencher| {
        bencher.iter(|| {
            file.write_all(&bytes).expect("written");
            file.sync_data().expect("synced");
        });
    });
}

/// The same in one transaction, and those before taken out: the database keeps its size.
fn bare_database(group: &mut BenchmarkGroup<'_, WallTime>, folder: &Path, together: usize) {
    let database = Database::create(folder.join("bare.redb")).expect("a database");
    let record = vec![7; RECORD];
    let mut next = 0;
    group.bench_function("redb", |bencher| {
        bencher.iter(|| {
            let transaction = database.begin_write().expect("begun");
            {
                let mut records = transaction.open_table(RECORDS).expect("a table");
                for key in next..next + together as u64 {
                    records.insert(key, record.as_slice()).expect("inserted");
                    records
                        .remove(key.wrapping_sub(together as u64))
                        .expect("removed");
                }
            }
            transaction.commit().expect("committed");
            next += together as u64;
        });
    });
}

/// So many appends at once, and those before confirmed.
fn spool(
    group: &mut BenchmarkGroup<'_, WallTime>,
    runtime: &Runtime,
    folder: &Path,
    together: usize,
) {
    let config = SpoolConfig::new(folder.join("spool"));
    let spool = runtime.block_on(FileSpool::open(config)).expect("opens");
    let metadata = Metadata::new(Key::from_static("bench.reading"), "benches");
    let message = Message::new(metadata, Lane::Event, "application/cbor", vec![7; BODY]);
    group.bench_function("spool", |bencher| {
        bencher.iter_custom(|rounds| {
            let mut confirmed: Vec<u64> = Vec::new();
            let start = Instant::now();
            for _ in 0..rounds {
                spool.remove(&confirmed);
                let appends = (0..together).map(|_| spool.append(message.clone()));
                let stored = runtime.block_on(join_all(appends)).into_iter();
                confirmed = stored.map(|stored| stored.expect("stored")).collect();
            }
            let time = start.elapsed();
            spool.remove(&confirmed);
            time
        });
    });
    runtime
        .block_on(spool.close(Duration::from_secs(60)))
        .expect("closed");
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    for together in TOGETHER {
        let folder = Folder::new();
        let mut group = criterion.benchmark_group(format!("{together} at once"));
        group
            .throughput(Throughput::Elements(together as u64))
            .measurement_time(Duration::from_secs(3));
        bare_file(&mut group, &folder.0, together);
        bare_database(&mut group, &folder.0, together);
        spool(&mut group, &runtime, &folder.0, together);
        group.finish();
    }
    criterion.final_summary();
}
