//! How long was the file when it was synced, and what is known of it at the end of a life?
//!
//! A process that is killed leaves no mark, and a database whose newest pages are missing goes back to an older state
//! without a word. So the file that is the lock says how long the spool is at least: after each sync that made it
//! longer, before it is made shorter.

use std::{
    fmt,
    fs::File,
    io::{self, Read, Seek, SeekFrom, Write},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use redb::{StorageBackend, backends::FileBackend};

use super::disk::Mark;

/// Where in the file the mark is; before it is the length.
const MARK_AT: usize = size_of::<u64>();

/// The file beside the spool.
#[derive(Clone)]
pub(super) struct Beside(Arc<Mutex<File>>);

impl Beside {
    pub(super) fn new(lock: File) -> Self {
        Self(Arc::new(Mutex::new(lock)))
    }

    fn file(&self) -> MutexGuard<'_, File> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn content(&self) -> io::Result<Vec<u8>> {
        let mut file = self.file();
        file.rewind()?;
        let mut content = Vec::new();
        file.read_to_end(&mut content)?;
        Ok(content)
    }

    /// How long the spool is at least.
    pub(super) fn length(&self) -> io::Result<u64> {
        let content = self.content()?;
        let length = content.first_chunk().copied().map(u64::from_le_bytes);
        Ok(length.unwrap_or(0))
    }

    /// It has become longer, and is synced. This need not be: who forgets it with the power takes a file that was cut for
    /// one that was not as long.
    fn raise_length(&self, length: u64) -> io::Result<()> {
        write_length(&mut self.file(), length)
    }

    /// It is about to become shorter, or another has its place: known, and on the disk, when this returns.
    pub(super) fn note_length(&self, length: u64) -> io::Result<()> {
        let mut file = self.file();
        write_length(&mut file, length)?;
        file.sync_data()
    }

    pub(super) fn take_mark(&self) -> io::Result<Option<Mark>> {
        let content = self.content()?;
        let mark = content.get(MARK_AT..).unwrap_or_default();
        if !mark.is_empty() {
            let file = self.file();
            file.set_len(MARK_AT as u64)?;
            file.sync_all()?;
        }
        Ok(mark.try_into().ok())
    }

    pub(super) fn leave_mark(&self, mark: Mark) -> io::Result<()> {
        let mut file = self.file();
        file.seek(SeekFrom::Start(MARK_AT as u64))?;
        file.write_all(&mark)?;
        file.sync_all()
    }
}

fn write_length(file: &mut File, length: u64) -> io::Result<()> {
    file.rewind()?;
    file.write_all(&length.to_le_bytes())
}

/// A spool whose length is noted.
#[derive(Clone)]
pub(super) struct Measured(Arc<Inner>);

struct Inner {
    file: FileBackend,
    beside: Beside,
    /// What is noted of it; [`NOTHING`] until it is in its place.
    noted: AtomicU64,
}

const NOTHING: u64 = u64::MAX;

impl Measured {
    pub(super) fn new(file: FileBackend, beside: Beside) -> Self {
        let noted = AtomicU64::new(NOTHING);
        Self(Arc::new(Inner {
            file,
            beside,
            noted,
        }))
    }

    /// It is in its place: from now on its length is noted.
    pub(super) fn measure(&self) -> io::Result<()> {
        let noted = self.0.beside.length()?;
        self.0.noted.store(noted, Ordering::SeqCst);
        Ok(())
    }

    fn noted(&self) -> Option<u64> {
        Some(self.0.noted.load(Ordering::SeqCst)).filter(|noted| *noted != NOTHING)
    }
}

impl StorageBackend for Measured {
    fn len(&self) -> io::Result<u64> {
        self.0.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.file.read(offset, out)
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        if self.noted().is_some_and(|noted| length < noted) {
            self.0.beside.note_length(length)?;
            self.0.noted.store(length, Ordering::SeqCst);
        }
        self.0.file.set_len(length)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.file.sync_data()?;
        let length = self.0.file.len()?;
        if self.noted().is_some_and(|noted| length > noted) {
            // It is synced all the same, so that this fails nobody.
            let _ = self.0.beside.raise_length(length);
            self.0.noted.store(length, Ordering::SeqCst);
        }
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.file.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.0.file.close()
    }
}

impl fmt::Debug for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Measured").finish_non_exhaustive()
    }
}
