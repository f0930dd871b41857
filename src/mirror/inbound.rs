use std::{
    collections::HashMap,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    time::SystemTime,
};

use algedonic_transport::{
    Arrival, BoxStream, BusId, Delivery, Error, ErrorKind, Key, Lane, Message,
};
use futures_util::{FutureExt, StreamExt, stream::FuturesUnordered};
use tokio::sync::watch;
use tracing::warn;

use super::{
    route::{Dispatched, Route},
    seen::{Mark, Seen},
};
use crate::{
    event::codec,
    local::Local,
    observe::Ledger,
    signal::{Signal, Signals},
};

/// Takes what arrives on one lane, and delivers it here.
pub(super) struct Dispatcher {
    pub(super) lane: Lane,
    pub(super) arrivals: BoxStream<Arrival>,
    pub(super) routes: HashMap<Key, Route>,
    /// Our own; what carries it is an echo.
    pub(super) origin: BusId,
    pub(super) seen: Seen,
    pub(super) local: Arc<Local>,
    pub(super) signals: Arc<Signals>,
    pub(super) ledger: Arc<Ledger>,
    /// Turns true when the bus shuts down.
    pub(super) stop: watch::Receiver<bool>,
}

/// A message on its way to those here who have no room yet.
type Delivering = Pin<Box<dyn Future<Output = Delivery> + Send>>;

/// What to do with a message.
enum Judgement {
    Deliver(Dispatched),
    /// Nothing: we have it, or need it not.
    Drop,
    /// Put it where an operator finds it.
    DeadLetter(Error),
}

impl Dispatcher {
    /// Runs until the bus shuts down or the transport closes, and all that has come is delivered. A delivery cut short
    /// comes again.
    pub(super) async fn run(mut self) {
        // Signals that somebody here has no room for; not more than the transport gives out unsettled.
        let mut waiting = FuturesUnordered::new();
        let mut stop = self.stop.clone();
        loop {
            let arrival = tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => break,
                Some(delivery) = waiting.next() => {
                    self.delivered(delivery);
                    continue;
                }
                arrival = self.arrivals.next() => arrival,
            };
            match arrival {
                None => break,
                Some(Arrival::Malformed(error)) => {
                    self.ledger.malformed.add(1);
                    warn!(lane = %self.lane, error = %error, "a message could not be read");
                }
                Some(Arrival::Message(delivery)) => waiting.extend(self.accept(delivery).await),
            }
        }
        while let Some(delivery) = waiting.next().await {
            self.delivered(delivery);
        }
    }

    fn delivered(&self, delivery: Delivery) {
        self.ledger.received.add(1);
        delivery.ack();
    }

    /// Gives what is still to be waited for.
    async fn accept(&mut self, delivery: Delivery) -> Option<Delivering> {
        let mark = self.seen.mark(delivery.message());
        match self.judge(delivery.message(), mark) {
            Judgement::Drop => delivery.ack(),
            Judgement::Deliver(mut dispatched) if self.lane == Lane::Signal => {
                // Who has no room for one signal keeps no other from anybody.
                let is_delivered = (&mut dispatched).now_or_never().is_some();
                // It comes again if this process ends first, or its connection: then those here have it.
                self.seen.insert(mark);
                if !is_delivered {
                    return Some(Box::pin(dispatched.map(|()| delivery)));
                }
                self.delivered(delivery);
            }
            Judgement::Deliver(dispatched) => {
                dispatched.await;
                // Not before it is delivered: cut short, it comes again and must not look known.
                self.seen.insert(mark);
                self.delivered(delivery);
            }
            Judgement::DeadLetter(error) => {
                let metadata = &delivery.message().metadata;
                let (id, name) = (metadata.id, &metadata.name);
                warn!(%id, %name, lane = %self.lane, error = %error, "a message was dead-lettered");
                delivery.dead_letter_because(&error.to_string());
            }
        }
        None
    }

    fn judge(&self, message: &Message, mark: Mark) -> Judgement {
        let metadata = &message.metadata;
        if metadata.origin == Some(self.origin) {
            self.ledger.echoes.add(1);
            return Judgement::Drop;
        }
        if self.seen.contains(mark) {
            self.ledger.duplicates.add(1);
            return Judgement::Drop;
        }
        if metadata.expires.is_some_and(|end| end <= SystemTime::now()) {
            self.ledger.expired.add(1);
            return Judgement::Drop;
        }
        // A panicking `Deserialize` costs its own message only.
        match catch_unwind(AssertUnwindSafe(|| self.decode(message))) {
            Ok(Ok(dispatched)) => Judgement::Deliver(dispatched),
            Ok(Err(error)) => {
                if error.kind() == ErrorKind::Unsupported {
                    self.ledger.unknown_type.add(1);
                } else {
                    self.ledger.malformed.add(1);
                }
                Judgement::DeadLetter(error)
            }
            Err(_) => {
                self.ledger.malformed.add(1);
                Judgement::DeadLetter(
                    Error::permanent(ErrorKind::Malformed, "decode a body")
                        .with_detail(format!("the Deserialize of {} panicked", metadata.name)),
                )
            }
        }
    }

    fn decode(&self, message: &Message) -> Result<Dispatched, Error> {
        if !codec::reads(&message.content_type) {
            return Err(
                Error::permanent(ErrorKind::Malformed, "decode a body").with_detail(format!(
                    "content type {:?}, expected {}",
                    message.content_type,
                    codec::CONTENT_TYPE
                )),
            );
        }
        match self.lane {
            Lane::Signal => self.decode_signal(message),
            Lane::Event | Lane::Command => self.decode_event(message),
        }
    }

    fn decode_event(&self, message: &Message) -> Result<Dispatched, Error> {
        let unsupported = |detail: String| {
            Error::permanent(ErrorKind::Unsupported, "read an event").with_detail(detail)
        };
        let metadata = &message.metadata;
        let known = self.routes.get(&metadata.name);
        let Some((route, dispatch)) = known.and_then(|route| Some((route, route.dispatch?))) else {
            return Err(unsupported(format!(
                "no type is registered as {}",
                metadata.name
            )));
        };
        if metadata.version > route.version {
            return Err(unsupported(format!(
                "version {} of {}, known up to {}",
                metadata.version, metadata.name, route.version
            )));
        }
        dispatch(Arc::clone(&self.local), message)
    }

    fn decode_signal(&self, message: &Message) -> Result<Dispatched, Error> {
        if &*message.metadata.name != Signal::NAME {
            return Err(Error::permanent(ErrorKind::Unsupported, "read a signal")
                .with_detail(format!("{} is no signal", message.metadata.name)));
        }
        let signal: Signal = codec::decode(&message.body)?;
        let signals = Arc::clone(&self.signals);
        let envelope = signals.seal(message.metadata.clone(), signal);
        Ok(Box::pin(async move {
            signals.deliver(envelope).await;
        }))
    }
}
