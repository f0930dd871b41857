//! The broker that the tests of a process share.

use crate::Node;
use crate::greeting::Greeting;
use std::env;
use std::net::ToSocketAddrs;
use std::sync::OnceLock;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(10);

/// The URL of the broker that all tests of this process share: that of `ALGEDONIC_TEST_AMQP_URL`, or else a private
/// node, started at the first call, which ends with the process.
///
/// # Panics
/// When there is no broker: a test that needs one fails, it is not skipped.
pub fn shared_url() -> String {
    env::var("ALGEDONIC_TEST_AMQP_URL")
        .ok()
        .filter(|url| !url.is_empty())
        .unwrap_or_else(|| shared_node().url())
}

/// The version of the shared broker, as it says in its greeting.
///
/// # Panics
/// When it does not answer, or when it can be reached by TLS only: then it greets nobody before the handshake.
pub fn shared_version() -> String {
    static VERSION: OnceLock<String> = OnceLock::new();
    VERSION.get_or_init(|| version_of(&shared_url())).clone()
}

/// A static is never dropped: the end of the process closes the pipe that keeps the node alive.
fn shared_node() -> &'static Node {
    static NODE: OnceLock<Node> = OnceLock::new();
    NODE.get_or_init(Node::start)
}

fn version_of(url: &str) -> String {
    // The URL may hold a password, so messages say the host only.
    let host = host_of(url).expect("ALGEDONIC_TEST_AMQP_URL must be an amqp:// URL");
    let addresses = host
        .to_socket_addrs()
        .unwrap_or_else(|error| panic!("{host}: {error}"));
    let mut failure = String::from("no address");
    for address in addresses {
        match Greeting::of(address, PATIENCE) {
            Ok(greeting) => return greeting.version,
            Err(error) => failure = error.to_string(),
        }
    }
    panic!("no broker answers at {host}: {failure}")
}

/// Host and port of an `amqp://` URL.
pub(crate) fn host_of(url: &str) -> Option<String> {
    let authority = url.strip_prefix("amqp://")?.split(['/', '?']).next()?;
    let host = authority.rsplit('@').next()?;
    let has_port = host.rsplit(']').next()?.contains(':');
    Some(if has_port {
        host.to_owned()
    } else {
        format!("{host}:5672")
    })
}

#[cfg(test)]
mod tests {
    use super::host_of;

    #[test]
    fn host_and_port_of_a_url() {
        let host = |url| host_of(url).unwrap_or_default();
        assert_eq!(
            host("amqp://guest:guest@127.0.0.1:5673/%2f"),
            "127.0.0.1:5673"
        );
        assert_eq!(host("amqp://broker"), "broker:5672");
        assert_eq!(host("amqp://u:p@[::1]/x?heartbeat=1"), "[::1]:5672");
        assert_eq!(host("amqp://u:p@[::1]:1/x"), "[::1]:1");
        assert_eq!(host("amqps://broker"), "");
    }
}
