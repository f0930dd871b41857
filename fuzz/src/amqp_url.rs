//! Broker URLs: no text makes reading one panic, and no password shows, neither in the
//! configuration that comes of it nor in the error.

use std::fmt::Write;

use algedonic::amqp::AmqpConfig;

/// The password, or a part of it: a text that no message of ours contains.
const CANARY: &str = "kanarienvogel";
/// The same to whoever decodes it.
const ENCODED: &str = "%6banarienvoge%6C";

/// The input is a URL, and then what stands around a password in one.
pub fn check(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    shown(&text);
    // It may be repeated where it is no password.
    if text.contains(CANARY) || text.contains(ENCODED) {
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
            format!("amqps://user:{canary}@host?{text}"),
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
