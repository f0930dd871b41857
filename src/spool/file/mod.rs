//! A spool in a file: redb, on a thread of its own.

mod config;
mod disk;
mod encoding;
mod error;
mod index;
mod length;
mod pause;
mod place;
mod queue;
mod reserve;
mod salvage;
mod shared;
mod state;
mod store;
#[cfg(test)]
mod tests;
mod worker;

use std::{sync::Arc, thread, time::Duration};

use algedonic_transport::{BoxFuture, Error, ErrorKind, Lane, Message};
use tokio::{
    sync::{oneshot, watch},
    time::timeout,
};

pub use self::config::SpoolConfig;
use self::{
    disk::{Disk, Folder},
    encoding::Draft,
    error::{closed, of_disk},
    index::Bounds,
    queue::{Append, Queue, Read},
    shared::Shared,
    store::Store,
    worker::Worker,
};
use super::{
    Damage, LaneStatus, LossCause, Lost, Notice, Record, Spool, SpoolStatus, status::place_of,
};

/// A spool in a file, with a thread of its own. Cheap to clone; the file is free some time after the last clone is
/// dropped, or at the end of [`close`](Spool::close).
///
/// ```
/// use algedonic::{
///     Key, Metadata,
///     spool::{FileSpool, Spool, SpoolConfig},
///     transport::{Lane, Message},
/// };
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), algedonic::Error> {
/// # let folder = std::env::temp_dir().join(format!("spool-example-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder).expect("a folder");
/// let spool = FileSpool::open(SpoolConfig::new(folder.join("outbound.spool"))).await?;
/// let metadata = Metadata::new(Key::from_static("s3.state_change"), "s3");
/// let sequence = spool.append(Message::new(metadata, Lane::Event, "text/plain", "on")).await?;
/// // Here it is on the disk. Later, or in the next life of the process:
/// for record in spool.read(Lane::Event, 0, 100).await? {
///     assert_eq!(record.sequence, sequence);
///     // … it is sent, and confirmed …
///     spool.remove(&[record.sequence]);
/// }
/// # let end = std::time::Duration::from_secs(5);
/// spool.close(end).await?;
/// # std::fs::remove_dir_all(folder).expect("gone");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct FileSpool(Arc<Owner>);

/// With the last of it the thread ends.
#[derive(Debug)]
struct Owner {
    shared: Arc<Shared>,
    config: SpoolConfig,
    done: watch::Receiver<()>,
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.shared.queue.close();
    }
}

impl FileSpool {
    /// Opens the file, or makes it, and reads it once to see that all of it is whole. A damaged file is no error: it is
    /// put aside, what is whole in it is kept, and the first [notice](Spool::notice) says so.
    ///
    /// # Errors
    ///
    /// `Misconfigured`: the configuration breaks a rule, or there is no such folder. `Conflict`: another process, or
    /// another spool in this one, has the file (transient); or it is a database of something else (permanent).
    /// `Denied`, `Unavailable`: what the system says of the disk. `Unsupported`: a newer version made the file.
    ///
    /// # Cancellation
    ///
    /// Dropped early, the thread finds nobody to work for, and ends.
    pub async fn open(config: SpoolConfig) -> Result<Self, Error> {
        let path = config.path.clone();
        Self::start(config, move || Folder::lock(&path)).await
    }

    /// On this disk.
    async fn start<D: Disk>(
        config: SpoolConfig,
        lock: impl FnOnce() -> Result<D, Error> + Send + 'static,
    ) -> Result<Self, Error> {
        let operation = "open the spool";
        config.validate().map_err(|error| {
            Error::permanent(ErrorKind::Misconfigured, operation)
                .with_detail(error.to_string())
                .with_source(error)
        })?;
        let shared = Arc::new(Shared::new(Queue::new(config.group)));
        let (done, ended) = watch::channel(());
        let (opened, outcome) = oneshot::channel();
        let spool = Self(Arc::new(Owner {
            shared: Arc::clone(&shared),
            config: config.clone(),
            done: ended,
        }));
        let work = move || {
            let bounds = Bounds {
                max_bytes: config.max_bytes,
                max_age: u64::try_from(config.max_age.as_millis()).unwrap_or(u64::MAX),
            };
            match lock().and_then(|disk| Store::open(disk, bounds)) {
                Ok(store) => {
                    let worker = Worker::new(store, shared, done);
                    let _ = opened.send(Ok(()));
                    worker.run();
                }
                Err(error) => {
                    let _ = opened.send(Err(error));
                }
            }
        };
        let thread = thread::Builder::new().name("algedonic-spool".into());
        thread
            .spawn(work)
            .map_err(|error| of_disk(operation, error))?;
        outcome.await.map_err(|_| ended_badly(operation))??;
        Ok(spool)
    }

    /// Its configuration.
    pub fn config(&self) -> &SpoolConfig {
        &self.0.config
    }
}

impl Spool for FileSpool {
    fn append(&self, message: Message) -> BoxFuture<Result<u64, Error>> {
        let operation = "spool a message";
        let (reply, outcome) = oneshot::channel();
        let shared = Arc::clone(&self.0.shared);
        let placed = Draft::of(&message).and_then(|draft| {
            let share = shared.queue.try_share(draft.lane, draft.length())?;
            Ok(match share {
                Some(share) => {
                    let append = Append {
                        draft,
                        reply,
                        share,
                    };
                    shared.queue.append(append);
                    None
                }
                None => Some((draft, reply)),
            })
        });
        within(self.0.config.timeout, operation, async move {
            if let Some((draft, reply)) = placed? {
                let share = shared.queue.share(draft.lane, draft.length()).await?;
                shared.queue.append(Append {
                    draft,
                    reply,
                    share,
                });
            }
            outcome.await.map_err(|_| closed(operation))?
        })
    }

    fn read(&self, lane: Lane, after: u64, limit: usize) -> BoxFuture<Result<Vec<Record>, Error>> {
        let operation = "read the spool";
        let shared = Arc::clone(&self.0.shared);
        within(self.0.config.timeout, operation, async move {
            let (reply, outcome) = oneshot::channel();
            let share = shared.queue.share(lane, 0).await?;
            shared.queue.read(Read {
                lane,
                after,
                limit,
                reply,
                share,
            });
            outcome.await.map_err(|_| closed(operation))?
        })
    }

    fn remove(&self, sequences: &[u64]) {
        self.0.shared.queue.remove(sequences);
    }

    fn status(&self) -> SpoolStatus {
        self.0.shared.status()
    }

    fn notice(&self) -> BoxFuture<Option<Notice>> {
        let shared = Arc::clone(&self.0.shared);
        Box::pin(async move {
            loop {
                let rung = shared.bell.notified();
                tokio::pin!(rung);
                rung.as_mut().enable();
                let over = shared.queue.is_over();
                let notice = shared.take_notice();
                if notice.is_some() || over {
                    return notice;
                }
                rung.await;
            }
        })
    }

    fn close(&self, deadline: Duration) -> BoxFuture<Result<(), Error>> {
        self.0.shared.queue.close();
        let mut done = self.0.done.clone();
        within(deadline, "close the spool", async move {
            // It has no value to wait for: it is dropped at the end.
            let _ = done.changed().await;
            Ok(())
        })
    }
}

/// Every future resolves, whatever the disk does.
fn within<T: Send + 'static>(
    limit: Duration,
    operation: &'static str,
    work: impl Future<Output = Result<T, Error>> + Send + 'static,
) -> BoxFuture<Result<T, Error>> {
    Box::pin(async move {
        timeout(limit, work).await.unwrap_or_else(|_| {
            let error = Error::transient(ErrorKind::TimedOut, operation);
            Err(error.with_detail("the disk did not answer in time; it may do so yet"))
        })
    })
}

fn ended_badly(operation: &'static str) -> Error {
    Error::permanent(ErrorKind::Unexpected, operation).with_detail("its thread has panicked")
}
