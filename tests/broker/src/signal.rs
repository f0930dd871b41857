//! Signals to processes, through the shell's own `kill`: `std` has no other way, and not every image has the program.

use std::fs;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Sends a signal by its name; says whether there was a process to take it.
pub(crate) fn send(name: &str, pid: u32) -> bool {
    Command::new("sh")
        .args(["-c", r#"kill -s "$0" "$1""#, name, &pid.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Whether the process exists. Another user's process also counts as alive where the system has `/proc`.
pub(crate) fn is_alive(pid: u32) -> bool {
    fs::metadata(format!("/proc/{pid}")).is_ok() || send("0", pid)
}

/// Waits until a stop signal has taken effect, where the system shows it: the signal is delivered a moment later.
pub(crate) fn await_stopped(pid: u32) {
    let deadline = Instant::now() + Duration::from_secs(5);
    while state_of(pid).is_some_and(|state| state != 'T') && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(1));
    }
}

/// The state letter of `/proc/PID/stat`: the first word after the name, which is in parentheses and may hold spaces.
fn state_of(pid: u32) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}
