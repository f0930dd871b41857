use algedonic_transport::EventId;

use super::{Committed, Lane, Phase, State, id_at, tap};
use crate::{
    event::{Event, Sealed},
    local::{
        log::{Cell, Ticks},
        sleepers::Alarm,
        sync::{MutexGuard, Ordering, lock},
    },
};

impl<E: Event> Lane<E> {
    /// Publishes an event about which nothing is said but itself, if everybody who hears it follows the log
    /// and that has room. Otherwise leaves it where it is, and gives None; so it does when the lane has ended, or
    /// its tap.
    #[inline]
    pub(crate) fn publish_plain(&self, event: &mut Option<E>) -> Option<Committed> {
        let others = self.detours.load(Ordering::Relaxed) > 0 || !self.patterns.is_empty();
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
            let cell = state.log.push(Sealed::new(id, nanos, None, event));
            let readers = state.log.readers() as u64;
            return Some(Committed::heard(id, readers, cell));
        }
        let (readers, cell) = self.publish_heard(state, event, (id, nanos))?;
        Some(Committed::heard(id, readers, cell))
    }

    /// The same, where the last segment is full, or somebody sleeps. It gives no more than fits in
    /// registers, so that the quick way above keeps all of its own there.
    #[inline(never)]
    fn publish_heard(
        &self,
        mut state: MutexGuard<'_, State<E>>,
        event: &mut Option<E>,
        (id, nanos): (EventId, u64),
    ) -> Option<(u64, Option<Cell>)> {
        let readers = state.log.readers();
        let room = state.log.next() < state.limit;
        if readers == 0 || !room || state.phase != Phase::Open || state.tap.has_ended() {
            return None;
        }
        let event = event.take()?;
        let roused = state.rouse(self.tapped.as_ref());
        let (garbage, cell) = state.log.append(Sealed::new(id, nanos, None, event));
        let overran = garbage.is_some() && state.overran();
        let alarm = state.sleepers.take();
        let pressed = garbage.is_some() && state.press(self.tapped.as_ref());
        state.reclear();
        drop(state);
        // The alarm first, since the drop of an event may panic.
        if let Some(alarm) = alarm {
            self.wake(alarm);
        }
        self.rouse(roused || pressed);
        if overran {
            garbage.as_deref().into_iter().for_each(tap::refuse_overrun);
        }
        drop(garbage);
        Some((readers as u64, cell))
    }

    /// The same, where nobody subscribes. The time in the id is that of the clock's last reading: nobody
    /// has the event, so it is not worth another.
    #[inline]
    fn publish_unheard(&self, event: &mut Option<E>) -> Option<Committed> {
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
        Some(Committed::heard(id_at(nanos), 0, None))
    }

    /// Wakes those that slept. Not under the lock.
    pub(super) fn wake(&self, mut alarm: Alarm) {
        if alarm.ring() {
            lock(&self.state).sleepers.reuse(alarm);
        }
    }
}
