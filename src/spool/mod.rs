//! A bounded store on disk for what must survive an outage or a crash.
//!
//! What cannot be confirmed is [appended](Spool::append); when that returns, it is on the disk, synced. It is
//! [read](Spool::read) in order, sent, and [removed](Spool::remove) when it is confirmed, in this life of the process or
//! in the next. [`Spool`] is what the bus needs of such a store; [`FileSpool`] is one in a file.
//!
//! # Promises
//!
//! - **Synced.** An append that returned `Ok` is there after `kill -9`, and after a loss of power if the disk does what
//!   it says. One that returned an error, or was dropped, is not promised; it may be there all the same.
//! - **In order.** Each lane is in the order of its appends; [`sequence`](Record::sequence) counts over all lanes and all
//!   lives.
//! - **Signals first.** They have a room of their own to wait in, and are written before all else, by themselves: behind
//!   a flood of events they wait for what is being written, 1 MiB of a lane at most, and what finds no room on the disk
//!   takes no signal along. A disk that failed is left alone for a second, but tried for every signal. One that is full
//!   has 512 KiB yet, in a file beside the spool that is deleted for signals; nothing else is stored until there is room
//!   for it again.
//! - **At least once.** Removals reach the disk with the next event or command, or after 100 ms: a crash before that brings the
//!   record back. Receivers know it by its id.
//! - **Together.** Appends of a lane that wait while another is written share one write: alone each costs a sync of the disk, many
//!   at once not much more.
//! - **Apart.** All of it happens on a thread of its own. A disk that is slow, full or broken makes appends fail; it
//!   makes nothing else wait, and local delivery does not know of it.
//! - **One owner.** A second spool on the same file, in this process or another, is refused. The file is for its owner
//!   only (0600).
//!
//! What no store can promise: what was not appended yet when the process died; a disk that is lost; exactly once.
//!
//! # Bounds
//!
//! Each lane has [`max_bytes`](SpoolConfig::max_bytes) of its own. An append that does not fit makes room: records of
//! the lowest priority go first, of those the oldest, none that matters more than the new one. Never dropped are what has
//! the [highest priority](algedonic_transport::Priority::MAX), which is critical signals, and commands. If what may be dropped does not
//! make room, the new one is refused ([`Busy`](algedonic_transport::ErrorKind::Busy)).
//!
//! Records older than [`max_age`](SpoolConfig::max_age) are dropped, but for those that are never dropped; so is every
//! message whose own expiry has passed.
//!
//! Each record that is dropped is told, by a [`Notice`], and counted in the [status](SpoolStatus), whose books balance.
//!
//! In memory a record takes a few hundred bytes at most, however long its message is. The file is larger than what it holds, and does not
//! shrink at once; see `benches/README.md`.
//!
//! # Damage
//!
//! Opening reads all of the file. One that is not whole is put aside as `NAME.damaged-MILLISECONDS`, for a person to
//! look at; a new one takes its place, with every record that is whole, in order. The first notice tells it, with a typed error.
//! Where the damage is found later, while the spool is open, it is the same, and the call that met it fails.
//!
//! A spool that was [closed](Spool::close) knows in its next life exactly what it held. After a crash it knows what the
//! file says: what the disk has lost of the last write before the crash, nobody can tell from what was never written.
//!
//! # By hand
//!
//! `cargo run --features spool --example spool -- FILE` lists what is in a file that no process has open, shows
//! single records, removes them, and drains all of it.

#[cfg(feature = "spool")]
mod file;
mod notice;
mod record;
mod status;

use std::{fmt, time::Duration};

use algedonic_transport::{BoxFuture, Error, Lane, Message};

#[cfg(feature = "spool")]
pub use self::file::{FileSpool, SpoolConfig};
pub use self::{
    notice::{Damage, LossCause, Lost, Notice},
    record::Record,
    status::{LaneStatus, SpoolStatus},
};

/// A bounded store for what must survive an outage or a crash; see the [module](self) for what it promises.
///
/// Shared by reference (`Arc<dyn Spool>`). Every future may be dropped at any time; every future resolves.
pub trait Spool: fmt::Debug + Send + Sync + 'static {
    /// Stores a message; resolves with its sequence when it is on the disk, synced.
    ///
    /// # Behavior
    ///
    /// - The place in the order of its lane is taken by the call itself, unless so many wait that this one has to wait for room:
    ///   then by its first poll.
    /// - An error says that it is not promised. After `TimedOut` it may be stored all the same, and will be sent.
    ///
    /// # Errors
    ///
    /// `Busy`: the spool is full of what may not be dropped for this one. `TooLarge`: it could never fit. `Malformed`:
    /// it cannot be encoded. `Unavailable`, `Denied`: the disk is full, broken, or not writable. `TimedOut`: the disk
    /// does not answer. `Closed`.
    ///
    /// # Cancellation
    ///
    /// Dropped before its turn came, nothing is stored; later it is.
    fn append(&self, message: Message) -> BoxFuture<Result<u64, Error>>;

    /// The oldest records of a lane behind the sequence `after`, in order; from the beginning with 0. At most `limit`,
    /// and some 4 MiB; none if there are none.
    ///
    /// # Errors
    ///
    /// `Malformed`: the file was damaged; it has been put aside, so read again. Else as of an append.
    fn read(&self, lane: Lane, after: u64, limit: usize) -> BoxFuture<Result<Vec<Record>, Error>>;

    /// These are done with. Waits for nothing, and does not fail: what cannot be removed from the disk is read again
    /// after a crash. What is not there is ignored.
    fn remove(&self, sequences: &[u64]);

    /// How it is now.
    fn status(&self) -> SpoolStatus;

    /// The next thing that it has to tell, oldest first; None when it is closed and all is told. Each is told once, to
    /// one who waits. If nobody takes them the newest 1,024 are kept; the status counts all.
    ///
    /// # Cancellation
    ///
    /// Dropped before it resolves, it has taken nothing.
    fn notice(&self) -> BoxFuture<Option<Notice>>;

    /// Takes no more, finishes what was asked for, and lets the file go.
    ///
    /// # Behavior
    ///
    /// Begins with the call. Idempotent: a second call waits for the same end.
    ///
    /// # Errors
    ///
    /// `TimedOut`: not by the deadline; it goes on.
    fn close(&self, deadline: Duration) -> BoxFuture<Result<(), Error>>;
}

// A mirror holds it behind a pointer.
const _: Option<&dyn Spool> = None;
