//! What must hold for any input. Each module has one `check`, which panics when it does not; it is
//! run by a fuzzer (`fuzz_targets/`), and on stable Rust by an ordinary test (`tests/`).

pub mod amqp_url;
pub mod inbound;
mod input;
pub mod pattern;
