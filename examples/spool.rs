//! Looks into the file of a spool, and drains it, by hand; no process may have it open.
//!
//! ```text
//! cargo run --features spool --example spool -- FILE                  what is in it, a line for each record
//! cargo run --features spool --example spool -- FILE show SEQUENCE    one record: its metadata, and its body
//! cargo run --features spool --example spool -- FILE remove SEQUENCE… takes these out
//! cargo run --features spool --example spool -- FILE drain FOLDER     writes each body to FOLDER/SEQUENCE, lists it, takes it out
//! ```

use std::{
    env,
    error::Error,
    fs,
    path::Path,
    process::ExitCode,
    time::{Duration, SystemTime},
};

use algedonic::{
    spool::{FileSpool, Notice, Record, Spool, SpoolConfig},
    transport::Lane,
};

const USAGE: &str = "usage: spool FILE [show SEQUENCE | remove SEQUENCE… | drain FOLDER]";

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("spool: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &[&str]) -> Result<(), Box<dyn Error>> {
    let [file, task @ ..] = arguments else {
        return Err(USAGE.into());
    };
    if !Path::new(file).is_file() {
        return Err(format!("there is no file {file}").into());
    }
    // Nothing is dropped for being old while a person looks at it.
    let for_ever = Duration::from_secs(30 * 365 * 24 * 3600);
    let spool = FileSpool::open(SpoolConfig::new(file).max_age(for_ever)).await?;
    let done = match task {
        [] => list(&spool).await,
        ["show", sequence] => show(&spool, sequence).await,
        ["remove", sequences @ ..] => remove(&spool, sequences),
        ["drain", folder] => drain(&spool, Path::new(folder)).await,
        _ => Err(USAGE.into()),
    };
    spool.close(Duration::from_secs(60)).await?;
    while let Some(notice) = spool.notice().await {
        eprintln!("spool: {notice}");
        if let Notice::Damaged(damage) = notice {
            return done.and(Err(damage.error.into()));
        }
    }
    done
}

async fn list(spool: &FileSpool) -> Result<(), Box<dyn Error>> {
    for lane in Lane::ALL {
        let held = spool.status().lane(lane);
        println!("{lane}: {} records, {} bytes", held.records, held.bytes);
        each(spool, lane, |record| {
            println!("  {}", line(record));
            Ok(())
        })
        .await?;
    }
    Ok(())
}

async fn show(spool: &FileSpool, sequence: &str) -> Result<(), Box<dyn Error>> {
    let sequence: u64 = sequence.parse()?;
    for lane in Lane::ALL {
        let records = spool.read(lane, sequence.saturating_sub(1), 1).await?;
        if let Some(record) = records.first().filter(|record| record.sequence == sequence) {
            println!("{}\n{:#?}", line(record), record.message);
            println!("{}", record.message.body.escape_ascii());
            return Ok(());
        }
    }
    Err(format!("there is no record {sequence}").into())
}

fn remove(spool: &FileSpool, sequences: &[&str]) -> Result<(), Box<dyn Error>> {
    let sequences: Result<Vec<u64>, _> = sequences.iter().map(|one| one.parse()).collect();
    spool.remove(&sequences?);
    Ok(())
}

async fn drain(spool: &FileSpool, folder: &Path) -> Result<(), Box<dyn Error>> {
    fs::create_dir_all(folder)?;
    for lane in Lane::ALL {
        each(spool, lane, |record| {
            fs::write(
                folder.join(record.sequence.to_string()),
                &record.message.body,
            )?;
            println!("{lane} {}", line(record));
            // Only when it is in the folder.
            spool.remove(&[record.sequence]);
            Ok(())
        })
        .await?;
    }
    Ok(())
}

async fn each(
    spool: &FileSpool,
    lane: Lane,
    mut work: impl FnMut(&Record) -> Result<(), Box<dyn Error>>,
) -> Result<(), Box<dyn Error>> {
    let mut after = 0;
    loop {
        let records = spool.read(lane, after, 1_000).await?;
        let Some(last) = records.last() else {
            return Ok(());
        };
        after = last.sequence;
        records.iter().try_for_each(&mut work)?;
    }
}

fn line(record: &Record) -> String {
    let metadata = &record.message.metadata;
    let age = SystemTime::now()
        .duration_since(record.stored)
        .unwrap_or_default();
    format!(
        "{:>8} priority {:>2} {} {} from {:?}, {} bytes of {}, {} s ago",
        record.sequence,
        metadata.priority.get(),
        metadata.key,
        metadata.id,
        metadata.source,
        record.message.body.len(),
        record.message.content_type,
        age.as_secs(),
    )
}
