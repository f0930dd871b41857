use std::task::Waker;

/// Wakes each, also those behind one whose waker panics.
pub(super) fn wake_each(wakers: impl IntoIterator<Item = Waker>) {
    let mut rest = Rest(wakers.into_iter());
    for waker in rest.0.by_ref() {
        waker.wake();
    }
}

struct Rest<I: Iterator<Item = Waker>>(I);

impl<I: Iterator<Item = Waker>> Drop for Rest<I> {
    fn drop(&mut self) {
        for waker in self.0.by_ref() {
            waker.wake();
        }
    }
}
