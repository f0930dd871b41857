//! Where the server is, and how a program of its installation is run.

use crate::StartError;
use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The real scripts of the Debian and RPM packages. Those on `PATH` are wrappers that change user and insist on the
/// system's own state folder.
const PACKAGED: &str = "/usr/lib/rabbitmq/bin";

/// Runs a program inside another root directory. The mount is made in a namespace of its own, so it ends with the
/// program; without `/proc` the server cannot measure memory, and the memory alarm would be missing. Every step is an
/// `exec`, so the process id stays that of the first.
const ENTER_ROOT: &str = r#"mount --bind /proc "$0/proc" && exec chroot "$0" "$@""#;

/// An installation of `RabbitMQ`.
#[derive(Debug)]
pub(crate) struct Server {
    scripts: PathBuf,
    root: Option<PathBuf>,
}

impl Server {
    /// Finds an installation: the environment first, then the package, then `PATH`.
    pub(crate) fn find() -> Result<Self, StartError> {
        if let Some(root) = path_of("ALGEDONIC_RABBITMQ_ROOT") {
            return Self::in_root(&root);
        }
        if let Some(script) = path_of("ALGEDONIC_RABBITMQ_SERVER") {
            return Self::of_script(&script);
        }
        let packaged = PathBuf::from(PACKAGED);
        if has_scripts(&packaged) {
            return Ok(Self {
                scripts: packaged,
                root: None,
            });
        }
        on_path().map_or_else(
            || Err(none(format!("looked in {PACKAGED} and on PATH"))),
            |scripts| {
                Ok(Self {
                    scripts,
                    root: None,
                })
            },
        )
    }

    fn in_root(root: &Path) -> Result<Self, StartError> {
        let root = resolved("ALGEDONIC_RABBITMQ_ROOT", root)?;
        let scripts = PathBuf::from(PACKAGED);
        if has_scripts(&below(&root, &scripts)) {
            return Ok(Self {
                scripts,
                root: Some(root),
            });
        }
        Err(none(format!(
            "ALGEDONIC_RABBITMQ_ROOT: no {PACKAGED} in {}",
            root.display()
        )))
    }

    fn of_script(script: &Path) -> Result<Self, StartError> {
        let script = resolved("ALGEDONIC_RABBITMQ_SERVER", script)?;
        let beside = script.parent().map(Path::to_path_buf).unwrap_or_default();
        if has_scripts(&beside) {
            return Ok(Self {
                scripts: beside,
                root: None,
            });
        }
        Err(none(format!(
            "ALGEDONIC_RABBITMQ_SERVER: no rabbitmqctl in {}",
            beside.display()
        )))
    }

    /// A command for a script of the installation, with an empty environment.
    pub(crate) fn script(&self, name: &str) -> Command {
        self.program(self.scripts.join(name).as_os_str())
    }

    /// A command for a program where the server lives, with an empty environment but for `PATH`.
    pub(crate) fn program(&self, program: &OsStr) -> Command {
        let mut command = match &self.root {
            None => Command::new(program),
            Some(root) => {
                let mut command = Command::new("unshare");
                command
                    .args(["--mount", "sh", "-c", ENTER_ROOT])
                    .arg(root)
                    .arg(program);
                command
            }
        };
        command
            .env_clear()
            .env("PATH", search_path())
            .env("LANG", "C.UTF-8");
        command
    }

    /// A folder for temporary files: as seen from here, and as seen by the server.
    pub(crate) fn temp(&self) -> (PathBuf, PathBuf) {
        match &self.root {
            None => (env::temp_dir(), env::temp_dir()),
            Some(root) => (root.join("tmp"), PathBuf::from("/tmp")),
        }
    }
}

fn none(looked: String) -> StartError {
    StartError::NoServer { looked }
}

fn resolved(variable: &str, path: &Path) -> Result<PathBuf, StartError> {
    path.canonicalize()
        .map_err(|error| none(format!("{variable}: {}: {error}", path.display())))
}

fn path_of(variable: &str) -> Option<PathBuf> {
    env::var_os(variable)
        .filter(|value| !value.is_empty())
        .map(PathBuf::from)
}

fn has_scripts(folder: &Path) -> bool {
    // A link that is absolute inside another root still counts: it need not lead anywhere from here.
    ["rabbitmq-server", "rabbitmqctl"]
        .iter()
        .all(|name| folder.join(name).symlink_metadata().is_ok())
}

fn below(root: &Path, absolute: &Path) -> PathBuf {
    root.join(absolute.strip_prefix("/").unwrap_or(absolute))
}

/// The folder of the real scripts when `rabbitmqctl` on `PATH` is a link to one of them.
fn on_path() -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path)
        .filter_map(|folder| folder.join("rabbitmqctl").canonicalize().ok())
        .filter_map(|ctl| ctl.parent().map(Path::to_path_buf))
        .find(|folder| has_scripts(folder) && folder.join("rabbitmq-env").exists())
}

/// The `PATH` of this process, and the folders of the system where `erl`, `epmd` and `chroot` are.
fn search_path() -> String {
    let own = env::var("PATH").unwrap_or_default();
    format!("{own}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
}
