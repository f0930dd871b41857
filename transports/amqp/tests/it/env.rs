use std::{
    io::Read,
    net::TcpListener,
    sync::mpsc::{Receiver, channel},
    time::Duration,
};

use algedonic_amqp::{Amqp, AmqpConfig};
use algedonic_transport::LinkState;

use crate::support::{alone, is_alone, link};

/// A listener that hangs up after the greeting: its port, and the greetings.
fn listener() -> (String, Receiver<[u8; 8]>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
    let port = listener.local_addr().expect("bound").port().to_string();
    let (greetings, greeted) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut greeting = [0; 8];
            if stream.is_ok_and(|mut stream| stream.read_exact(&mut greeting).is_ok()) {
                let _ = greetings.send(greeting);
            }
        }
    });
    (port, greeted)
}

/// What a program does whose settings come from its environment.
fn program() {
    let runtime = tokio::runtime::Runtime::new().expect("started");
    runtime.block_on(async {
        match AmqpConfig::from_env() {
            Err(error) => println!("settings: {error}"),
            Ok(config) => {
                let amqp = Amqp::new(config).expect("valid");
                let down = link(&amqp, "down", |link| link.state == LinkState::Down).await;
                println!("link: {}", down.error.expect("a reason"));
            }
        }
    });
}

#[test]
fn a_program_connects_to_where_its_environment_says() {
    if is_alone() {
        return program();
    }
    let test = "env::a_program_connects_to_where_its_environment_says";
    let (port, greeted) = listener();
    let url = format!("amqp://someone:canary@127.0.0.1:{port}/else");
    for variables in [
        &[
            ("ALGEDONIC_AMQP__HOST", "127.0.0.1"),
            ("ALGEDONIC_AMQP__PORT", port.as_str()),
            ("ALGEDONIC_AMQP__USERNAME", "someone"),
            ("ALGEDONIC_AMQP__PASSWORD", "canary"),
            ("ALGEDONIC_AMQP__VHOST", "else"),
        ][..],
        // The URL says it all.
        &[
            ("ALGEDONIC_AMQP_URL", url.as_str()),
            ("ALGEDONIC_AMQP__HOST", "203.0.113.1"),
        ],
    ] {
        let printed = alone(test, variables);
        let told = format!(
            "link: failed to connect to RabbitMQ: user someone at 127.0.0.1:{port}, vhost else: "
        );
        assert!(
            printed.contains(&told) && !printed.contains("canary"),
            "{printed}"
        );
        let greeting = greeted.recv_timeout(Duration::from_secs(1));
        assert_eq!(greeting.as_ref(), Ok(b"AMQP\x00\x00\x09\x01"));
    }
}

#[test]
fn a_program_is_told_which_variable_is_wrong() {
    if is_alone() {
        return program();
    }
    let test = "env::a_program_is_told_which_variable_is_wrong";
    for (variable, value) in [
        ("ALGEDONIC_AMQP__PORT", "canary"),
        ("ALGEDONIC_AMQP__PASSWORD_FILE", "/no/such/canary"),
        ("ALGEDONIC_AMQP_URL", "http://u:canary@h"),
    ] {
        let printed = alone(test, &[(variable, value)]);
        let told =
            format!("settings: failed to read the AMQP settings from the environment: {variable}");
        assert!(
            printed.contains(&told) && !printed.contains("canary"),
            "{printed}"
        );
    }
}
