//! Where is the broker, or its cluster?

use std::fmt;

use algedonic_transport::Error;

use super::AmqpConfig;
use crate::uri::split_address;

/// A host as it was named, and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl AmqpConfig {
    /// One more address of the same broker or cluster: `host`, `host:port`, `[::1]:port`; the port is
    /// the URL's own if it is missing. Every attempt to connect begins with the address in the URL,
    /// and goes on to these in the order in which they were added, until one works. Of
    /// [`connect_timeout`](Self::connect_timeout) each may take an equal part, and all that earlier
    /// ones have left over. User, password, vhost and TLS are the same everywhere, and so a refused
    /// login ends the attempt.
    ///
    /// At most 15 may be added.
    pub fn fallback(mut self, address: impl Into<String>) -> Self {
        self.fallbacks.push(address.into());
        self
    }

    /// All addresses, the preferred one first.
    pub(crate) fn addresses(&self) -> Result<Vec<Address>, Error> {
        let first = Address {
            host: self.uri.host.clone(),
            port: self.uri.port,
        };
        let mut all = vec![first];
        for text in &self.fallbacks {
            // What was given may hold a password by mistake: it is not quoted.
            let (host, port) = split_address(text)
                .ok()
                .filter(|_| !text.is_empty() && !text.starts_with(':'))
                .ok_or_else(|| {
                    super::validate::refusal(
                        "fallback: must be host, host:port or [IPv6 address]:port".to_owned(),
                    )
                })?;
            all.push(Address {
                host,
                port: port.unwrap_or(self.uri.port),
            });
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_come_in_order_and_with_the_port_of_the_url() {
        let config = AmqpConfig::new("amqp://a:1")
            .expect("valid")
            .fallback("b")
            .fallback("[::1]:3")
            .allow_plaintext_login(true);
        config.validate().expect("valid");
        let shown: Vec<_> = config
            .addresses()
            .expect("valid")
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(shown, ["a:1", "b:1", "::1:3"]);
    }

    #[test]
    fn an_address_that_is_none_is_refused_by_name() {
        let long = "h".repeat(254);
        for broken in ["", "a:b", "a:0", "u:canary@host", "[::1", "a b", &long] {
            let config = AmqpConfig::new("amqp://localhost").expect("valid");
            let error = config
                .fallback(broken)
                .validate()
                .expect_err(broken)
                .to_string();
            assert!(
                error.contains("fallback") && !error.contains("canary"),
                "{error}"
            );
        }
        let mut config = AmqpConfig::new("amqp://localhost").expect("valid");
        for _ in 0..16 {
            config = config.fallback("localhost");
        }
        assert!(config.validate().is_err());
    }
}
