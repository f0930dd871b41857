//! The bus by its public interface.

use std::hint::black_box;

pub(crate) use algedonic::Publisher;
use algedonic::{Bus, Event, Subscription};

pub(crate) fn publisher<E: Event>(bus: &Bus) -> Publisher<E> {
    bus.publisher()
}

pub(crate) async fn publish<E: Event>(publisher: &Publisher<E>, event: E) {
    publisher.publish(event).await.expect("open");
}

pub(crate) async fn publish_all<E: Event>(
    publisher: &Publisher<E>,
    events: impl Iterator<Item = E> + Send,
) {
    black_box(publisher.publish_all(events).await.expect("open"));
}

/// Receives the next event, and reads it.
pub(crate) async fn receive<E: Event, T>(
    subscription: &mut Subscription<E>,
    read: impl FnOnce(&E) -> T,
) -> T {
    let next = subscription.recv_ref().await;
    let event = next.expect("open").expect("no gap");
    read(&event)
}

/// Receives at least one event, `limit` at most, and reads each.
pub(crate) async fn receive_many<E: Event>(
    subscription: &mut Subscription<E>,
    limit: usize,
    mut read: impl FnMut(&E),
) {
    let next = subscription.recv_many(limit).await;
    let batch = next.expect("open").expect("no gap");
    for event in batch.iter() {
        read(&event);
    }
}
