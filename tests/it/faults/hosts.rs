use std::{
    collections::HashMap,
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
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
    fn start(name: &'static str, url: &str, arguments: &[&str]) -> Self {
        let mut child = Command::new(example(name))
            .args(["--amqp", url])
            .args(arguments)
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

/// The example, built as this test was; up to date, that takes a moment.
fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a test is a file");
    let profile = test.ancestors().nth(2).expect("target/debug/deps/it");
    let target = profile.parent().expect("target/debug");
    let built = Command::new(env!("CARGO"))
        .args([
            "build",
            "--quiet",
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
    let node = Arc::new(Node::start());
    let up = |lines: &[String]| lines.iter().any(|line| line.ends_with("mirror up"));
    let mut watch = Program::start("host_watch", &node.url(), &["--for", "5m"]);
    watch.read_until("its link", up);
    let options = [
        "--for", "25s", "--every", "100ms", "--memory", "0", "--disk", "100",
    ];
    let mut monitor = Program::start("host_monitor", &node.url(), &options);
    monitor.read_until("its first confirms", |lines| {
        ids(lines, "confirmed").len() > 20
    });
    node.stop();
    monitor.read_until("the loss", |lines| {
        lines.iter().any(|line| line.contains("mirror down"))
    });
    node.restart();
    let ups = |lines: &[String]| {
        lines
            .iter()
            .filter(|line| line.ends_with("mirror up"))
            .count()
    };
    monitor.read_until("its link again", |lines| ups(lines) == 2);
    watch.read_until("its link again", |lines| ups(lines) == 2);
    let before = ids(&monitor.printed, "confirmed").len();
    monitor.read_until("confirms again", |lines| {
        ids(lines, "confirmed").len() > before + 20
    });

    let monitor = monitor.finish();
    let confirmed = ids(&monitor, "confirmed");
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
    let local_only = monitor
        .iter()
        .filter(|line| line.contains("local only"))
        .count();
    assert!(local_only > 0, "the outage shows");

    watch.read_until("what was confirmed", |lines| {
        let printed = ids(lines, "");
        confirmed.iter().all(|id| printed.contains(id))
    });
    let mut times: HashMap<String, u32> = HashMap::new();
    for id in ids(&watch.printed, "") {
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
