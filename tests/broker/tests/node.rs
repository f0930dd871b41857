//! What a private node promises, tried on real nodes.

use algedonic_test_broker::{Node, shared_url, shared_version, unique};
use std::env;
use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

#[test]
fn a_killed_or_stopped_node_comes_back_with_its_data() {
    let node = timed("start", Node::start);
    assert!(node.is_up());
    assert!(!node.version().is_empty());
    let vhost = unique("kept");
    timed("ctl", || node.ctl(&["add_vhost", &vhost]));

    timed("kill", || node.kill());
    assert!(!is_open(node.port()) && !node.is_up());
    timed("restart", || node.restart());
    assert!(node.is_up());
    assert!(node.ctl(&["list_vhosts"]).lines().any(|line| line == vhost));

    timed("stop", || node.stop());
    assert!(!is_open(node.port()));
    timed("restart", || node.restart());
    assert!(node.ctl(&["list_vhosts"]).lines().any(|line| line == vhost));
}

#[test]
fn a_node_that_restarts_empty_knows_nothing_any_more_but_what_it_is_told_to_import() {
    let node = Node::start();
    let vhost = unique("kept");
    node.ctl(&["add_vhost", &vhost]);
    let vhosts = || node.ctl(&["list_vhosts"]);
    node.restart_empty();
    assert!(node.is_up());
    assert!(!vhosts().lines().any(|line| line == vhost));

    node.import_at_start(&format!(r#"{{"vhosts":[{{"name":"{vhost}"}}]}}"#));
    node.restart_empty();
    assert!(vhosts().lines().any(|line| line == vhost));
    // Then it makes nothing by itself.
    assert_eq!(vhosts().lines().filter(|line| *line == "/").count(), 0);
}

#[test]
fn a_running_node_restarts() {
    let node = Node::start();
    let mut client = connect(node.port());
    assert!(answers(&mut client));
    node.restart();
    assert!(!answers(&mut client), "the old connection is gone");
    assert!(node.is_up());
}

#[test]
fn a_paused_node_answers_nobody_until_it_goes_on() {
    let node = Node::start();
    node.pause();
    let mut client = connect(node.port());
    assert!(!answers(&mut client));
    assert!(!node.is_up());
    node.resume();
    assert!(answers(&mut client), "what was sent meanwhile is answered");

    node.pause();
    node.restart();
    assert!(node.is_up());
}

#[test]
fn a_memory_alarm_can_be_raised() {
    let node = Node::start();
    node.ctl(&["set_vm_memory_high_watermark", "0.000001"]);
    eventually("alarm", || {
        node.ctl(&["eval", "rabbit_alarm:get_alarms()."])
            .contains("memory")
    });
}

#[test]
fn two_nodes_do_not_meet_and_leave_nothing() {
    let other = thread::spawn(Node::start);
    let node = Node::start();
    let other = other.join().expect("the other node");
    assert_ne!(node.port(), other.port());
    let vhost = unique("mine");
    node.ctl(&["add_vhost", &vhost]);
    assert!(!other.ctl(&["list_vhosts"]).contains(&vhost));

    // One that is paused reads no end of file.
    other.pause();
    assert_leaves_nothing(node);
    assert!(is_open(other.port()));
    assert_leaves_nothing(other);
}

fn assert_leaves_nothing(node: Node) {
    let (port, folder) = (node.port(), node.folder().to_path_buf());
    let name = folder
        .file_name()
        .and_then(OsStr::to_str)
        .expect("a plain name")
        .to_owned();
    assert!(is_open(port) && folder.exists());
    timed("drop", || drop(node));
    assert!(!is_open(port));
    assert!(!folder.exists());
    assert_eq!(processes_of(&name), Vec::<u32>::new());
}

#[test]
fn the_shared_broker_stays_the_same() {
    assert_eq!(shared_url(), shared_url());
    assert!(shared_version().split('.').count() >= 3);
}

#[test]
fn a_node_ends_with_a_killed_process() {
    let mut holder = Holder::start();
    holder.kill();
    holder.assert_nothing_left();
}

#[test]
fn a_paused_node_ends_with_a_killed_process() {
    let mut holder = Holder::start();
    let nodes = processes_of(&holder.name());
    assert!(!nodes.is_empty());
    for pid in nodes {
        let status = Command::new("sh")
            .args(["-c", "kill -s STOP $0", &pid.to_string()])
            .status();
        assert!(status.expect("kill").success());
    }
    holder.kill();
    holder.assert_nothing_left();
}

#[test]
fn without_a_server_the_ways_to_get_one_are_said() {
    let output = shared_node()
        .arg("true")
        .env("ALGEDONIC_RABBITMQ_SERVER", "/nonexistent/rabbitmq-server")
        .env_remove("ALGEDONIC_RABBITMQ_ROOT")
        .output()
        .expect("shared_node");
    assert!(!output.status.success());
    let text = String::from_utf8_lossy(&output.stderr);
    for way in [
        "apt-get install",
        "ALGEDONIC_RABBITMQ_SERVER",
        "docker compose up",
        "/nonexistent/",
    ] {
        assert!(text.contains(way), "{way} is missing in: {text}");
    }
}

#[test]
fn the_exit_code_of_a_command_is_passed_on() {
    let status = shared_node()
        .args([
            "sh",
            "-c",
            r#"test -n "$ALGEDONIC_TEST_AMQP_URL" && exit 7"#,
        ])
        .status();
    assert_eq!(status.expect("shared_node").code(), Some(7));
}

/// A process that holds a node, to be killed.
struct Holder {
    child: Child,
    port: u16,
}

impl Holder {
    fn start() -> Self {
        // `cat` ends when this process no longer holds the other side of its input.
        let mut child = shared_node()
            .arg("cat")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("holder");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("its output"))
            .read_line(&mut line)
            .expect("its first line");
        let port = line
            .trim()
            .rsplit_once("127.0.0.1:")
            .and_then(|(_, rest)| rest.split('/').next()?.parse().ok());
        Self {
            child,
            port: port.unwrap_or_else(|| panic!("no port in {line:?}")),
        }
    }

    /// How the names of its nodes start.
    fn name(&self) -> String {
        format!("algedonic-test-{}-", self.child.id())
    }

    fn kill(&mut self) {
        assert!(is_open(self.port));
        self.child.kill().expect("kill -9");
        self.child.wait().expect("its end");
    }

    fn assert_nothing_left(&self) {
        let name = self.name();
        eventually("closed port", || !is_open(self.port));
        eventually("no process", || processes_of(&name).is_empty());
        eventually("no folder", || folders_of(&name).is_empty());
    }
}

fn shared_node() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shared_node"));
    command.env_remove("ALGEDONIC_TEST_AMQP_URL");
    command
}

fn is_open(port: u16) -> bool {
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
}

fn connect(port: u16) -> TcpStream {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("a connection");
    stream
        .write_all(b"AMQP\x00\x00\x09\x01")
        .expect("the protocol header");
    stream
}

/// Whether an octet comes within a second; what came before does not count.
fn answers(stream: &mut TcpStream) -> bool {
    stream
        .set_read_timeout(Some(Duration::from_secs(1)))
        .expect("a timeout");
    loop {
        let mut buffer = [0; 4096];
        match stream.read(&mut buffer) {
            Ok(4096) => {}
            Ok(count) => return count > 0,
            Err(_) => return false,
        }
    }
}

/// The folders of nodes whose name starts like this.
fn folders_of(name: &str) -> Vec<PathBuf> {
    let temp = env::var_os("ALGEDONIC_RABBITMQ_ROOT")
        .map_or_else(env::temp_dir, |root| PathBuf::from(root).join("tmp"));
    let entries = fs::read_dir(temp)
        .expect("the folder for temporary files")
        .flatten();
    entries
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(name))
        .map(|entry| entry.path())
        .collect()
}

/// The Erlang machines of nodes whose name starts like this; none where the system has no `/proc`.
fn processes_of(name: &str) -> Vec<u32> {
    let marker = format!("-algedonic\0{name}");
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter(|entry| {
            String::from_utf8_lossy(&fs::read(entry.path().join("cmdline")).unwrap_or_default())
                .contains(&marker)
        })
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect()
}

fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(15);
    while !holds() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// Shows with `--nocapture` how long a step took.
fn timed<T>(what: &str, step: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = step();
    println!("{what}: {:.2} s", start.elapsed().as_secs_f64());
    result
}
