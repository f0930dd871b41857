//! The folder of one node: its configuration, data, logs and Erlang cookie.

use crate::find::Server;
use crate::ports::Ports;
use crate::signal;
use crate::tls::Tls;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};

const PREFIX: &str = "algedonic-test-";
const TAIL_LINES: usize = 40;

/// The folder of one node, named after the process that made it, so that a later process can see whether it is stale.
#[derive(Debug)]
pub(crate) struct Folder {
    name: String,
    outside: PathBuf,
    inside: PathBuf,
}

impl Folder {
    /// Makes an empty folder, and sweeps what dead processes left behind.
    pub(crate) fn create(server: &Server) -> io::Result<Self> {
        let (outside, inside) = server.temp();
        sweep_once(&outside);
        loop {
            let name = next_name();
            match fs::create_dir(outside.join(&name)) {
                Ok(()) => {
                    return Ok(Self {
                        outside: outside.join(&name),
                        inside: inside.join(&name),
                        name,
                    });
                }
                // Left by an earlier process with our id.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// A name that no other node of this machine has.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The path as seen by this process.
    pub(crate) fn outside(&self) -> &Path {
        &self.outside
    }

    /// A path in the folder, as the server sees it.
    pub(crate) fn inside(&self, name: &str) -> PathBuf {
        self.inside.join(name)
    }

    /// Writes what the server reads at its start.
    pub(crate) fn configure(&self, ports: Ports, tls: Option<&Tls>) -> io::Result<()> {
        for folder in ["home", "data", "log"] {
            fs::create_dir_all(self.outside.join(folder))?;
        }
        let plugins = tls.map_or("[].\n", |_| Tls::PLUGINS);
        fs::write(self.outside.join("plugins"), plugins)?;
        // An empty file keeps the machine's own settings out.
        fs::write(self.outside.join("env"), "")?;
        let mut configuration = configuration(&self.name, ports);
        if let Some(tls) = tls {
            tls.write(&self.outside)?;
            configuration += &Tls::configuration(ports, &self.inside);
        }
        fs::write(self.outside.join("rabbitmq.conf"), configuration)
    }

    /// Removes what the node has kept.
    pub(crate) fn forget(&self) -> io::Result<()> {
        let data = self.outside.join("data");
        fs::remove_dir_all(&data)?;
        fs::create_dir(&data)
    }

    /// Has the server import this at its start.
    pub(crate) fn import(&self, definitions: &str) -> io::Result<()> {
        let file = self.outside.join("definitions.json");
        if !file.exists() {
            let lines = format!(
                "definitions.import_backend = local_filesystem\n\
                 definitions.local.path = {}\n",
                self.inside("definitions.json").display()
            );
            let mut configuration = OpenOptions::new()
                .append(true)
                .open(self.outside.join("rabbitmq.conf"))?;
            configuration.write_all(lines.as_bytes())?;
        }
        fs::write(file, definitions)
    }

    /// The last lines of what the server said.
    pub(crate) fn log_tail(&self) -> String {
        let text = ["out", "log/node.log"]
            .iter()
            .map(|name| read_lossy(&self.outside.join(name)))
            .collect::<String>();
        let lines: Vec<_> = text.lines().collect();
        lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
    }
}

/// The cluster's name comes back in the greeting, and tells our node from a stranger on the same port.
fn configuration(name: &str, ports: Ports) -> String {
    format!(
        "listeners.tcp.1 = 127.0.0.1:{}\n\
         cluster_name = {name}\n\
         log.console = false\n\
         log.file = node.log\n\
         disk_free_limit.absolute = 50MB\n",
        ports.amqp
    )
}

fn read_lossy(path: &Path) -> String {
    fs::read(path)
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .unwrap_or_default()
}

fn next_name() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!(
        "{PREFIX}{}-{}",
        process::id(),
        NEXT.fetch_add(1, Ordering::Relaxed)
    )
}

/// Removes the folders of dead processes. Only processes whose guard was killed too leave one.
fn sweep_once(temp: &Path) {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let entries = fs::read_dir(temp).into_iter().flatten().flatten();
        let stale = entries.filter(|entry| {
            entry
                .file_name()
                .to_str()
                .and_then(owner)
                .is_some_and(is_dead)
        });
        for entry in stale {
            // Another process may be sweeping the same folder.
            let _ = fs::remove_dir_all(entry.path());
        }
    });
}

/// The process id in a folder's name.
fn owner(name: &str) -> Option<u32> {
    name.strip_prefix(PREFIX)?.split('-').next()?.parse().ok()
}

fn is_dead(pid: u32) -> bool {
    pid != process::id() && !signal::is_alive(pid)
}

#[cfg(test)]
mod tests {
    use super::owner;

    #[test]
    fn the_owner_is_in_the_name() {
        assert_eq!(owner("algedonic-test-17-0"), Some(17));
        assert_eq!(owner("algedonic-test-x-0"), None);
        assert_eq!(owner("other-17-0"), None);
    }
}
