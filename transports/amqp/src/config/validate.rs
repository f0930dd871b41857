//! Which settings cannot work, alone or together?

use std::time::Duration;

use algedonic_transport::{Error, ErrorKind, Key};

use super::AmqpConfig;

impl AmqpConfig {
    pub(crate) fn validate(&self) -> Result<(), Error> {
        let refuse = |text: String| {
            Err(
                Error::permanent(ErrorKind::Misconfigured, "accept the AMQP configuration")
                    .with_detail(text),
            )
        };
        if let Err(error) = Key::new(&self.prefix) {
            return refuse(format!("prefix: {error}"));
        }
        for (field, name) in [("prefix", &self.prefix), ("queue", &self.queue)] {
            if name.is_empty() || name.len() > 100 || name.contains(char::is_control) {
                return refuse(format!(
                    "{field}: must be 1 to 100 bytes without control characters"
                ));
            }
        }
        if self.prefix.split('.').next() == Some("amq") {
            return refuse("prefix: must not begin with amq, which is the broker's own".to_owned());
        }
        let within = |field: &str, value: Duration, least: Duration, most: Duration| {
            if value < least || value > most {
                refuse(format!(
                    "{field}: must be {least:?} to {most:?}, not {value:?}"
                ))
            } else {
                Ok(())
            }
        };
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
        within(
            "max_backoff",
            self.max_backoff,
            millis(100),
            millis(3_600_000),
        )?;
        for (field, value, most) in [
            ("window", self.window, 4096),
            ("prefetch", usize::from(self.prefetch), 2000),
            ("max_body_bytes", self.max_body_bytes, 16 * 1024 * 1024),
        ] {
            if value == 0 || value > most {
                return refuse(format!("{field}: must be 1 to {most}, not {value}"));
            }
        }
        Ok(())
    }
}
