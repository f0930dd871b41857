use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use algedonic_transport::{Arrival, Delivery, Lane};
use futures_core::Stream;

use crate::{
    settle::Settler,
    state::{ConnectionId, State},
};

/// Takes messages from one queue as they are asked for; nothing is fetched ahead.
pub(crate) struct Arrivals {
    connection: ConnectionId,
    lane: Lane,
    settler: Arc<Settler>,
}

impl Arrivals {
    pub(crate) fn new(connection: ConnectionId, settler: Settler) -> Self {
        Self {
            connection,
            lane: settler.lane,
            settler: Arc::new(settler),
        }
    }
}

impl Stream for Arrivals {
    type Item = Arrival;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Arrival>> {
        let next = |state: &mut State| state.next(self.connection, self.lane, cx.waker());
        self.settler.shared.change(next).map(|next| {
            next.map(|next| {
                let settler = self.settler.clone();
                let redelivered = next.attempt > 1;
                let delivery = Delivery::new(next.message, redelivered, settler, next.tag);
                Arrival::Message(delivery.with_attempt(next.attempt))
            })
        })
    }
}

impl Drop for Arrivals {
    fn drop(&mut self) {
        let Settler { receiver, lane, .. } = &*self.settler;
        let stop = |state: &mut State| state.stop_receiving(self.connection, receiver, *lane);
        self.settler.shared.change(stop);
    }
}
