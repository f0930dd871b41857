use algedonic_transport::{Error, Lane};

use super::{Committed, Store};
use crate::spool::file::{
    encoding::Draft,
    error::{is_full, of_disk},
};

impl Store {
    /// Stores signals, and nothing else: at last in the room that is kept for them.
    pub(in crate::spool) fn commit_signals(
        &mut self,
        drafts: Vec<Draft>,
        now: u64,
    ) -> Result<Committed, Error> {
        let again = drafts.clone();
        match self.commit_alone(Lane::Signal, drafts, now) {
            Err(error) if is_full(&error) && self.give_reserve() => {
                self.mend()?;
                self.commit_alone(Lane::Signal, again, now)
            }
            committed => committed,
        }
    }

    pub(in crate::spool) const fn has_reserve(&self) -> bool {
        self.has_reserve
    }

    fn give_reserve(&mut self) -> bool {
        self.has_reserve = false;
        self.disk.give_reserve().unwrap_or(false)
    }

    /// Sees that there is room for signals, and says whether there was none. An error says that there is none yet: then
    /// there is none for anything else.
    pub(in crate::spool) fn keep_reserve(&mut self) -> Result<bool, Error> {
        if self.has_reserve {
            return Ok(false);
        }
        if let Err(error) = self.disk.keep_reserve() {
            let error = of_disk("keep room for signals", error);
            if is_full(&error) {
                return Err(error);
            }
        }
        self.has_reserve = true;
        Ok(true)
    }
}
