use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project::pin_project;
use tokio::time::{Sleep, sleep_until};

use super::shared::Booking;

/// Waits until the time of a token has come. The timer is made when it is first polled.
#[pin_project]
#[derive(Debug)]
pub(super) struct Wait {
    /// None when it is over.
    booking: Option<Booking>,
    #[pin]
    timer: Option<Sleep>,
}

impl Wait {
    pub(super) const fn new(booking: Booking) -> Self {
        Self {
            booking: Some(booking),
            timer: None,
        }
    }
}

impl Future for Wait {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        let at = this.booking.as_ref().expect("polled after it was ready").at;
        if this.timer.is_none() {
            this.timer.set(Some(sleep_until(at)));
        }
        if let Some(timer) = this.timer.as_mut().as_pin_mut() {
            ready!(timer.poll(cx));
        }
        this.timer.set(None);
        if let Some(booking) = this.booking.take() {
            booking.use_up();
        }
        Poll::Ready(())
    }
}
