//! The bus by its public interface, as it was before typed publishers. `ours.rs` replaces this file.

use std::{hint::black_box, marker::PhantomData};

use algedonic::{Bus, Event, Subscription};

/// Publishes events of one type.
#[derive(Clone)]
pub(crate) struct Publisher<E>(Bus, PhantomData<fn(E)>);

pub(crate) fn publisher<E: Event>(bus: &Bus) -> Publisher<E> {
    Publisher(bus.clone(), PhantomData)
}

pub(crate) async fn publish<E: Event>(publisher: &Publisher<E>, event: E) {
    black_box(publisher.0.publish(event).await.expect("open"));
}

pub(crate) async fn publish_all<E: Event>(
    publisher: &Publisher<E>,
    events: impl Iterator<Item = E> + Send,
) {
    for event in events {
        publish(publisher, event).await;
    }
}

/// Receives the next event, and reads it.
pub(crate) async fn receive<E: Event, T>(
    subscription: &mut Subscription<E>,
    read: impl FnOnce(&E) -> T,
) -> T {
    let event = subscription.recv().await.expect("open").expect("no gap");
    read(&event)
}

/// Receives at least one event, `limit` at most, and reads each.
pub(crate) async fn receive_many<E: Event>(
    subscription: &mut Subscription<E>,
    _limit: usize,
    read: impl FnMut(&E),
) {
    receive(subscription, read).await;
}
