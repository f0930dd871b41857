//! The ends of a lane of the bus, and of the channels one would use instead.

use algedonic::{Buffer, Bus, Subscription};
use tokio::sync::{broadcast, mpsc};

use crate::load::{CAPACITY, LaneReading, Reading, ours};

/// What an event says.
pub(crate) type Values = [u64; 8];

/// A lane or channel with one subscriber.
pub(crate) trait Lane: 'static {
    type Sender: Clone + Send + Sync + 'static;
    type Receiver: Send + 'static;

    /// The ends of a lane of this bus; a channel needs none.
    fn open(bus: &Bus) -> (Self::Sender, Self::Receiver);
    fn send(sender: &Self::Sender, values: Values) -> impl Future<Output = ()> + Send;
    fn receive(receiver: &mut Self::Receiver) -> impl Future<Output = Values> + Send;
}

/// A lane of the bus.
pub(crate) struct Ours<const LANE: usize>;

impl<const LANE: usize> Lane for Ours<LANE> {
    type Sender = ours::Publisher<LaneReading<LANE>>;
    type Receiver = Subscription<LaneReading<LANE>>;

    fn open(bus: &Bus) -> (Self::Sender, Self::Receiver) {
        let subscription = bus.subscribe_with(Buffer::block(CAPACITY));
        (ours::publisher(bus), subscription)
    }

    async fn send(sender: &Self::Sender, values: Values) {
        ours::publish(sender, LaneReading { values }).await;
    }

    async fn receive(receiver: &mut Self::Receiver) -> Values {
        ours::receive(receiver, |reading| reading.values).await
    }
}

/// tokio's broadcast.
pub(crate) struct Broadcast;

impl Lane for Broadcast {
    type Sender = broadcast::Sender<Reading>;
    type Receiver = broadcast::Receiver<Reading>;

    fn open(_: &Bus) -> (Self::Sender, Self::Receiver) {
        // It cannot wait: room enough for a subscriber that loses its processor for a while.
        broadcast::channel(16 * CAPACITY)
    }

    async fn send(sender: &Self::Sender, values: Values) {
        assert!(sender.send(Reading { values }).is_ok(), "open");
    }

    async fn receive(receiver: &mut Self::Receiver) -> Values {
        receiver
            .recv()
            .await
            .expect("nothing is overwritten")
            .values
    }
}

/// tokio's mpsc.
pub(crate) struct Mpsc;

impl Lane for Mpsc {
    type Sender = mpsc::Sender<Reading>;
    type Receiver = mpsc::Receiver<Reading>;

    fn open(_: &Bus) -> (Self::Sender, Self::Receiver) {
        mpsc::channel(CAPACITY)
    }

    async fn send(sender: &Self::Sender, values: Values) {
        assert!(sender.send(Reading { values }).await.is_ok(), "open");
    }

    async fn receive(receiver: &mut Self::Receiver) -> Values {
        receiver.recv().await.expect("open").values
    }
}
