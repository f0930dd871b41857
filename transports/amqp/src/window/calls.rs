//! Who is called when a publish asks to be looked at?
//!
//! Whoever waits for its answer, if somebody does: to wake a task first, which wakes that one in turn, takes
//! twice as long, and goes from one thread to another with all that was allocated for the publish. Else a task,
//! which has nothing else to do.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Wake, Waker},
};

/// The slots that ask to be looked at, in the order of asking, and who is to look at them.
#[derive(Debug, Default)]
pub(crate) struct Calls(Mutex<Asking>);

#[derive(Debug, Default)]
struct Asking {
    slots: Vec<usize>,
    /// Who waits, by slot.
    seats: Vec<Seat>,
    /// The last of those who wait that was called. Until somebody looks, it needs no further call.
    waiting_called: Option<Waker>,
    task: Option<Waker>,
    task_called: bool,
    /// Those who wait are not called.
    task_only: bool,
}

#[derive(Debug, Default)]
struct Seat {
    number: u64,
    waits: Option<Waker>,
}

/// What who waits has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// It will be called.
    Called,
    /// Something asks to be looked at.
    Look,
    /// Its publish is answered.
    Over,
}

impl Calls {
    fn asking(&self) -> MutexGuard<'_, Asking> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Completes when the task is called.
    pub(crate) fn poll(&self, context: &Context<'_>) -> Poll<()> {
        let mut asking = self.asking();
        if std::mem::take(&mut asking.task_called) {
            return Poll::Ready(());
        }
        match &mut asking.task {
            Some(task) => task.clone_from(context.waker()),
            task => *task = Some(context.waker().clone()),
        }
        Poll::Pending
    }

    /// Has the task look.
    pub(crate) fn call(&self) {
        let task = self.asking().call_task();
        if let Some(task) = task {
            task.wake();
        }
    }

    /// From now on the task alone is called; and at once.
    pub(crate) fn call_task_only(&self) {
        self.asking().task_only = true;
        self.call();
    }

    /// Who polls in this context waits for the publish with this number, in this slot.
    pub(crate) fn wait(&self, (number, slot): (u64, usize), context: &Context<'_>) -> Wait {
        let mut asking = self.asking();
        let Asking { slots, seats, .. } = &mut *asking;
        let Some(seat) = seats.get_mut(slot).filter(|seat| seat.number == number) else {
            return Wait::Over;
        };
        if !slots.is_empty() {
            return Wait::Look;
        }
        let waker = context.waker();
        let before = match &seat.waits {
            Some(waits) if waits.will_wake(waker) => None,
            _ => seat.waits.replace(waker.clone()),
        };
        // It may be the last of a future, which leaves its seat as it is dropped.
        drop(asking);
        drop(before);
        Wait::Called
    }

    /// It waits no longer. If it asks, that is for the task.
    pub(crate) fn leave(&self, (number, slot): (u64, usize)) {
        let mut asking = self.asking();
        let seat = asking.seats.get_mut(slot);
        let Some(seat) = seat.filter(|seat| seat.number == number) else {
            return;
        };
        let waits = seat.waits.take();
        let asks = waits.is_some() && asking.slots.contains(&slot);
        drop(asking);
        if asks {
            self.call();
        }
    }

    /// There is another publish in this slot.
    pub(super) fn seat(&self, (number, slot): (u64, usize)) {
        let mut asking = self.asking();
        if asking.seats.len() <= slot {
            asking.seats.resize_with(slot + 1, Seat::default);
        }
        let seat = Seat {
            number,
            waits: None,
        };
        let before = std::mem::replace(&mut asking.seats[slot], seat);
        drop(asking);
        drop(before);
    }

    /// Puts what asks into `empty`.
    pub(super) fn take(&self, empty: &mut Vec<usize>) {
        let mut asking = self.asking();
        std::mem::swap(&mut asking.slots, empty);
        let called = asking.waiting_called.take();
        drop(asking);
        drop(called);
    }

    /// Asks for this slot.
    pub(super) fn waker(self: &Arc<Self>, slot: usize) -> Waker {
        Waker::from(Arc::new(SlotWaker {
            slot,
            calls: self.clone(),
        }))
    }
}

impl Asking {
    fn call_task(&mut self) -> Option<Waker> {
        self.task_called = true;
        self.task.take()
    }

    /// Who is to be called, and who was before: to be dropped where no lock is held.
    fn ask(&mut self, slot: usize) -> (Option<Waker>, Option<Waker>) {
        self.slots.push(slot);
        let seat = self.seats.get(slot).filter(|_| !self.task_only);
        let Some(waits) = seat.and_then(|seat| seat.waits.as_ref()) else {
            return (self.call_task(), None);
        };
        // Whichever publish it asks about next, it looks at all.
        if let Some(called) = &self.waiting_called
            && called.will_wake(waits)
        {
            return (None, None);
        }
        let waits = waits.clone();
        let before = self.waiting_called.replace(waits.clone());
        (Some(waits), before)
    }
}

struct SlotWaker {
    slot: usize,
    calls: Arc<Calls>,
}

impl Wake for SlotWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // A publish asks at most twice, when it is written and when it is answered: the list needs no
        // guard against repetitions.
        let (looker, before) = self.calls.asking().ask(self.slot);
        drop(before);
        if let Some(looker) = looker {
            // This may be lapin's thread, which has to outlive a waker that panics.
            let _ = catch_unwind(AssertUnwindSafe(|| looker.wake()));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Counts how often it is called.
    #[derive(Default)]
    struct Bell(AtomicUsize);

    impl Wake for Bell {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    impl Bell {
        fn rings(&self) -> usize {
            self.0.swap(0, Ordering::SeqCst)
        }
    }

    /// Three publishes, the task asleep, and those who wait for the first two.
    fn waiting() -> (Arc<Calls>, [Arc<Bell>; 3]) {
        let calls = Arc::<Calls>::default();
        let bells = [(); 3].map(|()| Arc::<Bell>::default());
        let wakers = bells.clone().map(Waker::from);
        let [task, first, second] = wakers.each_ref().map(Context::from_waker);
        (0..3).for_each(|slot| calls.seat((slot as u64, slot)));
        assert!(calls.poll(&task).is_pending());
        assert_eq!(calls.wait((0, 0), &first), Wait::Called);
        assert_eq!(calls.wait((1, 1), &second), Wait::Called);
        (calls, bells)
    }

    fn look(calls: &Calls) -> Vec<usize> {
        let mut slots = Vec::new();
        calls.take(&mut slots);
        slots
    }

    #[test]
    fn each_who_waits_is_called_once_until_somebody_looks_and_the_task_for_the_others() {
        let (calls, [task, first, second]) = waiting();
        let rings = || [&task, &first, &second].map(|bell| bell.rings());
        let ask = |slot| calls.waker(slot).wake();
        (0..2).for_each(|_| ask(0));
        assert_eq!(rings(), [0, 1, 0]);
        ask(1);
        assert_eq!(rings(), [0, 0, 1], "the first one need not come");
        assert_eq!(
            calls.wait((1, 1), &Context::from_waker(Waker::noop())),
            Wait::Look
        );
        assert_eq!(look(&calls), [0, 0, 1]);
        ask(1);
        assert_eq!(rings(), [0, 0, 1], "it waits still");
        ask(2);
        assert_eq!(rings(), [1, 0, 0], "nobody waits for it");
        assert!(calls.poll(&Context::from_waker(Waker::noop())).is_ready());
        calls.call_task_only();
        ask(0);
        assert_eq!(rings(), [0, 0, 0], "the task is awake");
        assert!(calls.poll(&Context::from_waker(Waker::noop())).is_ready());
    }

    #[test]
    fn who_leaves_leaves_what_it_was_called_for_to_the_task() {
        let (calls, [task, first, _]) = waiting();
        calls.leave((1, 1));
        calls.leave((7, 0));
        assert_eq!(task.rings(), 0);
        calls.waker(1).wake();
        assert_eq!((task.rings(), look(&calls)), (1, vec![1]));
        assert!(calls.poll(&Context::from_waker(Waker::noop())).is_ready());
        assert!(
            calls
                .poll(&Context::from_waker(&Waker::from(task.clone())))
                .is_pending()
        );
        calls.waker(0).wake();
        assert_eq!((task.rings(), first.rings()), (0, 1));
        calls.leave((0, 0));
        assert_eq!(task.rings(), 1);
    }

    #[test]
    fn who_waits_for_one_that_is_over_is_told_so() {
        let (calls, [task, first, _]) = waiting();
        let context = Context::from_waker(Waker::noop());
        assert_eq!(calls.wait((0, 0), &context), Wait::Called);
        calls.seat((3, 0));
        assert_eq!(calls.wait((0, 0), &context), Wait::Over);
        assert_eq!(calls.wait((9, 9), &context), Wait::Over);
        calls.waker(0).wake();
        assert_eq!((task.rings(), first.rings()), (1, 0));
    }

    /// What panics when it is called.
    struct Broken;

    impl Wake for Broken {
        fn wake(self: Arc<Self>) {
            panic!("what it was for has ended");
        }
    }

    /// Asked for is on lapin's thread, which does not survive a panic.
    #[test]
    fn a_waker_that_panics_costs_who_asks_nothing() {
        let calls = Arc::<Calls>::default();
        calls.seat((0, 0));
        let broken = Waker::from(Arc::new(Broken));
        let waits = calls.wait((0, 0), &Context::from_waker(&broken));
        assert_eq!(waits, Wait::Called);
        calls.waker(0).wake();
        assert_eq!(look(&calls), [0]);
    }

    /// The last of a future that waits for another publish: it leaves that as it is dropped.
    struct Last(Arc<Calls>, (u64, usize));

    impl Wake for Last {
        fn wake(self: Arc<Self>) {}
    }

    impl Drop for Last {
        fn drop(&mut self) {
            self.0.leave(self.1);
        }
    }

    #[test]
    fn a_future_that_goes_with_its_waker_finds_no_lock_held() {
        let (calls, _bells) = waiting();
        let last = |of| Waker::from(Arc::new(Last(calls.clone(), of)));
        let wait = |waker: Waker| calls.wait((0, 0), &Context::from_waker(&waker));
        assert_eq!(wait(last((1, 1))), Wait::Called);
        // In its place, and then called in place of it.
        assert_eq!(wait(last((2, 2))), Wait::Called);
        calls.waker(0).wake();
        look(&calls);
        assert_eq!(wait(last((2, 2))), Wait::Called);
        calls.waker(0).wake();
        calls.waker(1).wake();
    }
}
