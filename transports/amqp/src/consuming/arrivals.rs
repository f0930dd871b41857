//! How do deliveries get from the broker to the application?
//!
//! The application reads from lapin's consumer itself, in its own task: a task in between would have to
//! be woken for each message, and wake the application in turn, which costs more than all else that is
//! done for a message here. What lapin has collected by then is bounded by the prefetch.

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker, ready},
};

use algedonic_transport::Arrival;
use futures_core::Stream;
use lapin::{Consumer, message::Delivery};
use tokio::{sync::watch, task::coop};

use super::unsettled::Unsettled;

/// The arrivals of one lane, as the application has them.
pub(crate) struct Arrivals {
    inlet: Arc<Inlet>,
    /// Goes with this: then nobody wants the lane any more.
    _wanted: watch::Receiver<()>,
}

/// Where the application reads one lane, from one consumer to the next.
pub(crate) struct Inlet(Mutex<State>);

#[derive(Default)]
struct State {
    /// One for each queue of the lane, the most urgent first; none while there is no connection.
    sources: Vec<Source>,
    /// The application waits for an arrival, here or in lapin's consumer.
    waiting: Option<Waker>,
    /// No consumer will come any more.
    closed: bool,
}

/// Where the deliveries of one queue come from, in one generation.
struct Source {
    consumer: Consumer,
    /// What was taken from it in advance.
    ahead: VecDeque<Delivery>,
    unsettled: Arc<Unsettled>,
}

impl Source {
    fn new((consumer, unsettled): (Consumer, Arc<Unsettled>)) -> Self {
        Self {
            consumer,
            ahead: VecDeque::new(),
            unsettled,
        }
    }

    /// What comes next, and was not taken in advance; its end is told to whom it concerns, and is none of
    /// the application's business.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Delivery>> {
        match ready!(Pin::new(&mut self.consumer).poll_next(context)) {
            Some(Ok(delivery)) => return Poll::Ready(Some(delivery)),
            Some(Err(error)) => self.unsettled.ended(Some(error)),
            // The queue was deleted, or the broker cancelled us.
            None => self.unsettled.ended(None),
        }
        Poll::Ready(None)
    }
}

impl Arrivals {
    /// With the inlet that they come through, and what tells whether they are wanted.
    pub(crate) fn new() -> (Self, Arc<Inlet>, watch::Sender<()>) {
        let (sender, wanted) = watch::channel(());
        let inlet = Arc::new(Inlet(Mutex::default()));
        let arrivals = Self {
            inlet: inlet.clone(),
            _wanted: wanted,
        };
        (arrivals, inlet, sender)
    }
}

impl Inlet {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The consumers have been made, the most urgent first: from now on the application reads from them.
    pub(crate) fn open(&self, sources: Vec<(Consumer, Arc<Unsettled>)>) {
        let mut state = self.state();
        state.sources = sources.into_iter().map(Source::new).collect();
        let waiting = state.waiting.take();
        drop(state);
        if let Some(waiting) = waiting {
            waiting.wake();
        }
    }

    /// Nothing comes from the present consumers any more, and what was not read yet comes again.
    pub(crate) fn shut(&self) -> Vec<Consumer> {
        let sources = std::mem::take(&mut self.state().sources);
        sources.into_iter().map(|source| source.consumer).collect()
    }

    /// No consumer will come any more.
    pub(crate) fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        let sources = std::mem::take(&mut state.sources);
        let waiting = state.waiting.take();
        drop(state);
        drop(sources);
        if let Some(waiting) = waiting {
            waiting.wake();
        }
    }

    /// Reads in advance, at most what the prefetch allows, so that the end of a consumer is noticed while
    /// the application reads nothing.
    pub(crate) fn look(&self) {
        let mut state = self.state();
        let waiting = state.waiting.take();
        let mut context = Context::from_waker(waiting.as_ref().unwrap_or(Waker::noop()));
        let (mut news, mut ended) = (false, false);
        for source in &mut state.sources {
            ended |= loop {
                match source.poll(&mut context) {
                    Poll::Ready(Some(delivery)) => source.ahead.push_back(delivery),
                    Poll::Ready(None) => break true,
                    Poll::Pending => break false,
                }
                // lapin wakes nobody for what was taken from it.
                news = true;
            };
        }
        if ended {
            // What came before the end is no good any more either, on none of the channels.
            state.sources.clear();
        }
        if news {
            drop(state);
            if let Some(waiting) = waiting {
                waiting.wake();
            }
        } else {
            state.waiting = waiting;
        }
    }
}

impl State {
    /// What is most urgent of all that is there: nothing of a queue before all of those ahead of it is
    /// read. None: one of them has ended.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<(Delivery, Arc<Unsettled>)>> {
        for source in &mut self.sources {
            let next = match source.ahead.pop_front() {
                Some(delivery) => Poll::Ready(Some(delivery)),
                None => source.poll(context),
            };
            if let Poll::Ready(delivery) = next {
                let of = |delivery| (delivery, source.unsettled.clone());
                return Poll::Ready(delivery.map(of));
            }
        }
        Poll::Pending
    }
}

impl Stream for Arrivals {
    type Item = Arrival;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Arrival>> {
        // lapin's consumer lets a task read on for as long as there is something.
        let coop = ready!(coop::poll_proceed(context));
        let mut state = self.inlet.state();
        if state.closed {
            return Poll::Ready(None);
        }
        match state.poll(context) {
            Poll::Ready(Some((delivery, unsettled))) => {
                coop.made_progress();
                drop(state);
                return Poll::Ready(Some(unsettled.arrive(delivery)));
            }
            // What came before is no good any more either, on none of the channels.
            Poll::Ready(None) => state.sources.clear(),
            Poll::Pending => {}
        }
        let waker = context.waker();
        match &mut state.waiting {
            Some(waiting) => waiting.clone_from(waker),
            none => *none = Some(waker.clone()),
        }
        Poll::Pending
    }
}
