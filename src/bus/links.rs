use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use algedonic_transport::{BoxStream, Link};
use futures_core::Stream;

/// Changes of the mirror's link; made by [`Bus::links`](crate::Bus::links).
pub struct Links(Option<BoxStream<Link>>);

impl Links {
    pub(super) fn new(links: Option<BoxStream<Link>>) -> Self {
        Self(links)
    }

    /// The next state of the link, or `None` once it is closed for good.
    pub async fn next(&mut self) -> Option<Link> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }
}

impl Stream for Links {
    type Item = Link;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Link>> {
        match &mut self.0 {
            Some(links) => links.as_mut().poll_next(cx),
            None => Poll::Ready(None),
        }
    }
}

impl fmt::Debug for Links {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Links")
    }
}
