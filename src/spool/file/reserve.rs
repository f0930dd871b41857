//! Which room on the disk is kept for signals, where everything else is full?
//!
//! What finds no room leaves none: a write that fails has taken what was left.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    path::PathBuf,
};

use super::place::is_there;

/// A commit of signals takes a few pages of 4 KiB.
const LENGTH: usize = 512 * 1024;

/// A file that is there to be deleted.
#[derive(Debug)]
pub(super) struct Reserve(PathBuf);

impl Reserve {
    pub(super) const fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// Has it there, whole, or not at all.
    pub(super) fn keep(&self, options: &mut OpenOptions) -> io::Result<()> {
        if is_there(&self.0)? {
            if fs::metadata(&self.0)?.len() == LENGTH as u64 {
                return Ok(());
            }
            fs::remove_file(&self.0)?;
        }
        let made = self.make(options);
        if made.is_err() {
            let _ = self.give();
        }
        made
    }

    fn make(&self, options: &mut OpenOptions) -> io::Result<()> {
        let mut file = options.create_new(true).open(&self.0)?;
        // Nothing that a file system would store as nothing.
        let mut state = 1_u64;
        let mut bytes = Vec::with_capacity(LENGTH);
        while bytes.len() < LENGTH {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            bytes.extend((state >> 32).to_le_bytes().into_iter().take(4));
        }
        file.write_all(&bytes)?;
        file.sync_all()
    }

    /// Gives it to the disk. Whether there was any.
    pub(super) fn give(&self) -> io::Result<bool> {
        let there = is_there(&self.0)?;
        if there {
            fs::remove_file(&self.0)?;
        }
        Ok(there)
    }
}
