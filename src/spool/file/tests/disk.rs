use std::{
    collections::BTreeMap,
    io,
    path::PathBuf,
    sync::{Arc, Condvar, Mutex, MutexGuard},
};

use redb::StorageBackend;

use super::dice::Dice;
use crate::spool::file::disk::{Backend, Disk, Mark};

/// Bytes that a disk writes whole, or not at all.
const SECTOR: usize = 512;

/// Files in memory: what was written is read at once, and lost in a crash unless it was synced.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory(Arc<(Mutex<Files>, Condvar)>);

#[derive(Debug, Default)]
struct Files {
    contents: BTreeMap<usize, Content>,
    made: usize,
    current: Option<usize>,
    fresh: Option<usize>,
    aside: Vec<usize>,
    mark: Option<Mark>,
    /// Whoever had a file open before the last crash has it no more.
    life: usize,
    fault: Fault,
    syncs: u64,
    /// Of those, the ones that hang.
    hanging: u64,
}

#[derive(Clone, Debug, Default)]
struct Content {
    /// What is read.
    cached: Vec<u8>,
    /// What outlives a crash.
    synced: Vec<u8>,
    /// What came since.
    unsynced: Vec<Change>,
}

#[derive(Clone, Debug)]
enum Change {
    Write(usize, Vec<u8>),
    Length(usize),
}

/// What goes wrong from now on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Fault {
    #[default]
    None,
    /// After so many more writes there is no room.
    FullAfter(u64),
    /// The file gets no longer than it is.
    NoLonger,
    /// After so many more writes, syncs and reads everything is an error.
    BrokenAfter(u64),
    /// The next sync is an error, which comes after all is written.
    SyncFails,
    /// A sync does nothing, and says that all is well.
    SyncLies,
    /// A sync does not return until this is over.
    SyncHangs,
}

impl Memory {
    pub(super) fn fault(&self, fault: Fault) {
        self.lock().fault = fault;
        self.0.1.notify_all();
    }

    pub(super) fn take_fault(&self) -> Fault {
        std::mem::take(&mut self.lock().fault)
    }

    /// The power goes: of what was not synced any part is there, sector by sector, in any order.
    pub(super) fn crash(&self, dice: &mut Dice) {
        let mut files = self.lock();
        files.life += 1;
        files.fault = Fault::None;
        files.fresh = None;
        files.mark = None;
        for content in files.contents.values_mut() {
            content.crash(dice);
        }
    }

    /// How many syncs there were.
    pub(super) fn syncs(&self) -> u64 {
        self.lock().syncs
    }

    /// Whether a sync hangs now.
    pub(super) fn hangs(&self) -> bool {
        self.lock().hanging > 0
    }

    pub(super) fn put_aside(&self) -> usize {
        self.lock().aside.len()
    }

    /// Somebody deletes the file.
    pub(super) fn lose(&self) {
        self.lock().current = None;
    }

    /// Changes the file from outside.
    pub(super) fn edit(&self, edit: impl FnOnce(&mut Vec<u8>)) {
        let mut files = self.lock();
        let current = files.current.expect("a file");
        let content = files.contents.get_mut(&current).expect("a file");
        edit(&mut content.cached);
        content.synced.clone_from(&content.cached);
        content.unsynced.clear();
    }

    /// A copy that knows nothing of this one.
    pub(super) fn copy(&self) -> Self {
        let files = self.lock();
        let current = files
            .current
            .map(|current| files.contents[&current].clone());
        let copy = Files {
            contents: current.into_iter().map(|content| (0, content)).collect(),
            made: 1,
            current: Some(0),
            mark: files.mark,
            ..Files::default()
        };
        Self(Arc::new((Mutex::new(copy), Condvar::new())))
    }

    fn lock(&self) -> MutexGuard<'_, Files> {
        self.0.0.lock().expect("not poisoned")
    }

    fn backend(&self, file: usize) -> Backend {
        let life = self.lock().life;
        Backend(Box::new(Handle {
            memory: self.clone(),
            file,
            life,
        }))
    }
}

impl Disk for Memory {
    fn open(&mut self) -> io::Result<Option<Backend>> {
        let current = self.lock().current;
        Ok(current.map(|file| self.backend(file)))
    }

    /// What is lost here is known by what is whole.
    fn is_cut(&mut self) -> io::Result<bool> {
        Ok(false)
    }

    fn fresh(&mut self) -> io::Result<Backend> {
        let mut files = self.lock();
        let file = files.made;
        files.made += 1;
        files.contents.insert(file, Content::default());
        files.fresh = Some(file);
        drop(files);
        Ok(self.backend(file))
    }

    fn replace(&mut self, aside: bool) -> io::Result<Option<PathBuf>> {
        let mut files = self.lock();
        let old = files.current;
        files.current = files.fresh.take();
        if let Some(old) = old.filter(|_| aside) {
            files.aside.push(old);
        }
        Ok(old.filter(|_| aside).map(|old| old.to_string().into()))
    }

    fn resume(&mut self) -> io::Result<bool> {
        Ok(false)
    }

    fn take_mark(&mut self) -> io::Result<Option<Mark>> {
        Ok(self.lock().mark.take())
    }

    fn leave_mark(&mut self, mark: Mark) -> io::Result<()> {
        self.lock().mark = Some(mark);
        Ok(())
    }
}

#[derive(Debug)]
struct Handle {
    memory: Memory,
    file: usize,
    life: usize,
}

impl Handle {
    fn with<T>(&self, work: impl FnOnce(&mut Content) -> io::Result<T>) -> io::Result<T> {
        let mut files = self.memory.lock();
        if files.life != self.life {
            return Err(io::Error::other("the process is dead"));
        }
        if let Fault::BrokenAfter(calls) = &mut files.fault {
            *calls = calls.saturating_sub(1);
            if *calls == 0 {
                return Err(io::Error::other("the disk is broken"));
            }
        }
        work(files.contents.get_mut(&self.file).expect("a file"))
    }

    /// Of a write that ends there.
    fn takes_room(&self, end: u64) -> io::Result<()> {
        let mut files = self.memory.lock();
        let length = files.contents[&self.file].cached.len();
        match &mut files.fault {
            Fault::NoLonger if place(end) > length => Err(io::ErrorKind::StorageFull.into()),
            Fault::FullAfter(0) => Err(io::ErrorKind::StorageFull.into()),
            Fault::FullAfter(writes) => {
                *writes -= 1;
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

impl StorageBackend for Handle {
    fn len(&self) -> io::Result<u64> {
        self.with(|content| Ok(content.cached.len() as u64))
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.with(|content| {
            let at = place(offset);
            let bytes = content.cached.get(at..at + out.len());
            out.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
            Ok(())
        })
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        if len > self.len()? {
            self.takes_room(len)?;
        }
        self.with(|content| {
            content.cached.resize(place(len), 0);
            content.unsynced.push(Change::Length(place(len)));
            Ok(())
        })
    }

    fn sync_data(&self) -> io::Result<()> {
        let fault = {
            let hangs = |files: &mut Files| files.fault == Fault::SyncHangs;
            let mut files = self.memory.lock();
            files.hanging += 1;
            let waited = self.memory.0.1.wait_while(files, hangs);
            let mut files = waited.expect("not poisoned");
            files.hanging -= 1;
            files.syncs += 1;
            files.fault
        };
        self.with(|content| {
            if fault != Fault::SyncLies {
                content.unsynced.clear();
                content.synced.clone_from(&content.cached);
            }
            Ok(())
        })?;
        if fault == Fault::SyncFails {
            self.memory.lock().fault = Fault::None;
            return Err(io::Error::other("the sync failed"));
        }
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.takes_room(offset + data.len() as u64)?;
        self.with(|content| {
            let at = place(offset);
            write(&mut content.cached, at, data);
            content.unsynced.push(Change::Write(at, data.to_vec()));
            Ok(())
        })
    }
}

impl Content {
    fn crash(&mut self, dice: &mut Dice) {
        let (unsynced, luck) = (std::mem::take(&mut self.unsynced), dice.below(4));
        for change in unsynced {
            match change {
                Change::Length(length) if dice.below(4) < luck => self.synced.resize(length, 0),
                Change::Length(_) => {}
                Change::Write(mut at, data) => {
                    let mut rest = &data[..];
                    while !rest.is_empty() {
                        let sector = rest.len().min(SECTOR - at % SECTOR);
                        let (first, more) = rest.split_at(sector);
                        if dice.below(4) < luck {
                            write(&mut self.synced, at, first);
                        }
                        (at, rest) = (at + sector, more);
                    }
                }
            }
        }
        self.cached.clone_from(&self.synced);
    }
}

fn write(bytes: &mut Vec<u8>, at: usize, data: &[u8]) {
    if bytes.len() < at + data.len() {
        bytes.resize(at + data.len(), 0);
    }
    bytes[at..at + data.len()].copy_from_slice(data);
}

fn place(offset: u64) -> usize {
    usize::try_from(offset).expect("in memory")
}
