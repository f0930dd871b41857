//! The processes of a node: the server itself, and `rabbitmqctl`, with the environment that they share.

use crate::find::Server;
use crate::folder::Folder;
use crate::ports::Ports;
use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

/// Keeps the port for `rabbitmqctl` off the network; by default it listens on every address.
const LOOPBACK_ONLY: &str = "-kernel inet_dist_use_interface {127,0,0,1}";
/// Without these the idle schedulers of each node spin, at the cost of the tests.
const NO_BUSY_WAIT: &str = "+sbwt none +sbwtdcpu none +sbwtdio none";

/// Starts the server. The child is the Erlang machine itself: with `RABBITMQ_ALLOW_INPUT` the scripts replace
/// themselves by it, and it reads its standard input, so it ends when this process no longer holds the other side.
pub(crate) fn server(server: &Server, folder: &Folder, ports: Ports) -> io::Result<Child> {
    let out = OpenOptions::new()
        .create(true)
        .append(true)
        .open(folder.outside().join("out"))?;
    let mut command = server.script("rabbitmq-server");
    set_environment(&mut command, folder, ports);
    // The name among the arguments lets the guard tell the machine from a stranger with the same process id.
    let arguments = format!(
        "{NO_BUSY_WAIT} {LOOPBACK_ONLY} -algedonic {}",
        folder.name()
    );
    let child = command
        .env("RABBITMQ_ALLOW_INPUT", "1")
        .env("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", arguments)
        .stdin(Stdio::piped())
        .stdout(out.try_clone()?)
        .stderr(out)
        .process_group(0)
        .spawn()?;
    fs::write(folder.outside().join("vm.pid"), child.id().to_string())?;
    Ok(child)
}

/// A `rabbitmqctl` that talks to the node.
pub(crate) fn ctl(server: &Server, folder: &Folder, ports: Ports) -> Command {
    let mut command = server.script("rabbitmqctl");
    set_environment(&mut command, folder, ports);
    command
        .env("RABBITMQ_CTL_ERL_ARGS", LOOPBACK_ONLY)
        .arg("--silent")
        .stdin(Stdio::null());
    command
}

fn set_environment(command: &mut Command, folder: &Folder, ports: Ports) {
    command
        // The Erlang cookie is made and found here.
        .env("HOME", folder.inside("home"))
        .env("RABBITMQ_NODENAME", format!("t{}@localhost", ports.amqp))
        .env("RABBITMQ_CONF_ENV_FILE", folder.inside("env"))
        .env("RABBITMQ_CONFIG_FILE", folder.inside("rabbitmq.conf"))
        .env("RABBITMQ_ENABLED_PLUGINS_FILE", folder.inside("plugins"))
        .env("RABBITMQ_MNESIA_BASE", folder.inside("data"))
        .env("RABBITMQ_LOG_BASE", folder.inside("log"))
        .env("RABBITMQ_DIST_PORT", ports.distribution.to_string())
        .env("ERL_EPMD_PORT", ports.epmd.to_string())
        .env("ERL_EPMD_ADDRESS", "127.0.0.1");
}
