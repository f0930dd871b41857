//! Settings from variables.

use std::{ffi::OsString, os::unix::ffi::OsStringExt, sync::LazyLock};

use super::{
    CANARY, refused,
    settings::{Secret, Settings},
};
use crate::{AmqpConfig, env, input::Input};

const NAMES: [&str; 10] = [
    "ALGEDONIC_AMQP_URL",
    "ALGEDONIC_AMQP__HOST",
    "ALGEDONIC_AMQP__PORT",
    "ALGEDONIC_AMQP__USERNAME",
    "ALGEDONIC_AMQP__PASSWORD",
    "ALGEDONIC_AMQP__PASSWORD_FILE",
    "ALGEDONIC_AMQP__VHOST",
    "ALGEDONIC_AMQP__TLS",
    "ALGEDONIC_AMQP__TLS_AUTHORITY_FILE",
    "ALGEDONIC_AMQP__ALLOW_PLAINTEXT_LOGIN",
];

type Variables = Vec<(&'static str, OsString)>;

fn read(variables: &Variables) -> Option<AmqpConfig> {
    let read = env::read(|name| {
        assert!(NAMES.contains(&name), "{name} is not documented");
        let (_, value) = variables.iter().find(|(known, _)| *known == name)?;
        Some(value.clone())
    });
    match read {
        Ok(config) => Some(config),
        Err(error) => {
            refused(&error);
            let text = error.to_string();
            assert!(
                variables.iter().any(|(name, _)| text.contains(name)),
                "{error} names none of what is set"
            );
            None
        }
    }
}

/// Each variable is there or not, and holds anything.
pub(super) fn any(input: &mut Input<'_>) -> Option<(AmqpConfig, Settings)> {
    let there = input.word();
    let mut variables = Variables::new();
    for (bit, name) in NAMES.into_iter().enumerate() {
        if there >> bit & 1 == 0 {
            continue;
        }
        let value = match name {
            "ALGEDONIC_AMQP_URL" => {
                let url = [b"amqp://u:", CANARY.as_bytes(), b"@", input.bytes()].concat();
                OsString::from_vec(if input.bit() {
                    url
                } else {
                    input.bytes().to_vec()
                })
            }
            "ALGEDONIC_AMQP__PASSWORD" => {
                OsString::from_vec([CANARY.as_bytes(), input.bytes()].concat())
            }
            // Not any path: there are some whose reading has no end, such as a terminal's.
            "ALGEDONIC_AMQP__PASSWORD_FILE" => (*input.one_of(&PATHS)).into(),
            _ => OsString::from_vec(input.bytes().to_vec()),
        };
        variables.push((name, value));
    }
    let settings = Settings {
        known: false,
        ..Settings::default()
    };
    Some((read(&variables)?, settings))
}

/// What names no file that can be read, what has no end, and what holds no text.
const PATHS: [&str; 6] = [
    "",
    "/",
    "/no/such/file",
    "/dev/null",
    "/dev/zero",
    "no\u{7f}ne",
];

/// What is known, each in the variable that is for it.
pub(super) fn of_parts(input: &mut Input<'_>) -> Option<(AmqpConfig, Settings)> {
    let mut settings = Settings::of_parts(input);
    let said = Settings::default();
    let mut variables = Variables::new();
    // A variable for what is the default anyway, or none.
    let always = input.bit();
    let mut say = |name: &'static str, value: &str, usual: bool| {
        if always || !usual {
            variables.push((name, value.into()));
        }
    };
    say(
        "ALGEDONIC_AMQP__HOST",
        &settings.host,
        settings.host == said.host,
    );
    say(
        "ALGEDONIC_AMQP__USERNAME",
        &settings.user,
        settings.user == said.user,
    );
    say(
        "ALGEDONIC_AMQP__VHOST",
        &settings.vhost,
        settings.vhost == said.vhost,
    );
    let port = settings.port.map(|port| port.to_string());
    if let Some(port) = &port {
        say("ALGEDONIC_AMQP__PORT", port, false);
    }
    let switch = |on: bool, input: &mut Input<'_>| {
        *input.one_of(if on {
            &["true", "1"][..]
        } else {
            &["false", "0", ""]
        })
    };
    say(
        "ALGEDONIC_AMQP__TLS",
        switch(settings.tls, input),
        !settings.tls,
    );
    if input.bit() {
        say(
            "ALGEDONIC_AMQP__PASSWORD_FILE",
            PASSWORD_FILE.to_str().expect("text"),
            false,
        );
        settings.password = Secret(CANARY.to_owned());
    } else {
        say(
            "ALGEDONIC_AMQP__PASSWORD",
            &settings.password,
            settings.password == said.password,
        );
    }
    settings.plaintext = input.bit();
    say(
        "ALGEDONIC_AMQP__ALLOW_PLAINTEXT_LOGIN",
        switch(settings.plaintext, input),
        !settings.plaintext,
    );
    settings.with_tls = input.bit();
    if settings.with_tls {
        say("ALGEDONIC_AMQP__TLS_AUTHORITY_FILE", "/no/such/file", false);
    }
    let config = read(&variables);
    let fine = settings.port != Some(0) && (!settings.tls || cfg!(feature = "tls"));
    assert_eq!(config.is_some(), fine, "{settings:?}");
    let config = config?;
    settings.assert_in(&config);
    Some((config, settings))
}

/// Holds a password and a line end.
static PASSWORD_FILE: LazyLock<std::path::PathBuf> = LazyLock::new(|| {
    let path = std::env::temp_dir().join(format!("algedonic-fuzz-{}", std::process::id()));
    std::fs::write(&path, format!("{CANARY}\r\n")).expect("written");
    path
});
