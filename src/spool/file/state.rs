//! What has to be known of the spool besides its records. It lies among them, under the sequence 0.

use super::encoding::field;

pub(super) const MAGIC: [u8; 4] = *b"AlSt";
/// The format of files that this code writes, and the newest that it reads.
pub(super) const FORMAT: u32 = 1;
pub(super) const LENGTH: usize = 52;

/// Written when the file is made, and whenever something is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct State {
    pub(super) format: u32,
    /// The spool's own number: every record in it has it, and what is inside of a message's body does not.
    pub(super) spool: u64,
    /// No record had this sequence yet, when it was written.
    pub(super) next: u64,
    /// By lane: everything below was removed, by what was committed before or by request. Old copies of removed records lie about in the file.
    pub(super) floors: [u64; 3],
}

impl State {
    pub(super) fn write(&self) -> [u8; LENGTH] {
        let mut bytes = [0; LENGTH];
        bytes[..4].copy_from_slice(&MAGIC);
        bytes[4..8].copy_from_slice(&self.format.to_le_bytes());
        let fields = [self.spool, self.next].into_iter().chain(self.floors);
        for (place, field) in bytes[8..48].chunks_exact_mut(8).zip(fields) {
            place.copy_from_slice(&field.to_le_bytes());
        }
        let crc = crc32fast::hash(&bytes[..48]);
        bytes[48..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// None if these bytes do not begin with a state that is whole.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.get(..LENGTH)?;
        let crc = u32::from_le_bytes(field(bytes, 48)?);
        if bytes[..4] != MAGIC || crc32fast::hash(&bytes[..48]) != crc {
            return None;
        }
        let number = |place: usize| field(bytes, 8 + 8 * place).map(u64::from_le_bytes);
        Some(Self {
            format: u32::from_le_bytes(field(bytes, 4)?),
            spool: number(0)?,
            next: number(1)?,
            floors: [number(2)?, number(3)?, number(4)?],
        })
    }
}
