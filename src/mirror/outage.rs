/// What becomes of an event of a type while the other side cannot be reached; for
/// [`Mirror::outage`](crate::Mirror::outage).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Outage {
    /// It stays in this process, and is counted: [`Remote::LocalOnly`](crate::Remote::LocalOnly).
    #[default]
    LocalOnly,
    /// It goes to the disk, and is sent later, in order: [`Remote::Spooled`](crate::Remote::Spooled).
    Spool,
}
