//! A bus for the tests of an application: [`TestBus`], or several joined by a broker in memory, [`TestNet`].
//!
//! A test publishes, waits for what is to come of it, and looks: at the record of all that passed, at the books, at the
//! broker. It waits for conditions, never for a time; under a paused clock retries, timeouts and delays take none.
//! What can go wrong between processes goes wrong on demand: [`Faults`] name the message and the moment, or follow
//! from a seed.
//!
//! # A test
//!
//! An application with two services. Each order of the shop is shipped by the stock, which the shop hears of; an
//! order that cannot be shipped hurts. The test cuts the shop's connection after the broker has taken the first order
//! and before it says so: the mirror sends it again. And it cuts the stock's when that is about to acknowledge.
//!
//! ```
//! use algedonic::{
//!     Bus, Event, Fail, Level, Retry, Signal,
//!     testing::{DeliveryFault, Faults, SendFault, TestNet, Which},
//! };
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize, Deserialize)]
//! struct Ordered { order: u32, pieces: u32 }
//!
//! #[derive(Serialize, Deserialize)]
//! struct Shipped { order: u32 }
//!
//! impl Event for Ordered { const NAME: &'static str = "shop.ordered"; }
//! impl Event for Shipped { const NAME: &'static str = "stock.shipped"; }
//!
//! /// What the application does; it knows nothing of tests.
//! fn run_stock(bus: &Bus) {
//!     let out = bus.clone();
//!     bus.on::<Ordered>().retry(Retry::attempts(3)).handle(move |ordered| {
//!         let bus = out.clone();
//!         async move {
//!             if ordered.pieces == 0 {
//!                 bus.signal(Signal::pain(Level::High, "empty_order")).await?;
//!                 return Err(Fail::dead_letter("nothing to ship"));
//!             }
//!             bus.publish(Shipped { order: ordered.order }).await?;
//!             Ok(())
//!         }
//!     })
//!     .detach();
//! }
//!
//! # // In a file of its own this is `#[tokio::test(start_paused = true)] async fn orders_are_shipped_once()`.
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
//! # runtime.block_on(async {
//! let net = TestNet::new();
//! let shop = net.bus("shop", |mirror| mirror.outbound::<Ordered>().inbound::<Shipped>());
//! let stock = net.bus("stock", |mirror| mirror.inbound::<Ordered>().outbound::<Shipped>());
//! run_stock(&stock);
//! net.broker().inject(
//!     Faults::new()
//!         .sending(Which::nth(1).of("shop"), SendFault::CutBeforeConfirm)
//!         .delivering(Which::nth(2).of("stock"), DeliveryFault::CutBeforeAck),
//! );
//!
//! let receipt = shop.publish(Ordered { order: 1, pieces: 2 }).await.expect("open");
//! assert!(receipt.remote().await.is_confirmed(), "by the second attempt");
//! shop.publish(Ordered { order: 2, pieces: 1 }).await.expect("open");
//! shop.publish(Ordered { order: 3, pieces: 0 }).await.expect("open");
//!
//! // One thing, as soon as it is there.
//! let shipped = shop.delivered::<Shipped>(|shipped| shipped.order == 2).await;
//! assert_eq!(&*shipped.metadata().source, "stock");
//! assert!(shop.felt(|signal| signal.level == Level::High).await.value.is_none());
//!
//! // Everything, once nothing is left to happen.
//! net.settle().await;
//! let shipped: Vec<u32> = shop.received::<Shipped>().iter().map(|it| it.order).collect();
//! assert_eq!(shipped, [1, 2], "each once, though the first order came three times");
//! assert_eq!(stock.counts().duplicates, 2);
//! assert_eq!(stock.dead_letters().list().len(), 1);
//! net.assert_faults_happened();
//! net.assert_balanced();
//! # });
//! ```
//!
//! # Faults from a seed
//!
//! [`Faults::random`] draws what goes wrong anew in each run; a test that fails prints its seed, and
//! `ALGEDONIC_TEST_SEED=…` has the same faults again. What holds whatever goes wrong is then worth asserting: that what
//! the receipt called confirmed arrived, that nothing came twice, that the books balance.
//!
//! # What the clock moves
//!
//! Timeouts, retries, delays, faults that last, and how long a message may wait in the broker are tokio's time. An
//! event's own time to live ([`PublishOptions::ttl`](crate::PublishOptions::ttl)) is looked at by the system's clock
//! inside a bus, which a paused clock does not move; by tokio's in the broker.

mod balance;
mod bus;
mod net;
mod record;
mod seat;
mod settle;

pub use self::{bus::TestBus, net::TestNet, settle::Unsettled};
#[doc(no_inline)]
pub use crate::memory::{
    Broker, DeathCause, DeliveryFault, Faults, Limits, Overflow, SendFault, Which,
};
