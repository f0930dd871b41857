//! What does the environment say about the broker?

use std::{ffi::OsString, fs::File, io::Read};

use algedonic_transport::{Error, ErrorKind};

use crate::{AmqpConfig, Tls, uri::Uri};

const URL: &str = "ALGEDONIC_AMQP_URL";
const HOST: &str = "ALGEDONIC_AMQP__HOST";
const PORT: &str = "ALGEDONIC_AMQP__PORT";
const USERNAME: &str = "ALGEDONIC_AMQP__USERNAME";
const PASSWORD: &str = "ALGEDONIC_AMQP__PASSWORD";
const PASSWORD_FILE: &str = "ALGEDONIC_AMQP__PASSWORD_FILE";
const VHOST: &str = "ALGEDONIC_AMQP__VHOST";
const TLS: &str = "ALGEDONIC_AMQP__TLS";
const AUTHORITY_FILE: &str = "ALGEDONIC_AMQP__TLS_AUTHORITY_FILE";
const PLAINTEXT: &str = "ALGEDONIC_AMQP__ALLOW_PLAINTEXT_LOGIN";

/// The largest file with a password that is read: a path may lead to something that has no end.
const LONGEST: u64 = 64 * 1024;

const OPERATION: &str = "read the AMQP settings from the environment";

/// The configuration that `lookup` describes, variable by variable.
pub(crate) fn read(lookup: impl Fn(&str) -> Option<OsString>) -> Result<AmqpConfig, Error> {
    let text = |name: &'static str| match lookup(name).map(OsString::into_string) {
        None => Ok(None),
        Some(Ok(text)) => Ok(Some(text)),
        Some(Err(_)) => Err(refuse(name, "must be UTF-8")),
    };
    let switch = |name: &'static str| match text(name)?.as_deref() {
        None | Some("" | "false" | "0") => Ok(false),
        Some("true" | "1") => Ok(true),
        Some(_) => Err(refuse(name, "must be true or false")),
    };
    // Their rules know nothing of where it came from.
    let of = |name: &'static str| {
        move |error: Error| {
            Error::permanent(error.kind(), OPERATION).with_detail(format!("{name}: {error}"))
        }
    };
    let mut config = match text(URL)? {
        Some(url) => AmqpConfig::new(&url).map_err(of(URL))?,
        None => AmqpConfig::from_uri(uri(text, switch(TLS)?)?).map_err(of(TLS))?,
    };
    if let Some(path) = lookup(AUTHORITY_FILE) {
        config = config.tls(Tls::new().authority_file(path));
    }
    Ok(config.allow_plaintext_login(switch(PLAINTEXT)?))
}

/// What the variables say that each hold a part of the URL.
fn uri(
    text: impl Fn(&'static str) -> Result<Option<String>, Error>,
    tls: bool,
) -> Result<Uri, Error> {
    let password = match (text(PASSWORD)?, text(PASSWORD_FILE)?) {
        (Some(_), Some(_)) => {
            return Err(refuse(
                PASSWORD_FILE,
                "must not be set beside ALGEDONIC_AMQP__PASSWORD",
            ));
        }
        (Some(password), None) => password,
        (None, None) => "guest".to_owned(),
        (None, Some(path)) => {
            let mut text = String::new();
            let file = File::open(path);
            // One byte more, to tell a file that is too long from one that just is not.
            file.and_then(|file| file.take(LONGEST + 1).read_to_string(&mut text))
                .map_err(|error| {
                    refuse(PASSWORD_FILE, "must name a readable file of text").with_source(error)
                })?;
            if text.len() as u64 > LONGEST {
                return Err(refuse(
                    PASSWORD_FILE,
                    "must name a file of at most 65536 bytes",
                ));
            }
            text.trim_end_matches(['\r', '\n']).to_owned()
        }
    };
    let port = match text(PORT)? {
        None if tls => 5671,
        None => 5672,
        Some(port) => port
            .parse::<std::num::NonZeroU16>()
            .map_err(|_| refuse(PORT, "must be a number from 1 to 65535"))?
            .get(),
    };
    Ok(Uri {
        tls,
        username: text(USERNAME)?.unwrap_or_else(|| "guest".to_owned()),
        password,
        host: text(HOST)?.unwrap_or_else(|| "localhost".to_owned()),
        port,
        vhost: text(VHOST)?.unwrap_or_else(|| "/".to_owned()),
        heartbeat: None,
        connection_timeout: None,
        frame_max: None,
        channel_max: None,
    })
}

fn refuse(name: &str, rule: &str) -> Error {
    Error::permanent(ErrorKind::Misconfigured, OPERATION).with_detail(format!("{name} {rule}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(pairs: &[(&str, &str)]) -> Result<AmqpConfig, Error> {
        read(|name| {
            let (_, value) = pairs.iter().find(|(key, _)| *key == name)?;
            Some((*value).into())
        })
    }

    #[test]
    fn an_empty_environment_means_the_local_broker() {
        let uri = with(&[]).expect("defaults").uri;
        assert_eq!(
            uri,
            Uri::parse("amqp://guest:guest@localhost:5672/%2F").expect("valid")
        );
    }

    #[test]
    fn the_url_wins_over_the_parts() {
        let config = with(&[(URL, "amqp://a:b@url"), (HOST, "part")]).expect("valid");
        assert_eq!(config.uri.host, "url");
    }

    #[test]
    fn the_parts_are_taken_as_they_are() {
        let config = with(&[
            (HOST, "h"),
            (PORT, "7"),
            (USERNAME, "u%"),
            (PASSWORD, "p@/"),
            (VHOST, "v"),
        ]);
        let uri = config.expect("valid").uri;
        assert_eq!(
            (uri.host.as_str(), uri.port, uri.vhost.as_str()),
            ("h", 7, "v")
        );
        assert_eq!(
            (uri.username.as_str(), uri.password.as_str()),
            ("u%", "p@/")
        );
    }

    #[test]
    fn the_password_may_come_from_a_file() {
        let path = std::env::temp_dir().join(format!("algedonic-{}", std::process::id()));
        std::fs::write(&path, "from file\n").expect("written");
        let config = with(&[(PASSWORD_FILE, path.to_str().expect("UTF-8"))]);
        std::fs::remove_file(&path).expect("removed");
        assert_eq!(config.expect("valid").uri.password, "from file");
    }

    #[test]
    #[cfg(unix)]
    fn a_file_without_an_end_is_no_password() {
        let error = with(&[(PASSWORD_FILE, "/dev/zero")]).expect_err("endless");
        assert!(error.to_string().contains(PASSWORD_FILE), "{error}");
    }

    #[test]
    fn what_is_said_of_secrecy_holds_with_a_url_too() {
        for url in [&[(URL, "amqp://h")][..], &[(HOST, "h")]] {
            assert!(with(url).expect("valid").validate().is_err());
            let allowed = [url, &[(PLAINTEXT, "true")]].concat();
            with(&allowed).expect("valid").validate().expect("allowed");
        }
        let authority = [(AUTHORITY_FILE, "/ca.pem")];
        let error = with(&authority)
            .expect("valid")
            .validate()
            .expect_err("no TLS");
        assert!(error.to_string().contains("amqps://"), "{error}");
        let ciphered = with(&[(TLS, "true"), (HOST, "h")]);
        if cfg!(feature = "tls") {
            let uri = ciphered.expect("valid").uri;
            assert!(uri.tls && uri.port == 5671);
        } else {
            let error = ciphered.expect_err("no TLS");
            assert_eq!(error.kind(), ErrorKind::Unsupported);
            assert!(error.to_string().contains(TLS), "{error}");
        }
    }

    #[test]
    fn an_error_names_the_variable_and_no_password() {
        for pairs in [
            &[(PORT, "canary")][..],
            &[(TLS, "canary")],
            &[(PLAINTEXT, "canary")],
            &[(PASSWORD, "canary"), (PASSWORD_FILE, "/x")],
            &[(URL, "http://u:canary@h")],
            &[(PASSWORD_FILE, "/does/not/exist")],
        ] {
            let error = with(pairs).expect_err("broken");
            assert!(
                error.to_string().contains(pairs[pairs.len() - 1].0),
                "{error}"
            );
            assert!(!format!("{error:#}").contains("canary"), "{error:#}");
        }
    }
}
