//! Lines that a person would like to look at.

use std::{
    io::{IsTerminal, Write},
    sync::LazyLock,
    time::SystemTime,
};

use algedonic::{AnyEnvelope, Feeling, Level, LinkState, Links, Signal};

use super::events::{Reading, State, StateChange, Trend};

static COLOURS: LazyLock<bool> =
    LazyLock::new(|| std::env::var_os("NO_COLOR").is_none() && std::io::stdout().is_terminal());

const DIM: &str = "2";
const BOLD: &str = "1";
const RED: &str = "31";
const GREEN: &str = "32";
const YELLOW: &str = "33";
const BLUE: &str = "34";
const CYAN: &str = "36";

fn paint(code: &str, text: impl AsRef<str>) -> String {
    let text = text.as_ref();
    if *COLOURS {
        format!("\x1b[{code}m{text}\x1b[0m")
    } else {
        text.to_owned()
    }
}

/// Prints one line; a reader that went away ends the program quietly.
pub(crate) fn line(who: &str, text: &str, remark: &str) {
    let time = time_of_day(SystemTime::now());
    let who = paint(CYAN, format!("{who:<4}"));
    let line = format!("{} {who} {text} {}", paint(DIM, time), paint(DIM, remark));
    if writeln!(std::io::stdout(), "{}", line.trim_end()).is_err() {
        std::process::exit(0);
    }
}

/// Coordinated universal time, to the second.
fn time_of_day(time: SystemTime) -> String {
    let seconds = time
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs() % 86_400);
    format!(
        "{:02}:{:02}:{:02}",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    )
}

/// Who says what in an event: the subsystem, and a line for people.
pub(crate) fn event(event: &AnyEnvelope) -> (&'static str, String) {
    if let Some(it) = event.downcast::<Reading>() {
        ("S1", reading(&it))
    } else if let Some(it) = event.downcast::<Trend>() {
        ("S2", trend(&it))
    } else if let Some(it) = event.downcast::<StateChange>() {
        ("S3", change(&it))
    } else if let Some(it) = event.downcast::<Signal>() {
        ("S5", signal(&it))
    } else {
        ("?", event.key().to_string())
    }
}

/// Whether an event is worth a line: trends come with each reading, and are worth one in five.
pub(crate) fn is_worth_a_line(event: &AnyEnvelope) -> bool {
    event
        .downcast::<Trend>()
        .is_none_or(|trend| trend.number.is_multiple_of(5))
}

fn reading(reading: &Reading) -> String {
    let Reading {
        metric,
        percent,
        detail,
        ..
    } = reading;
    let name = format!("{:<8}", metric.name());
    format!("{name} {} {percent:>5.1} %  {detail}", bar(*percent))
}

fn bar(percent: f64) -> String {
    const WIDTH: usize = 20;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and 20"
    )]
    let full = (percent.clamp(0.0, 100.0) / 100.0 * WIDTH as f64).round() as usize;
    let rest = paint(DIM, "·".repeat(WIDTH - full));
    format!("{}{rest}", paint(BLUE, "█".repeat(full)))
}

fn trend(trend: &Trend) -> String {
    let Trend {
        metric,
        samples,
        mean,
        highest,
        ..
    } = trend;
    let text = format!("mean of {samples}: {mean:.1} %, highest {highest:.1} %");
    format!("{:<8} {}", metric.name(), paint(DIM, text))
}

fn change(change: &StateChange) -> String {
    let state = |state| match state {
        State::Normal => paint(GREEN, "normal"),
        State::Strained => paint(YELLOW, "strained"),
    };
    let (old, new) = (state(change.old_state), state(change.new_state));
    format!("{:<8} {old} → {new}", change.metric.name())
}

fn signal(signal: &Signal) -> String {
    let (face, colour) = match signal.feeling {
        Feeling::Pain => ("▼", RED),
        Feeling::Pleasure => ("▲", GREEN),
    };
    let weight = if signal.level >= Level::High {
        BOLD
    } else {
        "22"
    };
    let head = format!("{face} {} {}", signal.feeling, signal.level);
    format!(
        "{}  {}: {}",
        paint(weight, paint(colour, head)),
        signal.source,
        signal.message
    )
}

/// Says when the mirror's link changes its state, until it is closed.
pub(crate) async fn links(mut links: Links) {
    let mut state = None;
    while let Some(link) = links.next().await {
        // A link that stays down says so at every attempt.
        if state.replace(link.state) != Some(link.state) {
            let colour = match link.state {
                LinkState::Up => GREEN,
                LinkState::Connecting => BLUE,
                _ => YELLOW,
            };
            line(
                "bus",
                &format!("mirror {}", paint(colour, link.to_string())),
                "",
            );
        }
    }
}
