//! What must hold for any input. Each module has one `check`, which panics when it does not; it is
//! run by a fuzzer (`fuzz_targets/`), and on stable Rust by an ordinary test (`tests/`).

pub mod amqp_config;
pub mod amqp_guard;
pub mod amqp_letter;
pub mod amqp_reply;
pub mod amqp_url;
pub mod amqp_wire;
mod heap;
pub mod inbound;
mod input;
pub mod pattern;

// The rooms of the AMQP transport that read what others wrote. They are no public API, and taken as
// source; each is pure. What they import of their crate is here under the same names.
use config::{AmqpConfig, QueueType, TopologyMode};
use tls::Tls;
use topology::Purpose;

macro_rules! source {
    ($($path:literal $room:ident;)*) => {$(
        #[allow(dead_code, unused_imports, unreachable_pub, reason = "the rest of the crate is not here")]
        #[path = $path]
        mod $room;
    )*};
}
source! {
    "../../transports/amqp/src/backoff.rs" backoff;
    "../../transports/amqp/src/config/mod.rs" config;
    "../../transports/amqp/src/dead_letter/letter.rs" letter;
    "../../transports/amqp/src/env.rs" env;
    "../../transports/amqp/src/error/mod.rs" error;
    "../../transports/amqp/src/greeting.rs" greeting;
    "../../transports/amqp/src/guard/mod.rs" guard;
    "../../transports/amqp/src/identity.rs" identity;
    "../../transports/amqp/src/tls/mod.rs" tls;
    "../../transports/amqp/src/uri.rs" uri;
    "../../transports/amqp/src/wire/mod.rs" wire;
}

mod topology;
