//! Which signals does a spool raise, by what it has to tell?

mod felt;
#[cfg(test)]
mod tests;
mod trouble;

use std::sync::Arc;

use algedonic_transport::CorrelationId;
use tokio::time::{Instant, sleep_until};

use self::felt::Felt;
use super::Alarms;
use crate::{Signal, spool::Spool};

/// The signals of one spool.
pub(crate) struct SpoolAlarms {
    spool: Arc<dyn Spool>,
    felt: Felt,
    /// It has told all.
    is_over: bool,
}

impl SpoolAlarms {
    pub(crate) fn new(spool: &Arc<dyn Spool>, alarms: &Alarms) -> Self {
        Self {
            spool: Arc::clone(spool),
            felt: Felt::new(alarms.hold),
            is_over: false,
        }
    }

    /// A signal of this alarm was raised under this id: what it, or an escalation of it, takes the room of is no new
    /// pain.
    pub(crate) fn raised(&mut self, signal: CorrelationId) {
        self.felt.raised(signal);
    }

    /// The next signal; None when the spool is closed and all is told.
    ///
    /// Dropped before it is ready, it loses nothing.
    pub(crate) async fn next(&mut self) -> Option<Signal> {
        loop {
            if let Some(signal) = self.felt.due(Instant::now()) {
                return Some(signal);
            }
            if self.is_over {
                return None;
            }
            let next = self.felt.next();
            let later = async {
                match next {
                    Some(next) => sleep_until(next).await,
                    None => std::future::pending().await,
                }
            };
            let notice = tokio::select! {
                biased;
                notice = self.spool.notice() => notice,
                () = later => continue,
            };
            let Some(notice) = notice else {
                self.is_over = true;
                self.felt.close();
                continue;
            };
            if let Some(signal) = self.felt.note(&notice, Instant::now()) {
                return Some(signal);
            }
        }
    }
}
