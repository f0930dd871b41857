//! The guard of a node: a shell that runs its name server, and outlives the test process just long enough to clean up.

use crate::find::Server;
use crate::folder::Folder;
use crate::ports::Ports;
use std::ffi::OsStr;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

const SCRIPT: &str = include_str!("guard.sh");

/// Ends the name server and removes the folder when it is dropped, or when this process ends in whatever way.
#[derive(Debug)]
pub(crate) struct Guard(Child);

impl Guard {
    /// Starts the guard and, under it, the name server.
    pub(crate) fn start(server: &Server, folder: &Folder, ports: Ports) -> io::Result<Self> {
        let epmd = server.program(OsStr::new("epmd"));
        let child = Command::new("sh")
            .args(["-c", SCRIPT, "guard"])
            .arg(folder.outside())
            .arg(folder.name())
            .arg(epmd.get_program())
            .args(epmd.get_args())
            .args(["-port", &ports.epmd.to_string()])
            .env_clear()
            .envs(
                epmd.get_envs()
                    .filter_map(|(name, value)| Some((name, value?))),
            )
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // A key press that interrupts the tests must not reach it, or nobody cleans up.
            .process_group(0)
            .spawn()?;
        Ok(Self(child))
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // This closes the pipe first.
        let _ = self.0.wait();
    }
}
