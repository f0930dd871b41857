//! See `algedonic_fuzz::amqp_guard`.
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| algedonic_fuzz::amqp_guard::check(data));

/// Without the fuzzer: checks the files that it is given, such as the ones that a fuzzer found.
#[cfg(not(fuzzing))]
fn main() -> std::io::Result<()> {
    for path in std::env::args_os().skip(1) {
        algedonic_fuzz::amqp_guard::check(&std::fs::read(path)?);
    }
    Ok(())
}
