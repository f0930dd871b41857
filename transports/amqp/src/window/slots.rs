//! Which of the publishes in flight have been answered by now?
//!
//! A publish takes two steps: it is written, and then it is answered. What was published first is written
//! first, so of those that are not written only the first is watched; as soon as it is, so are those
//! after it that were written with it. That takes one call of a waker for all that goes out at once,
//! and not one for each.
//!
//! A publish that has been answered and not been looked at has been written, and so has all before it. So
//! whoever looks at all that have asked for it, and at all that have been written since, misses none that
//! was answered before the last that it has seen.

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use tokio_util::sync::ReusableBoxFuture;

use super::{Answer, calls::Calls};

/// Resolves once a message is written, with what will know the answer; or with the answer at once.
type Write<C> = ReusableBoxFuture<'static, Result<C, Answer>>;

/// So many are kept to be used again. They are larger than what an allocator has at hand, and go from one
/// thread to another: that took more than what they are for.
const SPARE: usize = 256;

/// Publishes in flight, each with its `H`, and those that are answered.
pub(super) struct Slots<C, H> {
    all: Vec<Option<Slot<C, H>>>,
    /// One for each slot.
    wakers: Vec<Waker>,
    free: Vec<usize>,
    /// The slots of those that are not written, as far as is known, in the order of publishing.
    unwritten: VecDeque<usize>,
    spare: Vec<Write<C>>,
    calls: Arc<Calls>,
    /// Has asked, and is about to be looked at.
    asking: Vec<usize>,
    answered: Vec<(H, Answer)>,
}

struct Slot<C, H> {
    number: u64,
    publish: Publish<C>,
    held: H,
}

enum Publish<C> {
    Unwritten(Write<C>),
    Written(C),
}

impl<C: Future<Output = Answer> + Unpin + 'static, H> Slots<C, H> {
    pub(super) fn new() -> Self {
        Self {
            all: Vec::new(),
            wakers: Vec::new(),
            free: Vec::new(),
            unwritten: VecDeque::new(),
            spare: Vec::new(),
            calls: Arc::default(),
            asking: Vec::new(),
            answered: Vec::new(),
        }
    }

    /// How many are not answered.
    pub(super) fn in_flight(&self) -> usize {
        self.all.len() - self.free.len()
    }

    /// Polls `write` once, and keeps it; gives its slot. Numbers must differ.
    pub(super) fn push(
        &mut self,
        number: u64,
        write: impl Future<Output = Result<C, Answer>> + Send + 'static,
        held: H,
    ) -> usize {
        let write = match self.spare.pop() {
            Some(mut spare) => {
                spare.set(write);
                spare
            }
            None => ReusableBoxFuture::new(write),
        };
        let index = self.free.pop().unwrap_or_else(|| {
            let index = self.all.len();
            self.all.push(None);
            self.wakers.push(self.calls.waker(index));
            index
        });
        self.calls.seat((number, index));
        self.all[index] = Some(Slot {
            number,
            publish: Publish::Unwritten(write),
            held,
        });
        self.poll(index, !self.unwritten.is_empty());
        if self.is_unwritten(index) {
            self.unwritten.push_back(index);
        } else if !self.answered.is_empty() {
            // What was answered while it was pushed asks for nothing any more.
            self.calls.call();
        }
        index
    }

    /// Who is called when there may be something to [`look`](Self::look) at.
    pub(super) fn calls(&self) -> &Arc<Calls> {
        &self.calls
    }

    /// Looks at all that may have been answered; gives all that were since the last time.
    pub(super) fn look(&mut self) -> &mut Vec<(H, Answer)> {
        loop {
            let mut asking = std::mem::take(&mut self.asking);
            self.calls.take(&mut asking);
            let is_over = asking.is_empty();
            for index in asking.drain(..) {
                if self.unwritten.front() == Some(&index) {
                    self.watch_the_written();
                } else {
                    self.poll(index, false);
                }
            }
            self.asking = asking;
            if is_over {
                return &mut self.answered;
            }
        }
    }

    /// Looks at each, whether it has asked or not.
    pub(super) fn look_at_all(&mut self) -> &mut Vec<(H, Answer)> {
        self.watch_the_written();
        for index in 0..self.all.len() {
            self.poll(index, false);
        }
        self.look()
    }

    /// What is held for this publish, if it is in flight.
    pub(super) fn held(&self, (number, index): (u64, usize)) -> Option<&H> {
        let slot = self.all[index].as_ref();
        slot.filter(|slot| slot.number == number)
            .map(|slot| &slot.held)
    }

    pub(super) fn held_mut(&mut self, (number, index): (u64, usize)) -> Option<&mut H> {
        let slot = self.all[index].as_mut();
        slot.filter(|slot| slot.number == number)
            .map(|slot| &mut slot.held)
    }

    /// Gives it up.
    pub(super) fn take(&mut self, (number, index): (u64, usize)) -> Option<H> {
        let slot = self.all[index].take_if(|slot| slot.number == number)?;
        self.unwritten.retain(|unwritten| *unwritten != index);
        self.free.push(index);
        Some(slot.held)
    }

    fn watch_the_written(&mut self) {
        while let Some(index) = self.unwritten.front().copied() {
            self.poll(index, false);
            if self.is_unwritten(index) {
                return;
            }
            self.unwritten.pop_front();
        }
    }

    /// As far as is known.
    pub(super) fn is_unwritten(&self, index: usize) -> bool {
        matches!(
            &self.all[index],
            Some(Slot {
                publish: Publish::Unwritten(_),
                ..
            })
        )
    }

    /// `unwatched`: another one will say when to look at it again.
    fn poll(&mut self, index: usize, unwatched: bool) {
        let Some(slot) = &mut self.all[index] else {
            return;
        };
        let waker = &self.wakers[index];
        let mut context = Context::from_waker(waker);
        if let Publish::Unwritten(write) = &mut slot.publish {
            let written = if unwatched {
                write.poll(&mut Context::from_waker(Waker::noop()))
            } else {
                write.poll(&mut context)
            };
            match written {
                Poll::Pending => return,
                Poll::Ready(Ok(written)) => {
                    let before = std::mem::replace(&mut slot.publish, Publish::Written(written));
                    if let Publish::Unwritten(spare) = before
                        && self.spare.len() < SPARE
                    {
                        self.spare.push(spare);
                    }
                }
                Poll::Ready(Err(answer)) => return self.answer(index, answer),
            }
        }
        if let Publish::Written(written) = &mut slot.publish
            && let Poll::Ready(answer) = Pin::new(written).poll(&mut context)
        {
            self.answer(index, answer);
        }
    }

    fn answer(&mut self, index: usize, answer: Answer) {
        if let Some(slot) = self.all[index].take() {
            self.free.push(index);
            self.answered.push((slot.held, answer));
        }
    }
}
