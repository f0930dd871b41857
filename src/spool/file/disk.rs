//! The file, and the lock beside it.

use std::{
    fmt,
    fs::{self, File, OpenOptions, TryLockError},
    io,
    path::{self, Path, PathBuf},
};

use algedonic_transport::{Error, ErrorKind};
use redb::{StorageBackend, backends::FileBackend};

use super::{
    error::of_disk,
    length::{Beside, Measured},
    place::{Place, is_there},
    reserve::Reserve,
};

/// Where the bytes of a spool are.
pub(super) trait Disk: Send + 'static {
    /// What is there, if anything is.
    fn open(&mut self) -> io::Result<Option<Backend>>;
    /// Whether what is there is shorter than it was when it was synced; nothing is shorter than anything.
    fn is_cut(&mut self) -> io::Result<bool>;
    /// An empty one, that is not there yet.
    fn fresh(&mut self) -> io::Result<Backend>;
    /// The fresh one takes the place of what is there, which is put aside first if it is asked for.
    fn replace(&mut self, aside: bool) -> io::Result<Option<PathBuf>>;
    /// Finishes a replacement that was interrupted. Whether one was.
    fn resume(&mut self) -> io::Result<bool>;
    /// Sees that there is room that can be given up.
    fn keep_reserve(&mut self) -> io::Result<()> {
        Ok(())
    }
    /// Gives it up. Whether there was any.
    fn give_reserve(&mut self) -> io::Result<bool> {
        Ok(false)
    }
    /// What was left at the end of the last life, if that had an end. It is gone now.
    fn take_mark(&mut self) -> io::Result<Option<Mark>>;
    /// Leaves this for the next life.
    fn leave_mark(&mut self, mark: Mark) -> io::Result<()>;
}

/// What a spool held when it was closed: a database that has gone back to an older state does not match it.
pub(super) type Mark = [u8; 12];

/// A backend of redb; the lock is ours.
#[derive(Debug)]
pub(super) struct Backend(pub(super) Box<dyn StorageBackend>);

impl StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.0.close()
    }
}

/// A file that no other process has.
pub(super) struct Folder {
    pub(super) place: Place,
    /// Until this is dropped.
    beside: Beside,
    /// Made, and not in its place yet.
    fresh: Option<Measured>,
    reserve: Reserve,
}

impl Folder {
    /// Takes the file for this process.
    pub(super) fn lock(path: &Path) -> Result<Self, Error> {
        let operation = "lock the spool";
        // Wherever the process goes: the file may have to be opened again.
        let path = path::absolute(path).map_err(|error| of_disk(operation, error))?;
        let place = Place::new(path);
        let beside = place.beside(".lock");
        let lock = is_there(&beside).and_then(|_| {
            let mut lock = private();
            lock.create(true).truncate(false).open(beside)
        });
        let lock = lock.map_err(|error| of_disk(operation, error))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self {
                reserve: Reserve::new(place.beside(".reserve")),
                place,
                beside: Beside::new(lock),
                fresh: None,
            }),
            Err(TryLockError::WouldBlock) => {
                let error = Error::transient(ErrorKind::Conflict, operation)
                    .with_detail(format!("{} is in use", place.path().display()))
                    .with_advice("each process, and each bus, needs a file of its own");
                Err(error)
            }
            Err(TryLockError::Error(error)) => Err(of_disk(operation, error)),
        }
    }

    fn measured(&self, file: File) -> io::Result<Measured> {
        let file = FileBackend::new(file).map_err(io::Error::other)?;
        Ok(Measured::new(file, self.beside.clone()))
    }
}

impl Disk for Folder {
    fn open(&mut self) -> io::Result<Option<Backend>> {
        if !is_there(self.place.path())? {
            return Ok(None);
        }
        let file = private().open(self.place.path())?;
        make_private(&file)?;
        let file = self.measured(file)?;
        file.measure()?;
        Ok(Some(Backend(Box::new(file))))
    }

    fn is_cut(&mut self) -> io::Result<bool> {
        let length = match fs::metadata(self.place.path()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            there => there?.len(),
        };
        Ok(length < self.beside.length()?)
    }

    fn fresh(&mut self) -> io::Result<Backend> {
        let path = self.place.fresh();
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let file = private().create_new(true).open(path)?;
        let file = self.measured(file)?;
        self.fresh = Some(file.clone());
        Ok(Backend(Box::new(file)))
    }

    fn replace(&mut self, aside: bool) -> io::Result<Option<PathBuf>> {
        let put = self.place.replace(aside)?;
        if let Some(fresh) = self.fresh.take() {
            // Only now: until then what is known of the old one is true, and afterwards a false alarm harms nobody.
            self.beside.note_length(fresh.len()?)?;
            fresh.measure()?;
        }
        Ok(put)
    }

    fn resume(&mut self) -> io::Result<bool> {
        let resumed = self.place.resume()?;
        if resumed {
            let length = fs::metadata(self.place.path())?.len();
            self.beside.note_length(length)?;
        }
        Ok(resumed)
    }

    fn keep_reserve(&mut self) -> io::Result<()> {
        self.reserve.keep(&mut private())
    }

    fn give_reserve(&mut self) -> io::Result<bool> {
        self.reserve.give()
    }

    fn take_mark(&mut self) -> io::Result<Option<Mark>> {
        self.beside.take_mark()
    }

    fn leave_mark(&mut self, mark: Mark) -> io::Result<()> {
        self.beside.leave_mark(mark)
    }
}

impl fmt::Debug for Folder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Folder").field(&self.place.path()).finish()
    }
}

/// For the owner only.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

fn make_private(file: &File) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mut permissions = file.metadata()?.permissions();
        if permissions.mode() & 0o077 != 0 {
            permissions.set_mode(0o600);
            file.set_permissions(permissions)?;
        }
    }
    let _ = file;
    Ok(())
}
