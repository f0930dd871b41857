//! Lines that a person would like to look at.

use std::{
    io::{IsTerminal, Write},
    sync::LazyLock,
    time::SystemTime,
};

use algedonic::{Envelope, Feeling, Level, Link, LinkState, Signal};

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

pub(crate) fn reading(reading: &Reading) -> String {
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
    let colour = match percent {
        ..60.0 => GREEN,
        ..85.0 => YELLOW,
        _ => RED,
    };
    let rest = paint(DIM, "·".repeat(WIDTH - full));
    format!("{}{rest}", paint(colour, "█".repeat(full)))
}

pub(crate) fn trend(trend: &Trend) -> String {
    let Trend {
        metric,
        samples,
        mean,
        highest,
    } = trend;
    format!(
        "{:<8} mean of {samples}: {mean:.1} %, highest {highest:.1} %",
        metric.name()
    )
}

pub(crate) fn change(change: &StateChange) -> String {
    let state = |state| match state {
        State::Normal => paint(GREEN, "normal"),
        State::Strained => paint(YELLOW, "strained"),
    };
    let (old, new) = (state(change.old_state), state(change.new_state));
    format!("{:<8} {old} → {new}", change.metric.name())
}

pub(crate) fn signal(signal: &Envelope<Signal>) -> String {
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

pub(crate) fn link(link: &Link) -> String {
    let colour = match link.state {
        LinkState::Up => GREEN,
        LinkState::Connecting => BLUE,
        _ => YELLOW,
    };
    format!("mirror {}", paint(colour, link.to_string()))
}
