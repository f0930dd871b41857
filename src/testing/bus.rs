use std::{fmt, ops::Deref, panic::Location, sync::Arc, time::Duration};

use tokio::{
    task::yield_now,
    time::{Instant, sleep, timeout},
};

use super::{net::TestNet, seat::Seat};
use crate::{
    Bus,
    event::{Envelope, Event},
    memory::Broker,
    signal::Signal,
};

/// A [`Bus`] that is watched by a test: it derefs to the bus, keeps a record of all that passes, and waits for it.
///
/// The record is a subscriber of every event and signal: receipts count it, and the books show it, as a pattern `#`.
/// Cloning copies a pointer.
#[derive(Clone)]
pub struct TestBus {
    seat: Arc<Seat>,
    net: TestNet,
}

impl TestBus {
    /// A bus for this process alone, with nothing around it. For buses joined by a broker: [`TestNet::bus`].
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn local() -> Self {
        Self::of(Bus::local())
    }

    /// Watches a bus that was built elsewhere. Whatever passed it before is not in the record.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn of(bus: Bus) -> Self {
        TestNet::new().join(bus)
    }

    pub(super) fn new(seat: Arc<Seat>, net: TestNet) -> Self {
        Self { seat, net }
    }

    /// All buses that are watched together with this one.
    pub fn net(&self) -> &TestNet {
        &self.net
    }

    /// The broker of the net, to make it fail.
    pub fn broker(&self) -> &Broker {
        self.net.broker()
    }

    /// The events of a type that passed this bus, published here or elsewhere, in the order of their coming.
    pub fn events<E: Event>(&self) -> Vec<Envelope<E>> {
        self.seat.record.list()
    }

    /// Those that were published here.
    pub fn published<E: Event>(&self) -> Vec<Envelope<E>> {
        let own = Some(self.id());
        let mut events = self.events::<E>();
        events.retain(|event| event.metadata().origin == own);
        events
    }

    /// Those that came from other processes.
    pub fn received<E: Event>(&self) -> Vec<Envelope<E>> {
        let own = Some(self.id());
        let mut events = self.events::<E>();
        events.retain(|event| event.metadata().origin != own);
        events
    }

    /// The signals that passed this bus, raised here or elsewhere, in the order of their coming.
    pub fn signalled(&self) -> Vec<Envelope<Signal>> {
        self.seat.record.list()
    }

    /// Begins the record anew: what has passed until now is no longer in it.
    pub fn forget(&self) {
        self.seat.record.forget();
    }

    /// Waits for the first event of the record that is wanted: one that has passed already, or one to come.
    ///
    /// # Panics
    ///
    /// When it does not come within the test's [patience](TestNet::patience), or the bus ends before; says what came.
    ///
    /// # Cancellation
    ///
    /// Dropped, it has changed nothing.
    #[track_caller]
    pub fn delivered<E: Event>(
        &self,
        mut wanted: impl FnMut(&E) -> bool + Send,
    ) -> impl Future<Output = Envelope<E>> + Send {
        self.find(E::NAME, Location::caller(), move |event: &Envelope<E>| {
            wanted(event)
        })
    }

    /// As [`delivered`](Self::delivered), for a signal.
    ///
    /// # Panics
    ///
    /// As [`delivered`](Self::delivered).
    #[track_caller]
    pub fn felt(
        &self,
        mut wanted: impl FnMut(&Signal) -> bool + Send,
    ) -> impl Future<Output = Envelope<Signal>> + Send {
        let at = Location::caller();
        self.find(Signal::NAME, at, move |signal: &Envelope<Signal>| {
            wanted(signal)
        })
    }

    async fn find<T: Send + Sync + 'static>(
        &self,
        what: &str,
        at: &Location<'_>,
        wanted: impl FnMut(&Envelope<T>) -> bool + Send,
    ) -> Envelope<T> {
        let patience = self.net.waits();
        let why = match timeout(patience, self.seat.record.find(wanted)).await {
            Ok(Some(found)) => return found,
            Ok(None) => "the bus has ended".to_owned(),
            Err(_) => format!("waited {patience:?}"),
        };
        panic!(
            "{at}: no {what} that was wanted came to {}: {why}; the record has {}",
            self.source(),
            self.seat.record.summary()
        );
    }

    /// Waits until something holds, looking again every millisecond of tokio's clock.
    ///
    /// # Panics
    ///
    /// When it does not within the test's [patience](TestNet::patience).
    #[track_caller]
    pub fn wait_until(
        &self,
        what: &str,
        mut holds: impl FnMut() -> bool + Send,
    ) -> impl Future<Output = ()> + Send {
        let (at, patience) = (Location::caller(), self.net.waits());
        async move {
            let start = Instant::now();
            yield_now().await;
            while !holds() {
                assert!(
                    start.elapsed() < patience,
                    "{at}: waited {patience:?} until {what}"
                );
                sleep(Duration::from_millis(1)).await;
            }
        }
    }

    /// [`TestNet::settle`]: waits until all is quiet, on this bus and those joined to it.
    ///
    /// # Panics
    ///
    /// As [`TestNet::settle`].
    #[track_caller]
    pub fn settle(&self) -> impl Future<Output = ()> + Send + 'static {
        self.net.settle()
    }
}

impl Deref for TestBus {
    type Target = Bus;

    fn deref(&self) -> &Bus {
        &self.seat.bus
    }
}

impl fmt::Debug for TestBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestBus")
            .field("bus", &self.seat.bus)
            .field("record", &self.seat.record.summary())
            .finish_non_exhaustive()
    }
}
