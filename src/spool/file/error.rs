//! Errors of the disk and of the database, by what they mean.

use std::{
    any::Any,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
};

use algedonic_transport::{Error, ErrorKind};

/// Why the database does not do what it should.
#[derive(Debug)]
pub(super) enum Trouble {
    /// What is in the file is wrong: it has to be put aside.
    Damaged(Error),
    /// The file may be as good as ever.
    Failed(Error),
}

impl Trouble {
    pub(super) fn damaged(what: impl Into<String>) -> Self {
        let error = Error::permanent(ErrorKind::Malformed, "read the spool");
        Self::Damaged(error.with_detail(what.into()))
    }

    pub(super) fn into_error(self) -> Error {
        match self {
            Self::Damaged(error) | Self::Failed(error) => error,
        }
    }

    pub(super) fn of(operation: &'static str, error: impl Into<redb::Error>) -> Self {
        match error.into() {
            redb::Error::Io(error) => match error.kind() {
                // Not a database, or one that is cut short.
                io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => {
                    Self::damaged(error.to_string())
                }
                _ => Self::Failed(of_disk(operation, error)),
            },
            redb::Error::Corrupted(what) => Self::damaged(what),
            redb::Error::UpgradeRequired(version) => Self::Failed(unsupported(version)),
            other => {
                let detail = other.to_string();
                let error = Error::transient(ErrorKind::Unexpected, operation).with_detail(detail);
                Self::Failed(error.with_source(other))
            }
        }
    }
}

/// Does something with the database, which may panic when the file is damaged.
pub(super) fn guarded<T>(work: impl FnOnce() -> Result<T, Trouble>) -> Result<T, Trouble> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|panic| Err(Trouble::damaged(words_of(&*panic))))
}

fn words_of(panic: &(dyn Any + Send)) -> String {
    let words = panic.downcast_ref::<&str>().copied();
    let words = words.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("the database panicked: {}", words.unwrap_or("no words"))
}

/// An error of the system.
pub(super) fn of_disk(operation: &'static str, error: io::Error) -> Error {
    use io::ErrorKind as Io;
    let described = match error.kind() {
        Io::StorageFull | Io::QuotaExceeded | Io::FileTooLarge => {
            Error::transient(ErrorKind::Unavailable, operation)
                .with_advice("make room on the disk of the spool, or lower its max_bytes")
        }
        Io::PermissionDenied | Io::ReadOnlyFilesystem => {
            Error::permanent(ErrorKind::Denied, operation)
                .with_advice("the spool's folder must be writable by this process")
        }
        Io::NotFound | Io::NotADirectory => Error::permanent(ErrorKind::Misconfigured, operation)
            .with_advice("the spool's folder has to be there"),
        _ => Error::transient(ErrorKind::Unavailable, operation),
    };
    described.with_detail(error.to_string()).with_source(error)
}

/// Whether the disk has no room.
pub(super) fn is_full(error: &Error) -> bool {
    let source = std::error::Error::source(error);
    let source = source.and_then(|source| source.downcast_ref::<io::Error>());
    source.is_some_and(|source| {
        matches!(
            source.kind(),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
        )
    })
}

pub(super) fn unsupported(format: impl std::fmt::Display) -> Error {
    Error::permanent(ErrorKind::Unsupported, "open the spool")
        .with_detail(format!("the file has format {format}"))
        .with_advice("another version of this library made it; drain it with that one")
}

pub(super) fn closed(operation: &'static str) -> Error {
    Error::permanent(ErrorKind::Closed, operation)
}
