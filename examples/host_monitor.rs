//! A viable system in one process, watching the machine it runs on.
//!
//! Operations (S1) read processor, memory, disks and processes. Coordination (S2) makes trends of
//! the readings, control (S3) judges the trends: a threshold crossed raises pain, recovery raises
//! pleasure. Policy (S5) listens to all of it, and prints.
//!
//! ```text
//! cargo run --release --example host_monitor -- --for 10s
//! cargo run --release --example host_monitor --features amqp -- --amqp amqp://localhost
//! ```

mod host;

use std::{
    collections::{HashMap, VecDeque},
    mem::discriminant,
    time::Duration,
};

use algedonic::{
    Buffer, Bus, Error, Event, Handler, Level, LocalOnly, Receipt, Remote, Signal,
    transport::BoxFuture,
};
use host::{
    events::{Metric, Reading, State, StateChange, Trend},
    mirror,
    options::Options,
    paint,
};
use sysinfo::{Disks, ProcessesToUpdate, System};
use tokio::{sync::mpsc, task::JoinHandle, time::MissedTickBehavior};

#[tokio::main]
async fn main() -> Result<(), Error> {
    let options = Options::from_args(
        "host_monitor",
        "watches this machine, and says where it hurts",
    );
    let bus = mirror::bus(&options, |mirror| {
        mirror
            .outbound::<Reading>()
            .outbound::<Trend>()
            .outbound::<StateChange>()
    })?;
    paint::line("bus", &bus.health().to_string(), "");

    let (outcomes, told) = follow_outcomes(options.ids);
    let policy = listen(&bus)?;
    let links = tokio::spawn(paint::links(bus.links()));
    coordinate(&bus, &outcomes).detach();
    control(&bus, &outcomes, &options).detach();
    tokio::select! {
        result = operate(&bus, &outcomes, &options) => result?,
        () = options.end() => {}
    }

    // What is on its way is finished; then everybody hears the end.
    let report = bus.shutdown(Duration::from_secs(5)).await;
    drop(outcomes);
    for listener in [policy, links, told] {
        listener.await.expect("no panic");
    }
    paint::line("bus", &report.to_string(), "");
    let counts = report.counts;
    let numbers = format!(
        "{} events, {} signals; {} confirmed, {} unroutable, {} unknown, {} local only",
        counts.published,
        counts.signals,
        counts.confirmed,
        counts.unroutable,
        counts.unknown,
        counts.local_only
    );
    paint::line("bus", &numbers, "");
    Ok(())
}

/// S1: reads the machine, and publishes what it reads.
async fn operate(bus: &Bus, outcomes: &Outcomes, options: &Options) -> Result<(), Error> {
    let mut machine = Machine::new();
    // The processor's load is a difference: the first reading has to have one before it.
    tokio::time::sleep(sysinfo::MINIMUM_CPU_UPDATE_INTERVAL).await;
    let mut ticks = tokio::time::interval(options.every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        for reading in machine.read() {
            outcomes.follow(bus.publish(reading).await?);
        }
        if options.once {
            return Ok(());
        }
    }
}

/// S2: a trend for each metric, from its latest readings.
fn coordinate(bus: &Bus, outcomes: &Outcomes) -> Handler {
    const WINDOW: usize = 5;
    let mut latest: HashMap<Metric, VecDeque<f64>> = HashMap::new();
    let publish = outcomes.publisher(bus);
    bus.on::<Reading>().handle(move |reading| {
        let window = latest.entry(reading.metric).or_default();
        window.push_back(reading.percent);
        if window.len() > WINDOW {
            window.pop_front();
        }
        publish(Trend {
            number: reading.number,
            metric: reading.metric,
            samples: window.len(),
            mean: window.iter().sum::<f64>() / window.len() as f64,
            highest: window.iter().copied().fold(0.0, f64::max),
        })
    })
}

/// S3: raises pain when a trend crosses its threshold, and pleasure when it is well below again.
fn control(bus: &Bus, outcomes: &Outcomes, options: &Options) -> Handler {
    /// How far below the threshold, in percent of the whole, it must fall before it counts as well.
    const HYSTERESIS: f64 = 5.0;
    let thresholds = HashMap::from([
        (Metric::Cpu, options.cpu),
        (Metric::Memory, options.memory),
        (Metric::Disk, options.disk),
    ]);
    let mut states: HashMap<Metric, State> = HashMap::new();
    let (raise, outcomes) = (bus.clone(), outcomes.clone());
    bus.on::<Trend>().handle(move |trend| {
        let metric = trend.metric;
        let threshold = thresholds.get(&metric).copied().unwrap_or(f64::INFINITY);
        let old_state = *states.entry(metric).or_insert(State::Normal);
        let new_state = match old_state {
            State::Normal if trend.mean > threshold => State::Strained,
            State::Strained if trend.mean < threshold - HYSTERESIS => State::Normal,
            same => same,
        };
        states.insert(metric, new_state);
        let (bus, outcomes) = (raise.clone(), outcomes.clone());
        async move {
            if old_state != new_state {
                let change = StateChange {
                    metric,
                    old_state,
                    new_state,
                };
                outcomes.follow(bus.publish(change).await?);
                let signal = judge(&trend, threshold, new_state);
                outcomes.follow(bus.signal(signal).await?);
            }
            Ok::<_, Error>(())
        }
    })
}

fn judge(trend: &Trend, threshold: f64, state: State) -> Signal {
    let (name, mean) = (trend.metric.name(), trend.mean);
    let signal = match state {
        State::Strained if mean > threshold + (100.0 - threshold) / 2.0 => {
            Signal::pain(Level::Critical, name)
        }
        State::Strained => Signal::pain(Level::High, name),
        State::Normal => Signal::pleasure(Level::Medium, name),
    };
    let words = match state {
        State::Strained => format!("{name} at {mean:.1} %, above {threshold:.0} %"),
        State::Normal => format!("{name} is well again, at {mean:.1} %"),
    };
    signal.source("s3").measured(mean, threshold).message(words)
}

/// S5: prints what it hears and feels, and says so if it missed anything.
fn listen(bus: &Bus) -> Result<JoinHandle<()>, Error> {
    let mut everything = bus.subscribe_pattern_with("#", Buffer::block(256))?;
    Ok(tokio::spawn(async move {
        let mut last = None;
        while let Some(event) = everything.recv().await {
            let event = match event {
                Ok(event) => event,
                Err(gap) => {
                    paint::line("S5", &gap.to_string(), "gap");
                    continue;
                }
            };
            if let Some(reading) = event.downcast::<Reading>() {
                if last.is_some_and(|last| reading.number != last + 1) {
                    paint::line("S5", "a reading is missing", "gap");
                }
                last = Some(reading.number);
            }
            if paint::is_worth_a_line(&event) {
                let (who, text) = paint::event(&event);
                paint::line(who, &text, "");
            }
        }
    }))
}

/// Follows events to their remote outcomes, beside the work.
#[derive(Clone)]
struct Outcomes(mpsc::Sender<Receipt>);

impl Outcomes {
    fn follow(&self, receipt: Receipt) {
        // Beyond the bound an outcome is not told here; the bus counts it all the same.
        let _ = self.0.try_send(receipt);
    }

    /// A function that publishes and follows.
    fn publisher<E: Event>(
        &self,
        bus: &Bus,
    ) -> impl Fn(E) -> BoxFuture<Result<(), Error>> + Send + 'static {
        let (bus, outcomes) = (bus.clone(), self.clone());
        move |event| {
            let (bus, outcomes) = (bus.clone(), outcomes.clone());
            Box::pin(async move {
                outcomes.follow(bus.publish(event).await?);
                Ok(())
            })
        }
    }
}

/// Tells what becomes of events beyond this process: when that changes, or of each.
fn follow_outcomes(each: bool) -> (Outcomes, JoinHandle<()>) {
    let (sender, mut receipts) = mpsc::channel::<Receipt>(8192);
    let told = tokio::spawn(async move {
        let mut last = None;
        while let Some(receipt) = receipts.recv().await {
            let id = receipt.id();
            let remote = receipt.remote().await;
            if matches!(remote, Remote::LocalOnly(LocalOnly::NoTransport)) {
                continue;
            }
            let changed = last.replace(discriminant(&remote)) != Some(discriminant(&remote));
            if each {
                paint::line("bus", &remote.to_string(), &id.to_string());
            } else if changed {
                paint::line("bus", &format!("events beyond this process: {remote}"), "");
            }
        }
    });
    (Outcomes(sender), told)
}

/// The machine as the operating system shows it.
struct Machine {
    system: System,
    disks: Disks,
    number: u64,
}

impl Machine {
    fn new() -> Self {
        let mut system = System::new();
        system.refresh_cpu_usage();
        system.refresh_processes(ProcessesToUpdate::All, true);
        Self {
            system,
            disks: Disks::new_with_refreshed_list(),
            number: 0,
        }
    }

    fn read(&mut self) -> Vec<Reading> {
        self.system.refresh_cpu_usage();
        self.system.refresh_memory();
        self.system.refresh_processes(ProcessesToUpdate::All, true);
        self.disks.refresh(true);
        [Some(self.cpu()), self.memory(), self.disk(), self.process()]
            .into_iter()
            .flatten()
            .map(|(metric, percent, detail)| {
                self.number += 1;
                Reading {
                    number: self.number,
                    metric,
                    percent,
                    detail,
                }
            })
            .collect()
    }

    fn cpu(&self) -> (Metric, f64, String) {
        let load = System::load_average();
        let cores = self.system.cpus().len();
        let percent = f64::from(self.system.global_cpu_usage());
        (
            Metric::Cpu,
            percent,
            format!("{cores} cores, load {:.2}", load.one),
        )
    }

    fn memory(&self) -> Option<(Metric, f64, String)> {
        let (used, total) = (self.system.used_memory(), self.system.total_memory());
        Some((
            Metric::Memory,
            share(used, total)?,
            format!("{} of {}", size(used), size(total)),
        ))
    }

    /// The fullest disk.
    fn disk(&self) -> Option<(Metric, f64, String)> {
        let used = |disk: &sysinfo::Disk| disk.total_space() - disk.available_space();
        self.disks
            .iter()
            .filter_map(|disk| Some((share(used(disk), disk.total_space())?, disk)))
            .max_by(|a, b| a.0.total_cmp(&b.0))
            .map(|(percent, disk)| {
                let (used, total) = (size(used(disk)), size(disk.total_space()));
                let mount = disk.mount_point().display();
                (
                    Metric::Disk,
                    percent,
                    format!("{used} of {total} on {mount}"),
                )
            })
    }

    /// The process with the most memory.
    fn process(&self) -> Option<(Metric, f64, String)> {
        let process = self
            .system
            .processes()
            .values()
            // Threads are listed, too, each with the memory of all.
            .filter(|process| process.thread_kind().is_none())
            .max_by_key(|process| process.memory())?;
        let percent = share(process.memory(), self.system.total_memory())?;
        let name = process.name().to_string_lossy();
        Some((
            Metric::Process,
            percent,
            format!("{name} holds {}", size(process.memory())),
        ))
    }
}

fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64 * 100.0)
}

fn size(bytes: u64) -> String {
    let gib = bytes as f64 / f64::from(1 << 30);
    if gib >= 1.0 {
        format!("{gib:.1} GiB")
    } else {
        format!("{:.0} MiB", gib * 1024.0)
    }
}
