//! The password shows nowhere, whatever goes wrong.

use std::{
    fmt::{Debug, Write as _},
    io::{Read, Write as _},
    net::TcpListener,
    time::Duration,
};

use algedonic_amqp::{Amqp, AmqpConfig, Tls};
use algedonic_transport::{LinkState, Transport};
use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    level_filters::LevelFilter,
    span,
};

use crate::support::{
    alone, arrives, blocking, confirmed, ctl, is_alone, link, message, node, receive, soon, up,
};

/// No text of ours or of a library's holds it, nor what becomes of it when it is encoded.
const CANARY: &str = "kanarien/vogel+%42?x";
const IN_A_URL: &str = "kanarien%2Fvogel+%2542%3Fx";

/// Prints all that anybody logs, whatever its level.
struct Printer;

#[derive(Default)]
struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        // Both, as some loggers show the one and some the other.
        write!(self.0, " {field}={value:?} {value:#?}").expect("text");
    }
}

impl Subscriber for Printer {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::TRACE)
    }

    fn new_span(&self, attributes: &span::Attributes<'_>) -> span::Id {
        let mut line = Line::default();
        attributes.record(&mut line);
        println!("SPAN {}{}", attributes.metadata().target(), line.0);
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, values: &span::Record<'_>) {
        let mut line = Line::default();
        values.record(&mut line);
        println!("SPAN{}", line.0);
    }

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line::default();
        event.record(&mut line);
        let metadata = event.metadata();
        let level = if *metadata.level() == Level::TRACE {
            "TRACE"
        } else {
            "LOUD"
        };
        println!("{level} {}{}", metadata.target(), line.0);
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

/// All that anybody can see of a value.
fn show(what: &str, value: &(impl Debug + ?Sized)) {
    println!("SHOWN {what}: {value:?} {value:#?}");
}

fn show_error(what: &str, error: &algedonic_transport::Error) {
    println!("SHOWN {what}: {error} {error:#}");
    show(what, error);
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        println!("SHOWN {what}: {cause} {cause:#}");
        show(what, cause);
        source = cause.source();
    }
}

fn config(scheme: &str, rest: &str) -> AmqpConfig {
    let url = format!("{scheme}://someone:{IN_A_URL}@{rest}");
    AmqpConfig::new(&url)
        .expect("valid URL")
        .connect_timeout(Duration::from_secs(5))
}

/// Does not come up, and is shown, and panics.
async fn fails(what: &str, config: AmqpConfig) {
    show(what, &config);
    let amqp = match Amqp::new(config) {
        Ok(amqp) => amqp,
        Err(error) => return show_error(what, &error),
    };
    let _arrivals = receive(&amqp);
    let down = link(&amqp, what, |link| link.state == LinkState::Down).await;
    show(what, &amqp);
    show(what, &down);
    println!("SHOWN {what}: {down}");
    let error = down.error.expect("a reason");
    show_error(what, &error);
    let refused = soon("refusal", amqp.send(message("a")))
        .await
        .expect_err("down");
    show_error(what, &refused);
    let panicked = tokio::spawn(async move { panic!("of the application: {error:?} {error:#}") });
    show(what, &panicked.await.expect_err("a panic"));
    show(
        what,
        &soon("close", amqp.close(Duration::from_secs(1))).await,
    );
}

/// A listener that says this to whoever comes, and hangs up.
fn says(words: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
    let address = listener.local_addr().expect("bound").to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let _ = stream.read(&mut [0; 8]);
            let _ = stream.write_all(&words);
        }
    });
    address
}

/// A greeting, after which a client sends its password.
fn greeting() -> Vec<u8> {
    let long = |bytes: &[u8]| {
        let length = u32::try_from(bytes.len()).expect("short");
        [&length.to_be_bytes()[..], bytes].concat()
    };
    let method = [
        &[0, 10, 0, 10, 0, 9][..],
        &long(&[]),
        &long(b"PLAIN"),
        &long(b"en_US"),
    ]
    .concat();
    [&[1, 0, 0][..], &long(&method), &[0xCE]].concat()
}

fn program() {
    tracing::subscriber::set_global_default(Printer).expect("the first");
    std::panic::set_hook(Box::new(|panic| println!("SHOWN panic: {panic} {panic:?}")));
    let runtime = tokio::runtime::Runtime::new().expect("started");
    let address = std::env::var("CANARY_BROKER").expect("given");
    runtime.block_on(async {
        let good = config("amqp", &format!("{address}/%2f"));
        show("good", &good);
        let amqp = Amqp::new(good.clone()).expect("started");
        let mut arrivals = receive(&amqp);
        up(&amqp).await;
        let sent = confirmed(&amqp, message("a")).await;
        arrives(&mut arrivals, sent).await;
        show("up", &amqp);
        show("up", &amqp.link());
        soon("close", amqp.close(Duration::from_secs(1))).await;

        fails("vhost", config("amqp", &format!("{address}/none"))).await;
        let wrong = format!("amqp://nobody:{IN_A_URL}@{address}");
        fails("login", AmqpConfig::new(&wrong).expect("valid URL")).await;
        fails("nobody there", config("amqp", "127.0.0.1:9")).await;
        fails(
            "fallback",
            config("amqp", "127.0.0.1:9").fallback("127.0.0.1:9"),
        )
        .await;
        fails("open network", config("amqp", "192.0.2.1")).await;
        fails(
            "no such name",
            config("amqp", "no-such-host.invalid").allow_plaintext_login(true),
        )
        .await;
        fails(
            "alert",
            config("amqp", &says(b"\x15\x03\x01\x00\x02\x02\x28".to_vec())),
        )
        .await;
        fails("nonsense", config("amqp", &says(vec![b'x'; 4096]))).await;
        fails(
            "old",
            config("amqp", &says(b"AMQP\x00\x00\x08\x00".to_vec())),
        )
        .await;
        if cfg!(feature = "tls") {
            let tls = Tls::new().identity_pem(CANARY, CANARY);
            fails("certificate", config("amqps", &address).tls(tls)).await;
            let tls = Tls::new().identity_pkcs12(CANARY, CANARY);
            fails("archive", config("amqps", &address).tls(tls)).await;
            fails("TLS to a port without", config("amqps", &address)).await;
        }
        // The password is on its way while the connection goes.
        for _ in 0..15 {
            fails("hung up", config("amqp", &says(greeting()))).await;
        }
        for url in [
            format!("amqp://someone:{CANARY}@host"),
            format!("amqp://someone:{IN_A_URL}@host/a/b"),
            format!("http://someone:{IN_A_URL}@host"),
            format!("amqp://someone:{IN_A_URL}@host:port"),
            format!("amqp://someone:{IN_A_URL}@host?heartbeat=x"),
        ] {
            show_error("URL", &AmqpConfig::new(&url).expect_err("broken"));
        }
    });
}

/// What becomes of the password on its way to a log.
fn forms() -> Vec<String> {
    let response = format!("\0someone\0{CANARY}");
    let hex = |bytes: &[u8]| {
        bytes.iter().fold(String::new(), |mut hex, byte| {
            write!(hex, "{byte:02x}").expect("text");
            hex
        })
    };
    let list = format!("{:?}", CANARY.as_bytes());
    let mut forms = vec![
        CANARY.to_owned(),
        IN_A_URL.to_owned(),
        "kanarien".to_owned(),
        hex(CANARY.as_bytes()),
        hex(CANARY.as_bytes()).to_uppercase(),
        list.trim_matches(['[', ']']).to_owned(),
        format!("{:#?}", CANARY.as_bytes())
            .trim_matches(['[', ']'])
            .trim()
            .to_owned(),
    ];
    for text in [CANARY, &response, &format!("someone:{CANARY}")] {
        let encoded = base64(text.as_bytes());
        forms.push(encoded.trim_end_matches('=').to_owned());
    }
    forms
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut encoded = String::new();
    for chunk in bytes.chunks(3) {
        let mut group = [0; 4];
        group[1..=chunk.len()].copy_from_slice(chunk);
        let group = u32::from_be_bytes(group);
        for place in 0..=chunk.len() {
            let letter = group >> (18 - 6 * place) & 63;
            encoded.push(char::from(LETTERS[letter as usize]));
        }
    }
    encoded
}

#[test]
fn what_is_looked_for_is_what_encoders_make() {
    assert_eq!(base64(b"any carnal pleas"), "YW55IGNhcm5hbCBwbGVhcw");
    assert!(forms().iter().all(|form| form.len() >= 8));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_password_shows_nowhere() {
    if is_alone() {
        return blocking(program).await;
    }
    let node = node().await;
    ctl(&node, &["add_user", "someone", CANARY]).await;
    ctl(
        &node,
        &["set_permissions", "-p", "/", "someone", ".*", ".*", ".*"],
    )
    .await;
    let address = format!("127.0.0.1:{}", node.port());
    let test = "faults::secrets::the_password_shows_nowhere";
    let printed = blocking(move || alone(test, &[("CANARY_BROKER", &address)])).await;
    for line in printed.lines() {
        for form in forms() {
            assert!(!line.contains(&form), "{form}: {line}");
        }
    }
    let whole = printed.replace(char::is_whitespace, "");
    for form in forms() {
        let form = form.replace(char::is_whitespace, "");
        assert!(!whole.contains(&form), "{form} over several lines");
    }
    // That it was looked for where it could have been.
    for part in [
        "TRACE lapin",
        "LOUD algedonic_amqp",
        "SHOWN login: failed to connect",
        "SHOWN vhost: failed to connect",
        "SHOWN hung up: failed to connect",
        "SHOWN nobody there: failed to connect",
        "SHOWN URL: failed to read",
        "SHOWN panic",
        "someone",
    ] {
        assert!(printed.contains(part), "{part}");
    }
}
