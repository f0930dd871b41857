use std::{
    collections::{HashMap, HashSet},
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, Receiver},
    },
    time::{Duration, Instant},
};

use algedonic_test_broker::Node;

const PATIENCE: Duration = Duration::from_secs(60);

/// A running example, and the lines it prints. Dropped, it is ended.
struct Program {
    name: &'static str,
    child: Child,
    lines: Receiver<String>,
    printed: Vec<String>,
}

impl Program {
    fn start(name: &'static str, arguments: &[&str]) -> Self {
        let mut child = Command::new(example(name))
            .args(arguments)
            .env_remove("ALGEDONIC_AMQP_URL")
            .stdout(Stdio::piped())
            .spawn()
            .expect("the example starts");
        let output = BufReader::new(child.stdout.take().expect("piped"));
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self {
            name,
            child,
            lines,
            printed: Vec::new(),
        }
    }

    /// Reads until `wanted` holds of all that was printed.
    fn read_until(&mut self, what: &str, wanted: impl Fn(&[String]) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !wanted(&self.printed) {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(line) = self.lines.recv_timeout(left) else {
                let printed = self.printed.join("\n");
                panic!("{}: waited for {what}; printed:\n{printed}", self.name);
            };
            self.printed.push(line);
        }
    }

    /// Presses Ctrl-C, waits for its end, and returns all it printed.
    fn interrupt(self) -> Vec<String> {
        let pid = self.child.id().to_string();
        let told = Command::new("kill").args(["-INT", &pid]).status();
        assert!(told.expect("kill runs").success());
        self.finish()
    }

    /// Waits for its end, and returns all it printed.
    fn finish(mut self) -> Vec<String> {
        while let Ok(line) = self.lines.recv_timeout(PATIENCE) {
            self.printed.push(line);
        }
        let status = self.child.wait().expect("it was started");
        assert!(status.success(), "{}: {status}", self.name);
        std::mem::take(&mut self.printed)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Both fail only if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The example, built as this test was, of the whole workspace; up to date, that takes a moment.
fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a test is a file");
    let profile = test.ancestors().nth(2).expect("target/debug/deps/it");
    let target = profile.parent().expect("target/debug");
    let built = Command::new(env!("CARGO"))
        .args([
            "build",
            "--quiet",
            "--workspace",
            "--all-features",
            "--example",
            name,
            "--target-dir",
        ])
        .arg(target)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status()
        .expect("cargo runs");
    assert!(built.success(), "{name} does not build");
    profile.join("examples").join(name)
}

/// The ids in lines that hold `mark`.
fn ids(lines: &[String], mark: &str) -> Vec<String> {
    lines
        .iter()
        .filter(|line| line.contains(mark))
        .filter_map(|line| line.split_whitespace().next_back())
        .filter(|word| word.len() == 36 && word.matches('-').count() == 4)
        .map(str::to_owned)
        .collect()
}

/// Every event that the monitor saw confirmed is printed by the watcher, once, though the broker was
/// restarted in between; and the monitor misses nothing of its own.
#[test]
fn what_the_monitor_has_confirmed_the_watcher_prints_once() {
    let node = Node::start();
    let ups = |lines: &[String]| {
        lines
            .iter()
            .filter(|line| line.ends_with("mirror up"))
            .count()
    };
    let mut watch = Program::start(
        "host_watch",
        &["--amqp", &node.url(), "--ids", "--for", "5m"],
    );
    watch.read_until("its link", |lines| ups(lines) == 1);
    // Memory above nothing hurts from the beginning.
    let mut monitor = Program::start(
        "host_monitor",
        &[
            "--amqp",
            &node.url(),
            "--ids",
            "--for",
            "5m",
            "--every",
            "100ms",
            "--memory",
            "0",
        ],
    );
    let confirmed = |lines: &[String]| ids(lines, "confirmed").len();
    monitor.read_until("its first confirms", |lines| confirmed(lines) > 20);
    node.stop();
    monitor.read_until("the loss", |lines| {
        lines.iter().any(|line| line.contains("mirror down"))
    });
    node.restart();
    monitor.read_until("its link again", |lines| ups(lines) == 2);
    watch.read_until("its link again", |lines| ups(lines) == 2);
    let before = confirmed(&monitor.printed);
    monitor.read_until("confirms again", |lines| confirmed(lines) > before + 20);

    let monitor = monitor.interrupt();
    assert!(
        !monitor.iter().any(|line| line.ends_with("gap")),
        "{}",
        monitor.join("\n")
    );
    assert!(
        monitor.iter().any(|line| line.contains("▼ pain")),
        "{}",
        monitor.join("\n")
    );
    let local_only = ids(&monitor, "local only").len();
    assert!(local_only > 0, "the outage shows");

    let confirmed = ids(&monitor, "confirmed");
    watch.read_until("what was confirmed", |lines| {
        let printed: HashSet<String> = ids(lines, "").into_iter().collect();
        confirmed.iter().all(|id| printed.contains(id))
    });
    let watch = watch.interrupt();
    let mut times: HashMap<String, u32> = HashMap::new();
    for id in ids(&watch, "") {
        *times.entry(id).or_default() += 1;
    }
    for id in &confirmed {
        assert_eq!(times.get(id), Some(&1), "event {id}");
    }
    assert!(
        times.values().all(|times| *times == 1),
        "nothing is printed twice"
    );
    println!(
        "{} confirmed, {} printed, {local_only} local only",
        confirmed.len(),
        times.len()
    );
}

/// The first thing that a new user does needs no broker.
#[test]
fn the_monitor_runs_without_a_broker() {
    let printed = Program::start("host_monitor", &["--once"]).finish();
    for part in ["cpu", "memory", "shut down, nothing left"] {
        assert!(
            printed.iter().any(|line| line.contains(part)),
            "{part} in\n{}",
            printed.join("\n")
        );
    }
    // Nor does it need one that was asked for.
    let nowhere = ["--once", "--amqp", "amqp://127.0.0.1:9"];
    let printed = Program::start("host_monitor", &nowhere).finish();
    assert!(
        printed.iter().any(|line| line.contains("local only")),
        "{}",
        printed.join("\n")
    );
}

/// A threshold crossed raises pain; recovery raises pleasure.
#[test]
fn what_hurt_and_is_well_again_is_felt() {
    // No machine keeps all of its processors busy for ever; this test does, for a while.
    let mut monitor = Program::start(
        "host_monitor",
        &["--for", "5m", "--every", "200ms", "--cpu", "60"],
    );
    let busy = Arc::new(AtomicBool::new(true));
    let burners: Vec<_> = (0..std::thread::available_parallelism().map_or(2, usize::from))
        .map(|_| {
            let busy = Arc::clone(&busy);
            std::thread::spawn(move || while busy.load(Ordering::Relaxed) {})
        })
        .collect();
    monitor.read_until("pain", |lines| {
        lines
            .iter()
            .any(|line| line.contains("▼ pain") && line.contains("cpu"))
    });
    busy.store(false, Ordering::Relaxed);
    for burner in burners {
        burner.join().expect("no panic");
    }
    monitor.read_until("pleasure", |lines| {
        lines
            .iter()
            .any(|line| line.contains("▲ pleasure") && line.contains("cpu"))
    });
    monitor.interrupt();
}
