use std::{mem, sync::Arc};

use super::{Lane, Phase, State};
use crate::{
    event::{Envelope, Event, Origin, Sealed},
    local::{
        log::{Cell, Garbage, Margins, Mark, Reader},
        sync::{Ordering, lock, wake},
        tap::{Refusal, Rest, Stamp, Tapped},
    },
};

type LaneReader<E> = Reader<Arc<Origin>, Sealed<E>>;
type LaneGarbage<E> = Garbage<Arc<Origin>, Sealed<E>>;

/// Whether a lane has a tap, and what that does.
pub(super) enum TapState<E> {
    None,
    Open {
        mark: Mark,
        /// The log keeps so many of the latest entries for it.
        keep: u64,
        /// Its bell is to be rung when an event is to leave from here.
        lies: bool,
        /// Left here while the tap lies, and until it looks again. So those who publish what came from elsewhere can
        /// take it past that.
        reader: Option<LaneReader<E>>,
    },
    /// It has left: what is published stays here.
    Ended,
}

/// The mirror's reader of one lane. It is no subscriber, and is not in their books. Dropped, it refuses what it has not
/// read, and nothing leaves this lane any more.
pub(crate) struct Tap<E: Event> {
    lane: Arc<Lane<E>>,
    /// None while it lies.
    reader: Option<LaneReader<E>>,
}

impl<E> TapState<E> {
    /// Whether there is nothing to be done for it when an event is published.
    pub(super) fn is_awake(&self) -> bool {
        matches!(self, Self::None | Self::Open { lies: false, .. })
    }

    pub(super) fn is_open(&self) -> bool {
        matches!(self, Self::Open { .. })
    }

    pub(super) fn has_ended(&self) -> bool {
        matches!(self, Self::Ended)
    }
}

impl<E: Event> Tap<E> {
    /// Opens a lane that is new.
    pub(super) fn open(lane: &Arc<Lane<E>>, margins: Margins, keep: u64) -> Self {
        let mut state = lock(&lane.state);
        state.log.give_margins(margins);
        let reader = state.log.subscribe(keep, u64::MAX);
        state.tap = TapState::Open {
            mark: reader.mark(),
            keep,
            lies: false,
            reader: None,
        };
        state.limit = state.log.limit();
        state.reclear();
        drop(state);
        lane.heard.fetch_add(1, Ordering::Relaxed);
        Self {
            lane: Arc::clone(lane),
            reader: Some(reader),
        }
    }

    pub(crate) fn origin(&self) -> &Arc<Origin> {
        &self.lane.origin
    }

    /// Looks how far the lane has come: the number of the entry that comes next.
    pub(crate) fn look(&mut self) -> u64 {
        if self.reader.is_none() {
            let mut state = lock(&self.lane.state);
            if let TapState::Open { lies, reader, .. } = &mut state.tap {
                *lies = false;
                self.reader = reader.take();
            }
            state.reclear();
        }
        self.reader.as_mut().map_or(0, Reader::look_at_tail)
    }

    /// The number and the stamp of the next entry below that one. It goes past those that came from elsewhere, and those
    /// that were refused.
    pub(crate) fn next(&mut self, below: u64) -> Option<(u64, Stamp)> {
        let reader = self.reader.as_mut()?;
        while reader.at() < below {
            if reader.is_lost() {
                // What it goes past was refused when the log let go of it.
                let state = lock(&self.lane.state);
                let at = reader.at().max(state.log.oldest());
                let garbage = state.log.seek(reader, at);
                drop(state);
                drop(garbage);
                continue;
            }
            let at = reader.at();
            let outcome = reader.outcome_at(at);
            if outcome.is_some_and(|(outcomes, at)| outcomes.is_open(at)) {
                return Some((at, reader.stamp_at(at)?));
            }
            reader.advance(1);
        }
        None
    }

    /// The number of the next entry, if it does not lie.
    pub(crate) fn at(&self) -> u64 {
        self.reader.as_ref().map_or(0, Reader::at)
    }

    /// The next entry, if it was not refused meanwhile: it is the caller's now to tell its outcome.
    pub(crate) fn take(&self) -> Option<(Cell, &Sealed<E>)> {
        let reader = self.reader.as_ref()?;
        let cell = reader.cell_at(reader.at())?;
        let taken = cell.outcomes().take(cell.at());
        taken.then(|| (cell, reader.get_at(reader.at())))
    }

    /// As [`take`](Self::take), with the event to keep.
    pub(crate) fn take_out(&self) -> Option<(Cell, Envelope<E>)> {
        let (cell, _) = self.take()?;
        let reader = self.reader.as_ref()?;
        Some((cell, Envelope::shared(reader.share_at(reader.at()))))
    }

    /// Goes past that entry.
    pub(crate) fn advance(&mut self) {
        if let Some(reader) = &mut self.reader {
            reader.advance(1);
        }
    }

    /// Has its bell rung by the next event that is to leave from here, if there is none yet.
    pub(crate) fn lie_down(&mut self) -> Rest {
        let mut guard = lock(&self.lane.state);
        let state = &mut *guard;
        let read = |reader: &LaneReader<E>| reader.at() >= state.log.next();
        if !self.reader.as_ref().is_some_and(read) {
            return Rest::Awake;
        }
        if state.phase == Phase::Closed {
            return Rest::Ended;
        }
        if let TapState::Open { lies, reader, .. } = &mut state.tap {
            *lies = true;
            *reader = self.reader.take();
        }
        state.reclear();
        let garbage = state.all_sleep().then(|| state.log.release_read());
        drop(guard);
        drop(garbage);
        Rest::Lying
    }
}

impl<E: Event> Drop for Tap<E> {
    fn drop(&mut self) {
        let (cells, garbage, wakers) = {
            let mut state = lock(&self.lane.state);
            // From here on no entry has a cell whose outcome is to be told.
            let before = mem::replace(&mut state.tap, TapState::Ended);
            let cells = state.log.outcomes();
            let left = match before {
                TapState::Open { reader, .. } => reader,
                TapState::None | TapState::Ended => None,
            };
            let mut garbage = LaneGarbage::default();
            for mut reader in self.reader.take().into_iter().chain(left) {
                garbage.add(state.log.unsubscribe(&mut reader));
            }
            garbage.add(state.log.release_read());
            (cells, garbage, state.admit())
        };
        self.lane.heard.fetch_sub(1, Ordering::Relaxed);
        wakers.into_iter().for_each(wake);
        for (cell, count) in cells {
            cell.outcomes().refuse(count, Refusal::ShutDown);
        }
        drop(garbage);
    }
}

impl<E: Event> State<E> {
    /// Rings the tap's bell, if it lies. Before the event is appended: who reads that needs no lock, and may publish
    /// another because of it at once. Says whether who listens is to be woken after the lock.
    pub(super) fn rouse(&mut self, tapped: Option<&Tapped>) -> bool {
        let (TapState::Open { lies, .. }, Some(tapped)) = (&mut self.tap, tapped) else {
            return false;
        };
        let roused = mem::take(lies);
        if roused {
            tapped.bells.ring(tapped.index);
        }
        roused
    }

    /// Rings its bell, though it does not lie, where much waits for it that it would pass by: it can take out the
    /// rest, so that this is not lost for it. Says whether who listens is to be woken.
    pub(super) fn press(&self, tapped: Option<&Tapped>) -> bool {
        let (TapState::Open { mark, keep, .. }, Some(tapped)) = (&self.tap, tapped) else {
            return false;
        };
        let full = self.received > 0 && self.log.next() - mark.at() > keep / 2;
        if full {
            tapped.bells.ring(tapped.index);
        }
        full
    }

    /// Takes the tap past everything, if it lies: what has come since is not to leave from here.
    pub(super) fn skip_for_tap(&mut self) -> LaneGarbage<E> {
        match &mut self.tap {
            TapState::Open {
                lies: true,
                reader: Some(reader),
                ..
            } => self.log.skip(reader),
            _ => LaneGarbage::default(),
        }
    }

    /// Whether the tap has not read all that the log has let go of.
    pub(super) fn overran(&self) -> bool {
        match &self.tap {
            TapState::Open { mark, .. } => mark.at() < self.log.oldest(),
            TapState::None | TapState::Ended => false,
        }
    }

    /// Whether everybody who follows the log has read everything, and sleeps.
    pub(super) fn all_sleep(&self) -> bool {
        let tap = matches!(self.tap, TapState::Open { lies: true, .. });
        self.sleepers.count() + usize::from(tap) == self.log.readers()
    }
}

/// Refuses what was let go of before the tap has read it. Not under the lock.
pub(super) fn refuse_overrun<E>(garbage: &LaneGarbage<E>) {
    for (outcomes, count) in garbage.outcomes() {
        outcomes.refuse(count, Refusal::QueueFull);
    }
}
