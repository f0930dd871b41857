//! What becomes of events elsewhere: told once, whatever ends.

mod away;
mod ends;
mod full;
mod kinds;
mod order;

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use algedonic::{
    Bus, Counts, Event, Mirror,
    memory::Broker,
    transport::{Message, Outcome},
};
use serde::{Serialize, de::DeserializeOwned};
use tokio::sync::watch;
use tower::{Layer, Service, layer::layer_fn};

/// How many outcomes are told.
fn told(counts: &Counts) -> u64 {
    counts.confirmed + counts.unroutable + counts.rejected + counts.unknown + counts.local_only
}

/// A bus that sends events of one type, and receives none.
fn sender<E: Event + Serialize + DeserializeOwned>(broker: &Broker) -> Bus {
    let mirror = Mirror::new(broker.transport("sender")).outbound::<E>();
    Bus::builder().mirror(mirror).build().expect("good")
}

/// A bus that receives them, so that they are confirmed.
fn receiver<E: Event + Serialize + DeserializeOwned>(broker: &Broker) -> Bus {
    let mirror = Mirror::new(broker.transport("receiver")).inbound::<E>();
    Bus::builder().mirror(mirror).build().expect("good")
}

/// A layer whose calls wait until it is opened.
fn held<S>(open: &watch::Receiver<bool>) -> impl Layer<S, Service = Held<S>> + use<S> {
    let open = open.clone();
    layer_fn(move |inner| Held {
        inner,
        open: open.clone(),
    })
}

#[derive(Clone)]
struct Held<S> {
    inner: S,
    open: watch::Receiver<bool>,
}

impl<S> Service<Message> for Held<S>
where
    S: Service<Message, Response = Outcome> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Send,
{
    type Response = Outcome;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Outcome, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, message: Message) -> Self::Future {
        let (mut inner, mut open) = (self.inner.clone(), self.open.clone());
        Box::pin(async move {
            // Where whoever opens it has gone, it stays open.
            let _ = open.wait_for(|open| *open).await;
            inner.call(message).await
        })
    }
}
