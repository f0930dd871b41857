//! A private node, and what a test may do to it.

use crate::find::Server;
use crate::folder::Folder;
use crate::guard::Guard;
use crate::ports::Ports;
use crate::tls::Tls;
use crate::{StartError, launch, ready, signal};
use std::path::Path;
use std::process::Child;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

const START_ATTEMPTS: u32 = 3;
const STOP_PATIENCE: Duration = Duration::from_secs(30);
const ANSWER_PATIENCE: Duration = Duration::from_secs(1);

/// A `RabbitMQ` node that only this process knows.
///
/// Every method **blocks** until what it says has happened: see the crate's documentation. All take `&self`, so that
/// tasks can share a node; calls that change its state wait for each other. Dropping it ends the node and removes its
/// folder; when the process ends without that, the node still ends, within a second or so.
#[derive(Debug)]
pub struct Node {
    server: Server,
    folder: Folder,
    ports: Ports,
    speaks_tls: bool,
    version: String,
    /// The Erlang machine, while there is one.
    vm: Mutex<Option<Child>>,
    /// Held for its drop, after that of this struct: the folder goes when the machine is gone.
    _guard: Guard,
}

impl Node {
    /// Starts a node and waits until it is up, 3 to 6 seconds on an idle machine.
    ///
    /// # Panics
    /// When there is no server to start; the text says the ways to get one. When it does not come up; the text ends
    /// with its log.
    pub fn start() -> Self {
        Self::try_start().unwrap_or_else(|error| panic!("{error}"))
    }

    /// Like [`Node::start`], for callers that can do without.
    pub fn try_start() -> Result<Self, StartError> {
        Self::try_start_with(None)
    }

    /// Like [`Node::start`], with a port for TLS too, on which clients may show a certificate of the authority, and
    /// log in as the user of its common name.
    ///
    /// # Panics
    /// As [`Node::start`].
    pub fn start_with_tls(tls: &Tls) -> Self {
        Self::try_start_with(Some(tls)).unwrap_or_else(|error| panic!("{error}"))
    }

    fn try_start_with(tls: Option<&Tls>) -> Result<Self, StartError> {
        let mut attempt = 1;
        loop {
            match Self::start_on(Ports::free()?, tls) {
                Err(error) if error.is_port_clash() && attempt < START_ATTEMPTS => attempt += 1,
                result => return result,
            }
        }
    }

    fn start_on(ports: Ports, tls: Option<&Tls>) -> Result<Self, StartError> {
        let server = Server::find()?;
        let folder = Folder::create(&server)?;
        let guard = Guard::start(&server, &folder, ports)?;
        let mut node = Self {
            server,
            folder,
            ports,
            speaks_tls: tls.is_some(),
            version: String::new(),
            vm: Mutex::new(None),
            _guard: guard,
        };
        node.folder.configure(ports, tls)?;
        ready::await_epmd(ports.epmd)?;
        let version = node.launch(&mut node.vm())?;
        node.version = version;
        Ok(node)
    }

    /// Where clients connect: the user `guest` and the virtual host `/`.
    pub fn url(&self) -> String {
        format!("amqp://guest:guest@127.0.0.1:{}/%2f", self.ports.amqp)
    }

    /// The port for clients, on 127.0.0.1. It stays the same over a restart.
    pub fn port(&self) -> u16 {
        self.ports.amqp
    }

    /// The port for clients that speak TLS, on 127.0.0.1; nobody listens unless the node was started with it.
    pub fn tls_port(&self) -> u16 {
        self.ports.tls
    }

    /// Gives the node another certificate, which counts from its next start on.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn set_certificate(&self, tls: &Tls) {
        tls.write(self.folder.outside())
            .unwrap_or_else(|error| panic!("the certificate could not be written: {error}"));
    }

    /// The server's version, as in `3.10.8`.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The folder of the node's data and logs, which goes with the node. Its last component is a name that no other
    /// node of this machine has.
    pub fn folder(&self) -> &Path {
        self.folder.outside()
    }

    /// Whether the node answers a client within a second. A paused node does not.
    pub fn is_up(&self) -> bool {
        ready::greeting_of(self.ports.amqp, &self.folder, ANSWER_PATIENCE).is_some()
    }

    /// Kills the Erlang machine with SIGKILL, paused or not, and returns when it is gone. What was not on disk is lost.
    pub fn kill(&self) {
        kill_vm(&mut self.vm());
    }

    /// Ends the node as an administrator would: connections are closed, data are written. Takes about a second.
    ///
    /// # Panics
    /// When the node does not end within 30 seconds.
    pub fn stop(&self) {
        stop_vm(&mut self.vm());
    }

    /// Starts the node again, on the same ports and with the same data, and returns when it is up. A node that is
    /// running, or paused, is stopped first.
    ///
    /// # Panics
    /// When the node does not come up; the text ends with its log.
    pub fn restart(&self) {
        let mut vm = self.vm();
        stop_vm(&mut vm);
        self.launch_again(&mut vm);
    }

    /// Like [`Node::restart`], but the node has forgotten everything: all that it starts with is what a new one has.
    ///
    /// # Panics
    /// As [`Node::restart`]; and when the data cannot be removed.
    pub fn restart_empty(&self) {
        let mut vm = self.vm();
        stop_vm(&mut vm);
        self.folder
            .forget()
            .unwrap_or_else(|error| panic!("the data could not be removed: {error}"));
        self.launch_again(&mut vm);
    }

    /// Has the node import these definitions at each start from the next one on, before it lets clients in.
    ///
    /// # Panics
    /// When they cannot be written.
    pub fn import_at_start(&self, definitions: &str) {
        self.folder
            .import(definitions)
            .unwrap_or_else(|error| panic!("the definitions could not be written: {error}"));
    }

    /// Stops the Erlang machine with SIGSTOP: connections stay open, nothing is answered.
    ///
    /// # Panics
    /// When the node is not running.
    pub fn pause(&self) {
        let pid = self.running_pid();
        assert!(
            signal::send("STOP", pid),
            "the node is gone, it cannot be paused"
        );
        signal::await_stopped(pid);
    }

    /// Lets a paused node go on; does nothing to one that runs.
    ///
    /// # Panics
    /// When the node is not running.
    pub fn resume(&self) {
        assert!(
            signal::send("CONT", self.running_pid()),
            "the node is gone, it cannot go on"
        );
    }

    /// Runs `rabbitmqctl --silent` with these arguments against the node, and returns what it printed. Takes about
    /// half a second; on a paused node it hangs.
    ///
    /// # Panics
    /// When it fails, with its output.
    pub fn ctl(&self, arguments: &[&str]) -> String {
        let mut command = launch::ctl(&self.server, &self.folder, self.ports);
        let output = command
            .args(arguments)
            .output()
            .unwrap_or_else(|error| panic!("rabbitmqctl: {error}"));
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "rabbitmqctl {arguments:?} failed: {}\n{printed}{complaint}",
            output.status
        );
        printed
    }

    fn launch_again(&self, vm: &mut Option<Child>) {
        if let Err(error) = self.launch(vm) {
            panic!(
                "the node on port {} did not restart: {error}",
                self.ports.amqp
            );
        }
    }

    fn launch(&self, vm: &mut Option<Child>) -> Result<String, StartError> {
        let child = vm.insert(launch::server(&self.server, &self.folder, self.ports)?);
        let mut result = ready::await_node(child, self.ports.amqp, &self.folder);
        if self.speaks_tls {
            let port = self.ports.tls;
            result =
                result.and_then(|version| ready::await_tls(port, &self.folder).map(|()| version));
        }
        if result.is_err() {
            kill_vm(vm);
        }
        result
    }

    fn running_pid(&self) -> u32 {
        self.vm()
            .as_ref()
            .map(Child::id)
            .expect("the node is down; restart it first")
    }

    /// A test that panics while it holds the lock must not turn the end of the node into a second panic.
    fn vm(&self) -> MutexGuard<'_, Option<Child>> {
        self.vm.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        kill_vm(&mut self.vm());
    }
}

fn kill_vm(vm: &mut Option<Child>) {
    if let Some(mut child) = vm.take() {
        // An error says that it was gone already.
        let _ = child.kill();
        let _ = child.wait();
    }
}

fn stop_vm(vm: &mut Option<Child>) {
    let Some(child) = vm.as_mut() else { return };
    signal::send("CONT", child.id());
    signal::send("TERM", child.id());
    let ended = ends_within(child, STOP_PATIENCE);
    kill_vm(vm);
    assert!(ended, "the node did not stop within {STOP_PATIENCE:?}");
}

fn ends_within(child: &mut Child, patience: Duration) -> bool {
    let deadline = Instant::now() + patience;
    // `Child::wait` would close the pipe first, and that ends the node in the hard way.
    while matches!(child.try_wait(), Ok(None)) {
        if Instant::now() >= deadline {
            return false;
        }
        thread::sleep(Duration::from_millis(10));
    }
    true
}
