//! Runs a command with a broker: `shared_node COMMAND [ARGUMENT...]`.
//!
//! Starts a private node (or takes that of `ALGEDONIC_TEST_AMQP_URL`), says which, exports
//! `ALGEDONIC_TEST_AMQP_URL` and `ALGEDONIC_TEST_RABBITMQ_VERSION`, runs the command, and ends with its exit code.
//! The node ends with this process, however it ends.

use algedonic_test_broker::{shared_url, shared_version};
use std::env;
use std::process::{Command, ExitCode};

fn main() -> ExitCode {
    let mut arguments = env::args_os().skip(1);
    let Some(program) = arguments.next() else {
        eprintln!("usage: shared_node COMMAND [ARGUMENT...]");
        return ExitCode::from(2);
    };
    let (url, version) = (shared_url(), shared_version());
    println!("RabbitMQ {version} at {}", without_password(&url));
    let status = Command::new(&program)
        .args(arguments)
        .env("ALGEDONIC_TEST_AMQP_URL", url)
        .env("ALGEDONIC_TEST_RABBITMQ_VERSION", version)
        .status();
    match status {
        // A command that was ended by a signal has no code.
        Ok(status) => status
            .code()
            .and_then(|code| u8::try_from(code).ok())
            .map_or(ExitCode::FAILURE, ExitCode::from),
        Err(error) => {
            eprintln!("{}: {error}", program.display());
            ExitCode::from(127)
        }
    }
}

fn without_password(url: &str) -> String {
    match url.split_once("://").zip(url.rsplit_once('@')) {
        Some(((scheme, _), (_, host))) => format!("{scheme}://{host}"),
        None => url.to_owned(),
    }
}
