//! Settings, however they are made: reading them never panics; they are refused exactly when what is
//! documented of them says so, by a permanent error that names the setting; what is accepted can be
//! used; and nothing that anybody gets to see holds the password.

mod environment;
mod rules;
mod settings;
mod usable;

use std::fmt::Write;

use algedonic_transport::{Error, ErrorKind};

use self::{rules::broken, settings::Settings};
use crate::{AmqpConfig, input::Input};

/// Stands in every password, and in nothing else: no message of ours contains it.
pub(crate) const CANARY: &str = "kanarienvogel";

/// The input says where the settings come from, and what they are.
pub fn check(data: &[u8]) {
    // What holds it where no password is may show it.
    if String::from_utf8_lossy(data).contains(CANARY) {
        return;
    }
    let mut input = Input::new(data);
    let made = match input.byte() % 4 {
        0 => environment::any(&mut input),
        1 => environment::of_parts(&mut input),
        _ => url_of_parts(&mut input),
    };
    let Some((config, mut settings)) = made else {
        return;
    };
    let config = settings::refine(config, &mut settings, &mut input);
    let shown = shown(&config);
    assert!(!shown.contains(CANARY), "{shown}");
    if config.uri.tls && cfg!(feature = "tls") {
        // It would read the certificates of this system.
        return;
    }
    let broken = settings.known.then(|| broken(&settings));
    match config.validate() {
        Ok(()) => {
            if let Some(broken) = broken {
                assert!(broken.is_empty(), "{broken:?} of {settings:?}: {config:?}");
            }
            usable::check(&config);
        }
        Err(error) => {
            refused(&error);
            if let Some(broken) = broken {
                let text = error.to_string();
                assert!(
                    broken.iter().any(|name| text.contains(name)),
                    "{broken:?} of {settings:?}: {error}"
                );
            }
        }
    }
}

/// A URL that says what is known, percent-encoded as it must be; it is read back as that.
fn url_of_parts(input: &mut Input<'_>) -> Option<(AmqpConfig, Settings)> {
    let mut settings = Settings::of_parts(input);
    let url = settings.url(input);
    // There is no way to say neither.
    if settings.host.is_empty() {
        settings.host = "localhost".to_owned();
    }
    if settings.vhost.is_empty() {
        settings.vhost = "/".to_owned();
    }
    let made = AmqpConfig::new(&url);
    if let Err(error) = &made {
        refused(error);
    }
    if !rules::is_host(&settings.host) {
        // It may be anything else, such as a part of the password and another host.
        settings.known = false;
        return Some((made.ok()?, settings));
    }
    let broken = settings.broken_in_url();
    match made {
        Ok(config) => {
            assert!(broken.is_empty(), "{broken:?} of {url:?}");
            settings.assert_in(&config);
            Some((config, settings))
        }
        Err(error) => {
            let text = error.to_string();
            assert!(
                broken.iter().any(|name| text.contains(name)),
                "{broken:?} of {settings:?}: {error}"
            );
            None
        }
    }
}

/// All that anyone gets to see of settings.
fn shown(config: &AmqpConfig) -> String {
    format!("{config:?} {config:#?}")
}

/// It is a typed error that trying again does not mend, and shows nothing that it must not.
fn refused(error: &Error) {
    assert!(!error.is_transient(), "{error}");
    assert!(
        matches!(
            error.kind(),
            ErrorKind::Misconfigured | ErrorKind::Unsupported
        ),
        "{error}"
    );
    let mut shown = String::new();
    let advice = error.advice();
    write!(shown, "{error} {error:#} {error:?} {error:#?} {advice:?}").expect("text");
    assert!(!shown.contains(CANARY), "{shown}");
    let text = error.to_string();
    assert!(text.len() < 1000, "{} bytes: {text}", text.len());
    assert!(!text.contains(char::is_control), "{text:?}");
}
