//! Broker URLs: no text makes reading one panic, and no password shows, neither in the
//! configuration that comes of it nor in the error.

use std::fmt::Write;

use crate::AmqpConfig;

/// The password, or a part of it: a text that no message of ours contains.
const CANARY: &str = "kanarienvogel";
/// The same to whoever decodes it.
const ENCODED: &str = "%6banarienvoge%6C";

/// The input is a URL, and then what stands around a password in one.
pub fn check(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    shown(&text);
    // What holds it where no password is, say in the name of the user, may show it.
    if decoded(text.as_bytes()).contains(CANARY) {
        return;
    }
    for canary in [CANARY, ENCODED] {
        for url in [
            format!("amqp://user:{canary}@host/{text}"),
            format!("amqp://user:{canary}@{text}"),
            format!("amqp://user:{canary}{text}"),
            format!("amqp://user:{canary}{text}@host"),
            format!("amqp://user:{text}{canary}@host"),
            format!("amqp://user:{text}{canary}{text}@host"),
            format!("amqp://{text}:{canary}@host"),
            format!("amqp://:{canary}@host:{text}"),
            format!("amqp://user:{canary}@host?{text}"),
            format!("{text}://user:{canary}@host"),
        ] {
            let shown = shown(&url);
            assert!(
                !shown.contains(CANARY) && !shown.contains(ENCODED),
                "{url:?} shows its password: {shown}"
            );
        }
    }
}

/// What percent-encoding says, as far as it is any.
fn decoded(mut text: &[u8]) -> String {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let mut bytes = Vec::new();
    while let [first, rest @ ..] = text {
        let pair = match rest {
            [high, low, ..] if *first == b'%' => digit(*high).zip(digit(*low)),
            _ => None,
        };
        let read = pair.and_then(|(high, low)| u8::try_from(high * 16 + low).ok());
        bytes.push(read.unwrap_or(*first));
        text = if read.is_some() { &rest[2..] } else { rest };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// All that anyone gets to see of a URL.
fn shown(url: &str) -> String {
    let mut shown = String::new();
    let written = match AmqpConfig::new(url) {
        Ok(config) => write!(shown, "{config:?} {config:#?}"),
        Err(error) => {
            let advice = error.advice();
            write!(shown, "{error} {error:#} {error:?} {error:#?} {advice:?}")
        }
    };
    written.expect("a text takes everything");
    shown
}
