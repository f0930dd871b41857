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
    time::Duration,
};

use algedonic::{Buffer, Bus, Error, EventId, Handler, Level, LocalOnly, Receipt, Remote, Signal};
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

    let (outcomes, printer) = print_outcomes();
    let policy = [listen(&bus), tell_links(&bus)];
    let coordination = coordinate(&bus, &outcomes);
    let control = control(&bus, &outcomes, &options);
    tokio::select! {
        result = operate(&bus, &outcomes, &options) => result?,
        () = end(&options) => {}
    }

    // What is on its way is finished; then everybody hears the end.
    let report = bus.shutdown(Duration::from_secs(5)).await;
    drop((outcomes, coordination, control));
    for listener in policy {
        listener.await.expect("no panic");
    }
    printer.await.expect("no panic");
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
            let text = paint::reading(&reading);
            outcomes.tell("S1", text, bus.publish(reading).await?);
        }
        if options.once {
            return Ok(());
        }
    }
}

/// S2: a trend for each metric, from its latest readings.
fn coordinate(bus: &Bus, outcomes: &Outcomes) -> Handler {
    const WINDOW: usize = 5;
    let (bus, outcomes) = (bus.clone(), outcomes.clone());
    let mut latest: HashMap<Metric, VecDeque<f64>> = HashMap::new();
    let handler = bus.clone();
    handler.on::<Reading>().handle(move |reading| {
        let window = latest.entry(reading.metric).or_default();
        window.push_back(reading.percent);
        if window.len() > WINDOW {
            window.pop_front();
        }
        let trend = Trend {
            metric: reading.metric,
            samples: window.len(),
            mean: window.iter().sum::<f64>() / window.len() as f64,
            highest: window.iter().copied().fold(0.0, f64::max),
        };
        // Trends are worth a line once a window.
        let tell = reading.number % WINDOW as u64 == 0;
        let (bus, outcomes) = (bus.clone(), outcomes.clone());
        async move {
            let text = paint::trend(&trend);
            let receipt = bus.publish(trend).await?;
            if tell {
                outcomes.tell("S2", text, receipt);
            }
            Ok::<_, Error>(())
        }
    })
}

/// S3: raises pain when a trend crosses its threshold, and pleasure when it is well below again.
fn control(bus: &Bus, outcomes: &Outcomes, options: &Options) -> Handler {
    /// How far below the threshold, in percent of the whole, it must fall before it counts as well.
    const HYSTERESIS: f64 = 5.0;
    let (bus, outcomes) = (bus.clone(), outcomes.clone());
    let thresholds = HashMap::from([
        (Metric::Cpu, options.cpu),
        (Metric::Memory, options.memory),
        (Metric::Disk, options.disk),
    ]);
    let mut states: HashMap<Metric, State> = HashMap::new();
    let handler = bus.clone();
    handler.on::<Trend>().handle(move |trend| {
        let metric = trend.metric;
        let threshold = thresholds.get(&metric).copied().unwrap_or(f64::INFINITY);
        let state = states.entry(metric).or_insert(State::Normal);
        let old_state = *state;
        match old_state {
            State::Normal if trend.mean > threshold => *state = State::Strained,
            State::Strained if trend.mean < threshold - HYSTERESIS => *state = State::Normal,
            _ => {}
        }
        let new_state = *state;
        let (bus, outcomes) = (bus.clone(), outcomes.clone());
        async move {
            if old_state == new_state {
                return Ok(());
            }
            let change = StateChange {
                metric,
                old_state,
                new_state,
            };
            outcomes.tell("S3", paint::change(&change), bus.publish(change).await?);
            bus.signal(judge(&trend, threshold, new_state)).await?;
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

/// S5: prints what it feels, and says so if it missed anything.
fn listen(bus: &Bus) -> JoinHandle<()> {
    let mut signals = bus.signals();
    let mut readings = bus.subscribe_with::<Reading>(Buffer::block(256));
    tokio::spawn(async move {
        let mut last = None;
        loop {
            tokio::select! {
                biased;
                Some(signal) = signals.recv() => match signal {
                    Ok(signal) => paint::line("S5", &paint::signal(&signal), ""),
                    Err(gap) => paint::line("S5", &gap.to_string(), "gap"),
                },
                Some(reading) = readings.recv() => match reading {
                    Ok(reading) => {
                        if last.is_some_and(|last| reading.number != last + 1) {
                            paint::line("S5", "a reading is missing", "gap");
                        }
                        last = Some(reading.number);
                    }
                    Err(gap) => paint::line("S5", &gap.to_string(), "gap"),
                },
                else => return,
            }
        }
    })
}

/// Says when the mirror's link changes.
fn tell_links(bus: &Bus) -> JoinHandle<()> {
    let mut links = bus.links();
    tokio::spawn(async move {
        let mut state = None;
        while let Some(link) = links.next().await {
            // A link that stays down says so at every attempt.
            if state.replace(link.state) != Some(link.state) {
                paint::line("bus", &paint::link(&link), "");
            }
        }
    })
}

/// Prints each line when it is known what became of its event.
#[derive(Clone)]
struct Outcomes(mpsc::UnboundedSender<(&'static str, String, Receipt)>);

impl Outcomes {
    fn tell(&self, who: &'static str, text: String, receipt: Receipt) {
        // Bounded by what the mirror lets wait: receipts resolve by its deadline.
        let _ = self.0.send((who, text, receipt));
    }
}

fn print_outcomes() -> (Outcomes, JoinHandle<()>) {
    let (sender, mut receiver) = mpsc::unbounded_channel::<(_, String, Receipt)>();
    let printer = tokio::spawn(async move {
        while let Some((who, text, receipt)) = receiver.recv().await {
            let id = receipt.id();
            let remote = receipt.remote().await;
            paint::line(who, &text, &outcome(id, &remote));
        }
    });
    (Outcomes(sender), printer)
}

/// What became of an event beyond this process, with its id.
fn outcome(id: EventId, remote: &Remote) -> String {
    match remote {
        Remote::Confirmed => format!("confirmed {id}"),
        Remote::LocalOnly(LocalOnly::NoTransport) => String::new(),
        other => format!("{other}"),
    }
}

async fn end(options: &Options) {
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        () = async {
            match options.run_for {
                Some(time) => tokio::time::sleep(time).await,
                None => std::future::pending().await,
            }
        } => {}
    }
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
