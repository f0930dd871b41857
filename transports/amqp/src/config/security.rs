//! How does the connection keep its secrets, and to whom are they told?

use super::AmqpConfig;
use crate::Tls;

impl AmqpConfig {
    /// What TLS trusts, and which certificate it shows. Only with an `amqps://` URL; without this
    /// setting such a URL trusts the system's authorities, and shows none.
    pub fn tls(mut self, tls: Tls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Whether the password may be sent in the clear over a network. Without TLS it can be read by
    /// all who carry it, and so can every message: by default, an `amqp://` URL of a host other than
    /// this one (`localhost`, `127.0.0.0/8`, `::1`) is refused as `Misconfigured`. Set it for a network
    /// that is private as a whole, such as that of a compose file.
    pub fn allow_plaintext_login(mut self, allowed: bool) -> Self {
        self.allow_plaintext_login = allowed;
        self
    }
}

/// Whether what is sent to `host` stays on this machine, as far as its name says.
pub(crate) fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use algedonic_transport::ErrorKind;

    use super::*;

    fn config(url: &str) -> AmqpConfig {
        AmqpConfig::new(url).expect("valid")
    }

    #[test]
    fn a_password_goes_in_the_clear_to_this_host_only_unless_that_is_allowed() {
        for url in [
            "amqp://localhost",
            "amqp://LocalHost",
            "amqp://127.8.0.1",
            "amqp://[::1]",
        ] {
            config(url).validate().expect(url);
        }
        for url in [
            "amqp://broker",
            "amqp://10.0.0.1",
            "amqp://[::2]",
            "amqp://0.0.0.0",
            "amqp://localhost.example",
            "amqp://127.0.0.1.example",
        ] {
            let error = config(url).validate().expect_err(url);
            assert_eq!(error.kind(), ErrorKind::Misconfigured);
            assert!(
                error.to_string().contains("allow_plaintext_login"),
                "{error}"
            );
            config(url)
                .allow_plaintext_login(true)
                .validate()
                .expect(url);
        }
        let error = config("amqp://localhost")
            .fallback("broker:5672")
            .validate();
        let error = error.expect_err("a fallback counts too").to_string();
        assert!(
            error.contains("broker") && error.contains("allow_plaintext_login"),
            "{error}"
        );
    }

    #[test]
    fn settings_of_tls_need_tls() {
        let error = config("amqp://localhost").tls(Tls::new()).validate();
        let error = error.expect_err("no TLS");
        assert_eq!(error.kind(), ErrorKind::Misconfigured);
        assert!(error.to_string().contains("amqps://"), "{error}");
    }

    #[test]
    #[cfg(feature = "tls")]
    fn what_is_wrong_with_tls_is_said_at_once() {
        for (part, tls) in [
            ("authority", Tls::new().authority_pem("no certificate")),
            ("/no/such/file", Tls::new().authority_file("/no/such/file")),
            (
                "identity",
                Tls::new().identity_pem("no certificate", "canary"),
            ),
            (
                "identity",
                Tls::new().identity_pkcs12("no archive", "canary"),
            ),
            ("external", Tls::new().external()),
        ] {
            let error = config("amqps://u:canary@broker").tls(tls).validate();
            let error = error.expect_err(part);
            assert_eq!(error.kind(), ErrorKind::Misconfigured);
            assert!(error.to_string().contains(part), "{error}");
            assert!(
                !format!("{error:#} {error:?}").contains("canary"),
                "{error:?}"
            );
        }
    }

    #[test]
    #[cfg(not(feature = "tls"))]
    fn without_tls_amqps_is_refused_with_advice() {
        let error = AmqpConfig::new("amqps://u:canary@h").expect_err("no TLS in this build");
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.to_string().contains("amqp-tls"));
        assert!(!format!("{error:?}").contains("canary"));
    }
}
