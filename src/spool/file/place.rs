//! How does a file take the place of another, which is kept, whenever the process ends?

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    time::SystemTime,
};

use super::encoding::millis;

/// The place of a spool in its folder.
#[derive(Debug)]
pub(super) struct Place {
    path: PathBuf,
    /// Gives a file a second name; an error where the file system has none.
    link: fn(&Path, &Path) -> io::Result<()>,
}

impl Place {
    /// An absolute one.
    pub(super) fn new(path: PathBuf) -> Self {
        let link = |old: &Path, new: &Path| fs::hard_link(old, new);
        Self { path, link }
    }

    /// As on a file system without hard links.
    #[cfg(test)]
    pub(super) fn forget_links(&mut self) {
        self.link = |_, _| Err(io::ErrorKind::Unsupported.into());
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// A file beside it, of a name that ends so.
    pub(super) fn beside(&self, end: &str) -> PathBuf {
        let mut path = self.path.as_os_str().to_owned();
        path.push(end);
        path.into()
    }

    /// Where the one is made that will take the place.
    pub(super) fn fresh(&self) -> PathBuf {
        self.beside(".new")
    }

    /// Where that one is, whole, while nothing may be in the place.
    fn next(&self) -> PathBuf {
        self.beside(".next")
    }

    /// The fresh one takes the place of what is there, which is put aside first if it is asked for.
    pub(super) fn replace(&self, aside: bool) -> io::Result<Option<PathBuf>> {
        let fresh = self.fresh();
        if !aside || !is_there(&self.path)? {
            fs::rename(fresh, &self.path)?;
            self.sync()?;
            return Ok(None);
        }
        let mut now = millis(SystemTime::now());
        loop {
            let put = self.beside(&format!(".damaged-{now}"));
            // So that there is a spool at any moment.
            match (self.link)(&self.path, &put) {
                Ok(()) => fs::rename(fresh, &self.path)?,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    now += 1;
                    continue;
                }
                Err(_) if is_there(&put)? => {
                    now += 1;
                    continue;
                }
                Err(_) => self.replace_in_steps(&put)?,
            }
            self.sync()?;
            return Ok(Some(put));
        }
    }

    /// For a moment there is no spool: who finds it so goes on with [`resume`](Self::resume).
    fn replace_in_steps(&self, put: &Path) -> io::Result<()> {
        fs::rename(self.fresh(), self.next())?;
        self.sync()?;
        fs::rename(&self.path, put)?;
        self.sync()?;
        fs::rename(self.next(), &self.path)
    }

    /// Finishes what was interrupted. Whether anything was.
    pub(super) fn resume(&self) -> io::Result<bool> {
        let next = self.next();
        if !is_there(&next)? {
            return Ok(false);
        }
        if is_there(&self.path)? {
            // Interrupted before anything was put aside: that begins anew.
            fs::remove_file(next)?;
            return Ok(false);
        }
        fs::rename(next, &self.path)?;
        self.sync()?;
        Ok(true)
    }

    /// What the folder says is on the disk, too.
    fn sync(&self) -> io::Result<()> {
        if cfg!(unix) {
            let folder = self.path.parent().unwrap_or(Path::new("/"));
            File::open(folder)?.sync_all()?;
        }
        Ok(())
    }
}

/// Whether there is a file. A link is an error: it could lead to a file of somebody else.
pub(super) fn is_there(path: &Path) -> io::Result<bool> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
        Ok(there) if there.is_file() => Ok(true),
        Ok(_) => Err(io::Error::other(format!(
            "{} is no regular file",
            path.display()
        ))),
    }
}
