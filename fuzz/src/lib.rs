//! What must hold for any input. Each module has one `check`, which panics when it does not; it is
//! run by a fuzzer (`fuzz_targets/`), and on stable Rust by an ordinary test (`tests/`).

pub mod amqp_url;
pub mod amqp_wire;
pub mod inbound;
mod input;
pub mod pattern;
#[expect(unreachable_pub, reason = "it is public where it comes from")]
#[path = "../../transports/amqp/src/wire/mod.rs"]
mod wire;
