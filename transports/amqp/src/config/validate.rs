//! Which settings cannot work, alone or together?

use std::time::Duration;

use algedonic_transport::{Error, ErrorKind, Key, Lane};

use super::{AmqpConfig, TopologyMode, is_loopback};
use crate::{Purpose, backoff::Pauses, uri::is_host};

/// What lapin keeps in a short string.
const SHORT: usize = 255;
/// Room for a token in the place of a password. Both are told before frames of any other size are agreed on,
/// and lapin waits for ever with what does not fit its buffer.
const PASSWORD: usize = 16 * 1024;

pub(super) fn refusal(text: String) -> Error {
    Error::permanent(ErrorKind::Misconfigured, "accept the AMQP configuration").with_detail(text)
}

fn refuse(text: impl Into<String>) -> Result<(), Error> {
    Err(refusal(text.into()))
}

fn within(field: &str, value: Duration, least: Duration, most: Duration) -> Result<(), Error> {
    if value < least || value > most {
        return refuse(format!(
            "{field}: must be {least:?} to {most:?}, not {value:?}"
        ));
    }
    Ok(())
}

/// What begins a name on the broker, or is one.
fn check_name(field: &str, name: &str) -> Result<(), Error> {
    if let Err(error) = Key::new(name) {
        return refuse(format!("{field}: {error}"));
    }
    check_text(field, name)?;
    if name.split('.').next() == Some("amq") {
        return refuse(format!(
            "{field}: must not begin with amq, which is the broker's own"
        ));
    }
    Ok(())
}

fn check_text(field: &str, text: &str) -> Result<(), Error> {
    if text.is_empty() || text.len() > 100 || text.contains(char::is_control) {
        return refuse(format!(
            "{field}: must be 1 to 100 bytes without control characters"
        ));
    }
    Ok(())
}

impl AmqpConfig {
    /// Refuses what lapin or the broker would choke on, and what would tell a secret.
    pub(crate) fn validate(&self) -> Result<(), Error> {
        self.check_names()?;
        self.check_login()?;
        self.check_queues()?;
        self.check_limits()?;
        self.check_audit()
    }

    fn check_names(&self) -> Result<(), Error> {
        check_name("prefix", &self.prefix)?;
        check_text("queue", &self.queue)?;
        for name in self.exchanges.iter().flatten() {
            check_name("exchange", name)?;
        }
        // Or one lane would hear the other.
        let [events, signals, commands] = [Purpose::Events, Purpose::Signals, Purpose::Commands]
            .map(|purpose| self.exchange_name(purpose));
        if events == signals || signals == commands || commands == events {
            return refuse("exchange: events, signals and commands need one each");
        }
        let (levels, bands) = self.band_exchange_names();
        let parts = bands.iter().chain([&levels]);
        if let Some(name) = parts
            .into_iter()
            .find(|name| [&events, &commands].contains(name))
        {
            return refuse(format!(
                "exchange: {name} is one of those that part signals"
            ));
        }
        // Longer ones make lapin panic.
        if self.uri.vhost.is_empty()
            || self.uri.vhost.len() > SHORT
            || self.uri.vhost.contains(char::is_control)
        {
            return refuse("vhost: must be 1 to 255 bytes without control characters");
        }
        Ok(())
    }

    fn check_login(&self) -> Result<(), Error> {
        let addresses = self.addresses()?;
        if addresses.len() > 16 {
            return refuse("fallback: at most 15 addresses");
        }
        if !addresses.iter().all(|address| is_host(&address.host)) {
            return refuse("host: must be a host name or an IP address");
        }
        if self.uri.username.len() > SHORT || self.uri.password.len() > PASSWORD {
            return refuse(format!(
                "user and password: must be at most {SHORT} and {PASSWORD} bytes"
            ));
        }
        // A NUL is what parts them when they are sent.
        if self.uri.username.contains('\0') || self.uri.password.contains('\0') {
            return refuse("user and password must not hold a NUL");
        }
        match &self.tls {
            Some(_) if !self.uri.tls => {
                return refuse("tls: there is none with amqp://; the URL must begin with amqps://");
            }
            Some(tls) if tls.external && tls.identity.is_none() => {
                return refuse(
                    "tls: external() logs in by a certificate, and there is no identity",
                );
            }
            _ => {}
        }
        #[cfg(feature = "tls")]
        if self.uri.tls {
            self.tls.clone().unwrap_or_default().connector()?;
        }
        let open = addresses.iter().find(|address| !is_loopback(&address.host));
        if let Some(address) = open
            && !self.uri.tls
            && !self.allow_plaintext_login
        {
            return Err(refusal(format!(
                "the password would be sent to {address} in the clear"
            ))
            .with_advice(
                "use amqps://, or set allow_plaintext_login for a network that is private",
            ));
        }
        Ok(())
    }

    fn check_queues(&self) -> Result<(), Error> {
        if self.topology_mode == TopologyMode::Expect && self.anonymous {
            return refuse("topology_mode: queues that others make need a name; set queue");
        }
        for (of, lane) in [("", Lane::Event), ("commands: ", Lane::Command)] {
            let queue = self.lane_queue(lane);
            if let Some(ttl) = queue.message_ttl {
                let day = Duration::from_secs(24 * 60 * 60);
                let field = format!("{of}message_ttl");
                within(&field, ttl, Duration::from_secs(1), 30 * day)?;
            }
            if queue.max_length == Some(0) {
                return refuse(format!("{of}max_length: must be at least 1"));
            }
            if !(1..=2000).contains(&queue.prefetch) {
                let prefetch = queue.prefetch;
                return refuse(format!("{of}prefetch: must be 1 to 2000, not {prefetch}"));
            }
            if !(2..=1000).contains(&queue.max_attempts) {
                let attempts = queue.max_attempts;
                return refuse(format!(
                    "{of}max_attempts: must be 2 to 1000, not {attempts}"
                ));
            }
        }
        Ok(())
    }

    fn check_audit(&self) -> Result<(), Error> {
        let (Some(audit), Some(name)) = (&self.audit, self.audit_queue_name()) else {
            return Ok(());
        };
        if audit.name.is_some() {
            check_name("audit: name", &name)?;
        }
        // It drops its oldest, and has copies of all.
        let [events, signals, commands] = [Purpose::Events, Purpose::Signals, Purpose::Commands];
        let lanes = [events, commands].map(|purpose| self.queue_name(purpose));
        let dead = [events, signals, commands].map(|purpose| self.dead_letter_queue_name(purpose));
        let bands = self.signal_queue_names();
        if lanes
            .iter()
            .chain(&dead)
            .chain(&bands)
            .any(|one| *one == name)
        {
            return refuse(format!(
                "audit: name: messages wait in {name} for this instance, and an audit queue drops its oldest"
            ));
        }
        if audit.max_length == 0 {
            return refuse("audit: max_length: must be at least 1");
        }
        let least = self.max_body_bytes as u64;
        if audit.max_bytes < least || i64::try_from(audit.max_bytes).is_err() {
            return refuse(format!(
                "audit: max_bytes: must be at least max_body_bytes, {least}, not {}",
                audit.max_bytes
            ));
        }
        Ok(())
    }

    fn check_limits(&self) -> Result<(), Error> {
        let millis = Duration::from_millis;
        within(
            "connect_timeout",
            self.connect_timeout,
            millis(100),
            millis(300_000),
        )?;
        within("heartbeat", self.heartbeat, millis(1000), millis(3_600_000))?;
        if self.heartbeat.subsec_nanos() != 0 {
            return refuse("heartbeat: must be whole seconds".to_owned());
        }
        within(
            "confirm_timeout",
            self.confirm_timeout,
            millis(10),
            2 * self.heartbeat,
        )?;
        if self.confirm_timeout == 2 * self.heartbeat {
            return refuse("confirm_timeout: must be less than 2 x heartbeat".to_owned());
        }
        match &self.reconnect {
            Pauses::UpTo(cap) => within("max_backoff", *cap, millis(100), millis(3_600_000))?,
            Pauses::Exactly(pauses) if pauses.is_empty() => {
                return refuse("backoff_schedule: needs at least one pause");
            }
            Pauses::Exactly(pauses) => pauses.iter().try_for_each(|pause| {
                within("backoff_schedule", *pause, millis(10), millis(3_600_000))
            })?,
        }
        for (field, value, most) in [
            ("window", self.window, 4096),
            ("publish_connections", self.publish_connections, 16),
            ("max_body_bytes", self.max_body_bytes, 16 * 1024 * 1024),
            (
                "max_unconfirmed_bytes",
                self.max_unconfirmed_bytes,
                1024 * 1024 * 1024,
            ),
        ] {
            if value == 0 || value > most {
                return refuse(format!("{field}: must be 1 to {most}, not {value}"));
            }
        }
        if self.max_unconfirmed_bytes < self.max_body_bytes {
            return refuse("max_unconfirmed_bytes: must be at least max_body_bytes");
        }
        Ok(())
    }
}
