//! What does the URL of a broker say, and how is it shown without its password?

use std::{fmt, time::Duration};

use algedonic_transport::{Error, ErrorKind};

/// An AMQP URL, taken apart. Neither `Debug` nor `Display` shows the password.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Uri {
    pub(crate) tls: bool,
    pub(crate) username: String,
    pub(crate) password: String,
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) vhost: String,
    pub(crate) heartbeat: Option<Duration>,
    pub(crate) connection_timeout: Option<Duration>,
    pub(crate) frame_max: Option<u32>,
    pub(crate) channel_max: Option<u16>,
}

impl Uri {
    pub(crate) const KNOWN_KEYS: &str = "heartbeat, connection_timeout, frame_max, channel_max";

    /// Reads `amqp[s]://[user[:password]@]host[:port][/vhost][?key=value&…]`.
    ///
    /// User, password and vhost are percent-decoded. No path and the path `/` alone both mean the
    /// vhost `/`: the empty vhost, which other clients read there, exists on no broker.
    ///
    /// Errors quote nothing of what may be a part of the password.
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        let (scheme, rest) = text
            .split_once("://")
            .ok_or_else(|| refuse("it must begin with amqp:// or amqps://"))?;
        let tls = match scheme.to_ascii_lowercase().as_str() {
            "amqp" => false,
            "amqps" => true,
            _ => return Err(refuse("the scheme must be amqp or amqps")),
        };
        if rest.contains('#') {
            return Err(refuse("a # must be written as %23"));
        }
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (userinfo, address) = match authority.rsplit_once('@') {
            Some((userinfo, address)) => (Some(userinfo), address),
            None => (None, authority),
        };
        if path.contains('@') || query.contains('@') {
            return Err(refuse(
                "an @ after the host; in user, password and vhost write / as %2F, ? as %3F, @ as %40",
            ));
        }
        let (username, password) = match userinfo {
            None => ("guest".to_owned(), "guest".to_owned()),
            Some(userinfo) => {
                let (user, password) = userinfo.split_once(':').unwrap_or((userinfo, ""));
                (decode(user, "user")?, decode(password, "password")?)
            }
        };
        let (host, port) = split_address(address)?;
        let mut uri = Self {
            tls,
            username,
            password,
            host,
            port: port.unwrap_or(if tls { 5671 } else { 5672 }),
            vhost: match path {
                "" => "/".to_owned(),
                path if path.contains('/') => {
                    return Err(refuse("a / inside the vhost must be written as %2F"));
                }
                path => decode(path, "vhost")?,
            },
            heartbeat: None,
            connection_timeout: None,
            frame_max: None,
            channel_max: None,
        };
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            uri.set(pair)?;
        }
        Ok(uri)
    }

    fn set(&mut self, pair: &str) -> Result<(), Error> {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let number = || {
            value.parse::<u32>().map_err(|_| {
                let value = excerpt(value);
                refuse(format!("{key} must be a whole number, not {value:?}"))
            })
        };
        match key {
            "heartbeat" => self.heartbeat = Some(Duration::from_secs(number()?.into())),
            "connection_timeout" => {
                self.connection_timeout = Some(Duration::from_millis(number()?.into()));
            }
            "frame_max" => {
                let bytes = number()?;
                // lapin has 64 buffers of this size for each connection.
                if !(8192..=1024 * 1024).contains(&bytes) {
                    return Err(refuse("frame_max must be 8192 to 1048576"));
                }
                self.frame_max = Some(bytes);
            }
            "channel_max" => {
                self.channel_max = Some(
                    u16::try_from(number()?)
                        .ok()
                        .filter(|channels| *channels == 0 || *channels >= 8)
                        .ok_or_else(|| refuse("channel_max must be 0 or 8 to 65535"))?,
                );
            }
            _ => {
                return Err(refuse(format!(
                    "unknown query key {:?}; known are {}",
                    excerpt(key),
                    Self::KNOWN_KEYS
                )));
            }
        }
        Ok(())
    }
}

/// Enough of a text to recognise it, whatever its length.
fn excerpt(text: &str) -> String {
    const SHOWN: usize = 40;
    match text.char_indices().nth(SHOWN) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

fn refuse(rule: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    let rule: std::borrow::Cow<'static, str> = rule.into();
    Error::permanent(ErrorKind::Misconfigured, "read the AMQP URL")
        .with_detail(format!("url: {rule}"))
}

/// Takes `host`, `host:port`, `[IPv6 address]` or `[IPv6 address]:port` apart.
pub(crate) fn split_address(address: &str) -> Result<(String, Option<u16>), Error> {
    let bad_port = |_| refuse("the port must be a number from 1 to 65535");
    let (host, port) = if let Some(rest) = address.strip_prefix('[') {
        let (host, rest) = rest
            .split_once(']')
            .ok_or_else(|| refuse("an IPv6 address must be closed by ]"))?;
        match rest.strip_prefix(':') {
            Some(port) => (host, Some(port)),
            None if rest.is_empty() => (host, None),
            None => return Err(refuse("only a port may follow the host")),
        }
    } else {
        match address.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (address, None),
        }
    };
    let port = match port {
        None | Some("") => None,
        Some(port) => Some(std::num::NonZeroU16::get(port.parse().map_err(bad_port)?)),
    };
    match host {
        "" => Ok(("localhost".to_owned(), port)),
        host if is_host(host) => Ok((host.to_owned(), port)),
        _ => Err(refuse(
            "the host is too long, or holds a character that no host name has",
        )),
    }
}

/// A host name or an IP address, by its characters and its length (RFC 1035, section 2.3.4).
pub(crate) fn is_host(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.:%".contains(c);
    (1..=253).contains(&text.len()) && text.chars().all(allowed)
}

/// Percent-decoding; `field` is named in the error, its text is not.
fn decode(text: &str, field: &str) -> Result<String, Error> {
    let wrong = || refuse(format!("the {field} is not percent-encoded UTF-8"));
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let mut digit = || {
                    let digit = char::from(rest.next()?).to_digit(16)?;
                    u8::try_from(digit).ok()
                };
                match (digit(), digit()) {
                    (Some(high), Some(low)) => high << 4 | low,
                    _ => return Err(wrong()),
                }
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).map_err(|_| wrong())
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "amqps" } else { "amqp" };
        write!(
            f,
            "{scheme}://{}:***@{}:{}/{}",
            self.username.escape_debug(),
            self.host,
            self.port,
            self.vhost.escape_debug()
        )
    }
}

impl fmt::Debug for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Uri {
        Uri::parse(text).expect(text)
    }

    #[test]
    fn every_part_is_found_and_decoded() {
        let uri = parse(
            "amqp://us%40er:p%2F%3Aw@rabbit.example:5673/v%2Fh?heartbeat=7&connection_timeout=1500&frame_max=65536&channel_max=64",
        );
        assert_eq!(
            (uri.username.as_str(), uri.password.as_str()),
            ("us@er", "p/:w")
        );
        assert_eq!((uri.host.as_str(), uri.port), ("rabbit.example", 5673));
        assert_eq!(uri.vhost, "v/h");
        assert_eq!(uri.heartbeat, Some(Duration::from_secs(7)));
        assert_eq!(uri.connection_timeout, Some(Duration::from_millis(1500)));
        assert_eq!((uri.frame_max, uri.channel_max), (Some(65536), Some(64)));
    }

    #[test]
    fn what_is_missing_has_the_usual_value() {
        for text in [
            "amqp://h",
            "amqp://h/",
            "AMQP://h",
            "amqp://h/%2f",
            "amqp://h?",
        ] {
            let uri = parse(text);
            assert_eq!((uri.vhost.as_str(), uri.port), ("/", 5672), "{text}");
            assert_eq!(
                (uri.username.as_str(), uri.password.as_str()),
                ("guest", "guest")
            );
        }
        assert_eq!(parse("amqps://h").port, 5671);
        assert_eq!(parse("amqp://[::1]:7").host, "::1");
        assert_eq!(parse("amqp://").host, "localhost");
    }

    #[test]
    fn what_breaks_a_rule_is_refused_by_name() {
        for (text, part) in [
            ("http://h", "scheme"),
            ("localhost:5672", "amqp://"),
            ("amqp://h:0", "port"),
            ("amqp://h:70000", "port"),
            ("amqp://h/a/b", "vhost"),
            ("amqp://h?verify=none", "verify"),
            ("amqp://h?heartbeat=soon", "heartbeat"),
            ("amqp://h?frame_max=100", "frame_max"),
            ("amqp://h?frame_max=1048577", "frame_max"),
            ("amqp://u:%zz@h", "password"),
            ("amqp://h h", "host"),
        ] {
            let error = Uri::parse(text).expect_err(text);
            assert_eq!(error.kind(), ErrorKind::Misconfigured);
            assert!(error.to_string().contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn of_a_long_text_an_error_quotes_the_beginning() {
        let long = "é".repeat(10_000);
        for query in [long.clone(), format!("heartbeat={long}")] {
            let error = Uri::parse(&format!("amqp://h?{query}")).expect_err("unknown");
            let text = error.to_string();
            assert!(
                text.contains("ééé") && text.len() < 300,
                "{} bytes",
                text.len()
            );
        }
    }

    #[test]
    fn a_password_shows_nowhere_not_even_misread() {
        let shown = format!("{0} {0:?}", parse("amqp://u:canary@h"));
        assert!(
            !shown.contains("canary") && shown.contains("u:***@h"),
            "{shown}"
        );
        for text in [
            "amqp://u:canary/x@h",
            "amqp://u:x/canary@h",
            "amqp://u:canary?x@h",
            "amqp://u:x?canary@h",
            "amqp://u:canary#x@h",
            "amqp://u:canary%zz@h",
            "amqp://u:canary:5672",
        ] {
            let error = Uri::parse(text).expect_err(text);
            assert!(
                !format!("{error:#} {error:?}").contains("canary"),
                "{error:?}"
            );
        }
    }
}
