//! Which signals does a spool raise, by what it has to tell?

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, sleep_until};

use super::Alarms;
use crate::{
    Level, Signal,
    spool::{Notice, Spool},
};

/// The signals of one spool.
pub(crate) struct SpoolAlarms {
    spool: Arc<dyn Spool>,
    /// Losses are told so often at most.
    hold: Duration,
    losses: Losses,
    /// It has told all.
    is_over: bool,
}

/// Records that were dropped, and are not told yet.
#[derive(Default)]
struct Losses {
    count: u32,
    /// In words, the latest.
    latest: String,
    /// Not before that time.
    next: Option<Instant>,
}

impl SpoolAlarms {
    pub(crate) fn new(spool: &Arc<dyn Spool>, alarms: &Alarms) -> Self {
        Self {
            spool: Arc::clone(spool),
            hold: alarms.hold,
            losses: Losses::default(),
            is_over: false,
        }
    }

    /// The next signal; None when the spool is closed and all is told.
    ///
    /// Dropped before it is ready, it loses nothing.
    pub(crate) async fn next(&mut self) -> Option<Signal> {
        loop {
            if let Some(signal) = self.losses.due(Instant::now(), self.hold, self.is_over) {
                return Some(signal);
            }
            if self.is_over {
                return None;
            }
            let next = self.losses.next.filter(|_| self.losses.count > 0);
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
            match notice {
                Some(Notice::Lost(lost)) => {
                    self.losses.count = self.losses.count.saturating_add(1);
                    self.losses.latest = lost.to_string();
                }
                Some(notice) => return Some(signal_of(&notice)),
                None => self.is_over = true,
            }
        }
    }
}

impl Losses {
    /// The first is told at once, those that follow together, after the hold.
    fn due(&mut self, now: Instant, hold: Duration, at_once: bool) -> Option<Signal> {
        let is_time = at_once || self.next.is_none_or(|next| next <= now);
        if self.count == 0 || !is_time {
            return None;
        }
        self.next = now.checked_add(hold);
        let mut signal = Signal::pain(Level::High, "spool.lost")
            .message(format!("{} lost; the latest: {}", self.count, self.latest));
        signal.value = Some(std::mem::take(&mut self.count).into());
        Some(signal)
    }
}

fn signal_of(notice: &Notice) -> Signal {
    let signal = match notice {
        Notice::Lost(_) => Signal::pain(Level::High, "spool.lost"),
        Notice::Damaged(_) => Signal::pain(Level::Critical, "spool.damaged"),
        Notice::Broken(_) => Signal::pain(Level::Critical, "spool.disk"),
        Notice::Mended => Signal::pleasure(Level::Critical, "spool.disk"),
    };
    signal.message(notice.to_string())
}
