//! Private `RabbitMQ` nodes, and a proxy that fails on demand, for tests and benches. Unix only.
//!
//! - [`shared_url`] is the broker that all tests of a process share: the one of `ALGEDONIC_TEST_AMQP_URL`, or else
//!   a private node. Tests that share it keep apart by the names they use: [`unique`].
//! - [`Node`] is a node of the test's own, which the test may kill, stop, pause and restart.
//! - [`Proxy`] stands between a client and a broker: it delays, throttles, cuts and swallows when it is told to.
//!
//! A node listens on loopback only, on ports of its own, with its data in a folder of its own. It ends with the
//! process that started it, even when that is killed with `kill -9`, and leaves nothing behind.
//!
//! But for the proxy, every call here **blocks** the calling thread, some for seconds. From an async test call them
//! through `tokio::task::spawn_blocking`, or directly where nothing else has to run meanwhile.

mod error;
mod find;
mod folder;
mod greeting;
mod guard;
mod launch;
mod node;
mod ports;
mod proxy;
mod ready;
mod shared;
mod signal;
mod tls;
mod unique;

pub use error::StartError;
pub use node::Node;
pub use proxy::{End, Proxy, Way};
pub use shared::{shared_url, shared_version};
pub use tls::Tls;
pub use unique::unique;
