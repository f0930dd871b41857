use algedonic_transport::EventId;

use super::{Lane, Phase};
use crate::{
    event::{Event, Sealed},
    local::{
        log::{Moment, Ticks},
        sleepers::Alarm,
        sync::{Ordering, lock},
    },
};

impl<E: Event> Lane<E> {
    /// Publishes an event of which nothing was said, if everybody who hears it follows the log and
    /// that has room: without a look at anything else. Leaves it where it is otherwise.
    #[inline]
    pub(crate) fn publish_plain(&self, event: &mut Option<E>) -> Option<(EventId, u64)> {
        let others = self.inboxed.load(Ordering::Relaxed) > 0 || !self.patterns.is_empty();
        if others || E::RETAINED > 0 {
            return None;
        }
        let heard = self.heard.load(Ordering::Relaxed) > 0;
        let ticks = heard.then(Ticks::now);
        let mut state = lock(&self.state);
        let readers = state.log.readers();
        let clear =
            state.phase == Phase::Open && state.log.next() < state.limit && heard == (readers > 0);
        if !clear {
            return None;
        }
        let event = event.take()?;
        state.published += 1;
        let Some(ticks) = ticks else {
            let id = EventId::at_millis(state.clock.last().millis);
            drop(state);
            return Some((id, 0));
        };
        let Moment { nanos, millis } = *state.clock.at(ticks);
        let id = EventId::at_millis(millis);
        let garbage = state.log.append(Sealed::new(id, nanos, None, event));
        let alarm = state.sleepers.take();
        drop(state);
        // First, since the drop of an event may panic.
        if let Some(alarm) = alarm {
            self.wake(alarm);
        }
        drop(garbage);
        Some((id, readers as u64))
    }

    pub(super) fn wake(&self, mut alarm: Alarm) {
        alarm.ring();
        lock(&self.state).sleepers.reuse(alarm);
    }
}
