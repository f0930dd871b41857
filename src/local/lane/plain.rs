use algedonic_transport::EventId;

use super::{Lane, Phase, State, id_at};
use crate::{
    event::{Event, Sealed},
    local::{
        log::Ticks,
        sleepers::Alarm,
        sync::{MutexGuard, Ordering, lock},
    },
};

impl<E: Event> Lane<E> {
    /// Publishes an event about which nothing is said but itself, if everybody who hears it follows the log
    /// and that has room: gives its id, and how many subscribers have it. Otherwise leaves it where it is,
    /// and gives None; so it does when the lane has ended.
    #[inline]
    pub(crate) fn publish_plain(&self, event: &mut Option<E>) -> Option<(EventId, u64)> {
        let others = self.inboxed.load(Ordering::Relaxed) > 0 || !self.patterns.is_empty();
        if others || E::RETAINED > 0 {
            return None;
        }
        if self.heard.load(Ordering::Relaxed) == 0 {
            return self.publish_unheard(event);
        }
        // Before the lock.
        let ticks = Ticks::now();
        let mut state = lock(&self.state);
        let nanos = state.clock.at(ticks);
        let id = id_at(nanos);
        if state.log.next() < state.clear {
            let event = event.take()?;
            state.log.push(Sealed::new(id, nanos, None, event));
            return Some((id, state.log.readers() as u64));
        }
        let readers = self.publish_heard(state, event, (id, nanos))?;
        Some((id, readers))
    }

    /// The same, where the last segment is full, or somebody sleeps. It gives no more than fits in
    /// registers, so that the quick way above keeps all of its own there.
    #[inline(never)]
    fn publish_heard(
        &self,
        mut state: MutexGuard<'_, State<E>>,
        event: &mut Option<E>,
        (id, nanos): (EventId, u64),
    ) -> Option<u64> {
        let readers = state.log.readers();
        let room = state.log.next() < state.limit;
        if readers == 0 || !room || state.phase != Phase::Open {
            return None;
        }
        let event = event.take()?;
        let garbage = state.log.append(Sealed::new(id, nanos, None, event));
        let alarm = state.sleepers.take();
        state.reclear();
        drop(state);
        // The alarm first, since the drop of an event may panic.
        if let Some(alarm) = alarm {
            self.wake(alarm);
        }
        drop(garbage);
        Some(readers as u64)
    }

    /// The same, where nobody subscribes. The time in the id is that of the clock's last reading: nobody
    /// has the event, so it is not worth another.
    #[inline]
    fn publish_unheard(&self, event: &mut Option<E>) -> Option<(EventId, u64)> {
        let ticks = Ticks::now();
        let mut state = lock(&self.state);
        if state.log.readers() > 0 || state.phase != Phase::Open {
            return None;
        }
        // Dropped after the lock.
        let _event = event.take()?;
        state.besides = state.besides.wrapping_add(1);
        let nanos = state.clock.at(ticks);
        drop(state);
        Some((id_at(nanos), 0))
    }

    /// Wakes those that slept. Not under the lock.
    pub(super) fn wake(&self, mut alarm: Alarm) {
        if alarm.ring() {
            lock(&self.state).sleepers.reuse(alarm);
        }
    }
}
