use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use algedonic_transport::{Message, Outcome};
use tower::{BoxError, Service};

use super::{bus::TestBus, seat::Seat};
use crate::{
    Bus, Mirror,
    memory::{Broker, Limits},
    resilience::{
        breaker::BreakerConfig,
        retry::{Jitter, RetryConfig},
    },
};

/// How long a test waits for anything, by tokio's clock, unless it says otherwise.
const PATIENCE: Duration = Duration::from_secs(30);

/// Buses joined by a broker in memory, watched together. Cloning it copies a pointer.
///
/// ```
/// # use algedonic::{Event, testing::TestNet};
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Serialize, Deserialize)] struct Ordered;
/// # impl Event for Ordered { const NAME: &'static str = "shop.ordered"; }
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), algedonic::Error> {
/// let net = TestNet::new();
/// let shop = net.bus("shop", |mirror| mirror.outbound::<Ordered>());
/// let stock = net.bus("stock", |mirror| mirror.inbound::<Ordered>());
/// shop.publish(Ordered).await?;
/// net.settle().await;
/// assert_eq!(stock.received::<Ordered>().len(), 1);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct TestNet(Arc<Inner>);

struct Inner {
    broker: Broker,
    seats: Mutex<Vec<Weak<Seat>>>,
    patience: Mutex<Duration>,
}

impl TestNet {
    /// A broker with the default [`Limits`], and no bus yet.
    pub fn new() -> Self {
        Self::over(Broker::new())
    }

    /// As [`new`](Self::new), with limits of your own: a shorter window, a prefetch of 1, a time to live.
    pub fn with_limits(limits: Limits) -> Self {
        Self::over(Broker::with_limits(limits))
    }

    fn over(broker: Broker) -> Self {
        Self(Arc::new(Inner {
            broker,
            seats: Mutex::default(),
            patience: Mutex::new(PATIENCE),
        }))
    }

    /// How long a test waits for anything, by tokio's clock; 30 s by default. Under a paused clock they pass at once.
    pub fn patience(self, patience: Duration) -> Self {
        *lock(&self.0.patience) = patience;
        self
    }

    /// A bus that publishes as `name`, and mirrors over the broker what `mirror` registers. When this returns it
    /// receives.
    ///
    /// The mirror that `mirror` is given has the default layers without their chance: retries come after the full
    /// delay, and a breaker opens for exactly its time, so that a test goes the same way twice.
    ///
    /// # Panics
    ///
    /// When the mirror is misconfigured, and outside a tokio runtime.
    pub fn bus<S>(&self, name: &str, mirror: impl FnOnce(Mirror) -> Mirror<S>) -> TestBus
    where
        S: Service<Message, Response = Outcome> + Clone + Send + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send + 'static,
    {
        let exact = Mirror::new(self.0.broker.transport(name))
            .retry(RetryConfig::default().jitter(Jitter::None))
            .breaker(BreakerConfig::amqp().reset_jitter(0.0));
        let mirror = mirror(exact);
        let bus = Bus::builder()
            .source(name.to_owned())
            .mirror(mirror)
            .build();
        match bus {
            Ok(bus) => self.join(bus),
            Err(error) => panic!("the bus {name} cannot be built: {error:#}"),
        }
    }

    /// Watches a bus that was built elsewhere, by the application for example. It is joined to the others if its mirror
    /// is made of a [`transport`](Broker::transport) of this net's [`broker`](Self::broker).
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn join(&self, bus: Bus) -> TestBus {
        let seat = Arc::new(Seat::new(bus));
        let mut seats = lock(&self.0.seats);
        seats.retain(|seat| seat.strong_count() > 0);
        seats.push(Arc::downgrade(&seat));
        TestBus::new(seat, self.clone())
    }

    /// The broker, to make it fail.
    pub fn broker(&self) -> &Broker {
        &self.0.broker
    }

    /// The buses that are there.
    pub(super) fn seats(&self) -> Vec<Arc<Seat>> {
        let seats = lock(&self.0.seats);
        seats.iter().filter_map(Weak::upgrade).collect()
    }

    pub(super) fn waits(&self) -> Duration {
        *lock(&self.0.patience)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Default for TestNet {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for TestNet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestNet")
            .field("broker", &self.0.broker)
            .field("buses", &self.seats().len())
            .finish_non_exhaustive()
    }
}
