//! The file, the lock beside it, and its place in the folder.

use std::{
    fmt,
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read, Seek, Write},
    path::{self, Path, PathBuf},
    time::SystemTime,
};

use algedonic_transport::{Error, ErrorKind};
use redb::{StorageBackend, backends::FileBackend};

use super::{encoding::millis, error::of_disk};

/// Where the bytes of a spool are.
pub(super) trait Disk: Send + 'static {
    /// What is there, if anything is.
    fn open(&mut self) -> io::Result<Option<Backend>>;
    /// An empty one, that is not there yet.
    fn fresh(&mut self) -> io::Result<Backend>;
    /// The fresh one takes the place of what is there, which is put aside first if it is asked for.
    fn replace(&mut self, aside: bool) -> io::Result<Option<PathBuf>>;
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
    path: PathBuf,
    /// Until this is dropped. It has the mark in it.
    lock: File,
}

impl Folder {
    /// Takes the file for this process.
    pub(super) fn lock(path: &Path) -> Result<Self, Error> {
        let operation = "lock the spool";
        // Wherever the process goes: the file may have to be opened again.
        let path = path::absolute(path).map_err(|error| of_disk(operation, error))?;
        let lock = private()
            .create(true)
            .truncate(false)
            .open(with_end(&path, ".lock"))
            .map_err(|error| of_disk(operation, error))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path, lock }),
            Err(TryLockError::WouldBlock) => {
                let error = Error::transient(ErrorKind::Conflict, operation)
                    .with_detail(format!("{} is in use", path.display()))
                    .with_advice("each process, and each bus, needs a file of its own");
                Err(error)
            }
            Err(TryLockError::Error(error)) => Err(of_disk(operation, error)),
        }
    }

    fn fresh_path(&self) -> PathBuf {
        with_end(&self.path, ".new")
    }

    /// What the folder says is on the disk, too.
    fn sync_folder(&self) -> io::Result<()> {
        let folder = self
            .path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        if cfg!(unix) {
            File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?;
        }
        Ok(())
    }
}

impl Disk for Folder {
    fn open(&mut self) -> io::Result<Option<Backend>> {
        // A link could lead to a file of somebody else.
        match fs::symlink_metadata(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
            Ok(there) if there.is_file() => {}
            Ok(_) => return Err(io::Error::other("what is there is no regular file")),
        }
        let file = private().open(&self.path)?;
        make_private(&file)?;
        backend(file)
    }

    fn fresh(&mut self) -> io::Result<Backend> {
        let path = self.fresh_path();
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let file = private().create_new(true).open(path)?;
        Ok(backend(file)?.expect("a file"))
    }

    fn replace(&mut self, aside: bool) -> io::Result<Option<PathBuf>> {
        let mut now = millis(SystemTime::now());
        let mut put = None;
        let aside = aside && self.path.exists();
        while aside && put.is_none() {
            let path = with_end(&self.path, &format!(".damaged-{now}"));
            // So that there is a spool at any moment; a file system without links has to do without.
            match fs::hard_link(&self.path, &path) {
                Ok(()) => put = Some(path),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => now += 1,
                Err(_) => {
                    fs::rename(&self.path, &path)?;
                    put = Some(path);
                }
            }
        }
        fs::rename(self.fresh_path(), &self.path)?;
        self.sync_folder()?;
        Ok(put)
    }

    fn take_mark(&mut self) -> io::Result<Option<Mark>> {
        let mut content = Vec::new();
        self.lock.read_to_end(&mut content)?;
        if !content.is_empty() {
            self.lock.set_len(0)?;
            self.lock.sync_all()?;
        }
        Ok(content.try_into().ok())
    }

    fn leave_mark(&mut self, mark: Mark) -> io::Result<()> {
        self.lock.rewind()?;
        self.lock.write_all(&mark)?;
        self.lock.sync_all()
    }
}

impl fmt::Debug for Folder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Folder").field(&self.path).finish()
    }
}

fn with_end(path: &Path, end: &str) -> PathBuf {
    let mut path = path.as_os_str().to_owned();
    path.push(end);
    path.into()
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

fn backend(file: File) -> io::Result<Option<Backend>> {
    let file = FileBackend::new(file).map_err(io::Error::other)?;
    Ok(Some(Backend(Box::new(file))))
}
