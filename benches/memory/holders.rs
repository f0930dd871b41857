//! Who holds memory: the bus, and channels one would use instead, each with many subscribers.

use algedonic::{Bus, Subscription};
use tokio::sync::{broadcast, mpsc};

use crate::load::{CAPACITY, Reading, ours};

/// Times that every buffer is filled and read.
const TURNS: usize = 4;

pub(crate) trait Holder {
    /// Bytes of a subscription itself.
    const INLINE: usize;

    /// Nobody subscribes yet, and the place for so many subscriptions is there.
    fn with_capacity(subscriptions: usize) -> Self;
    fn subscribe(&mut self);
    /// Fills every buffer and reads it, a few times.
    async fn traffic(&mut self);
}

/// The bus, with the default buffer.
pub(crate) struct Ours {
    bus: Bus,
    subscriptions: Vec<Subscription<Reading>>,
}

impl Holder for Ours {
    const INLINE: usize = size_of::<Subscription<Reading>>();

    fn with_capacity(subscriptions: usize) -> Self {
        Self {
            bus: Bus::local(),
            subscriptions: Vec::with_capacity(subscriptions),
        }
    }

    fn subscribe(&mut self) {
        self.subscriptions.push(self.bus.subscribe());
    }

    async fn traffic(&mut self) {
        let publisher = ours::publisher(&self.bus);
        for _ in 0..TURNS {
            for number in 0..CAPACITY {
                ours::publish(&publisher, Reading::new(number as u64)).await;
            }
            for subscription in &mut self.subscriptions {
                for _ in 0..CAPACITY {
                    ours::receive(subscription, Reading::read).await;
                }
            }
        }
    }
}

/// tokio's broadcast: one ring for all, made with the channel.
pub(crate) struct Broadcast {
    sender: Option<broadcast::Sender<Reading>>,
    receivers: Vec<broadcast::Receiver<Reading>>,
}

impl Holder for Broadcast {
    const INLINE: usize = size_of::<broadcast::Receiver<Reading>>();

    fn with_capacity(subscriptions: usize) -> Self {
        Self {
            sender: None,
            receivers: Vec::with_capacity(subscriptions),
        }
    }

    fn subscribe(&mut self) {
        let channel = || broadcast::channel(CAPACITY).0;
        let sender = self.sender.get_or_insert_with(channel);
        self.receivers.push(sender.subscribe());
    }

    async fn traffic(&mut self) {
        let sender = self.sender.as_ref().expect("subscribed");
        for _ in 0..TURNS {
            for number in 0..CAPACITY {
                assert!(sender.send(Reading::new(number as u64)).is_ok());
            }
            for receiver in &mut self.receivers {
                for _ in 0..CAPACITY {
                    receiver
                        .recv()
                        .await
                        .expect("nothing is overwritten")
                        .read();
                }
            }
        }
    }
}

/// async-broadcast: one queue for all, made with the channel.
pub(crate) struct AsyncBroadcast {
    sender: Option<async_broadcast::Sender<Reading>>,
    receivers: Vec<async_broadcast::Receiver<Reading>>,
}

impl Holder for AsyncBroadcast {
    const INLINE: usize = size_of::<async_broadcast::Receiver<Reading>>();

    fn with_capacity(subscriptions: usize) -> Self {
        Self {
            sender: None,
            receivers: Vec::with_capacity(subscriptions),
        }
    }

    fn subscribe(&mut self) {
        let receiver = if let Some(sender) = &self.sender {
            sender.new_receiver()
        } else {
            // Without its first receiver it would be closed.
            let (sender, receiver) = async_broadcast::broadcast(CAPACITY);
            self.sender = Some(sender);
            receiver
        };
        self.receivers.push(receiver);
    }

    async fn traffic(&mut self) {
        let sender = self.sender.as_ref().expect("subscribed");
        for _ in 0..TURNS {
            for number in 0..CAPACITY {
                let sent = sender.broadcast_direct(Reading::new(number as u64)).await;
                assert!(sent.is_ok());
            }
            for receiver in &mut self.receivers {
                for _ in 0..CAPACITY {
                    receiver.recv_direct().await.expect("open").read();
                }
            }
        }
    }
}

/// tokio's mpsc: a channel for each, with its sender.
pub(crate) struct Mpsc(Vec<(mpsc::Sender<Reading>, mpsc::Receiver<Reading>)>);

impl Holder for Mpsc {
    const INLINE: usize = size_of::<(mpsc::Sender<Reading>, mpsc::Receiver<Reading>)>();

    fn with_capacity(subscriptions: usize) -> Self {
        Self(Vec::with_capacity(subscriptions))
    }

    fn subscribe(&mut self) {
        self.0.push(mpsc::channel(CAPACITY));
    }

    async fn traffic(&mut self) {
        for _ in 0..TURNS {
            for (sender, receiver) in &mut self.0 {
                for number in 0..CAPACITY {
                    assert!(sender.send(Reading::new(number as u64)).await.is_ok());
                }
                for _ in 0..CAPACITY {
                    receiver.recv().await.expect("open").read();
                }
            }
        }
    }
}
