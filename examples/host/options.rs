//! The command line, by hand: an example should not need a parser.

use std::time::Duration;

/// What both programs can be told.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// End after one reading of everything.
    pub(crate) once: bool,
    /// End after this long; without it, at Ctrl-C.
    pub(crate) run_for: Option<Duration>,
    /// Between readings.
    pub(crate) every: Duration,
    /// Where RabbitMQ is.
    pub(crate) amqp: Option<String>,
    /// Print each event's id, and each confirm.
    pub(crate) ids: bool,
    /// The name of this program's queue.
    pub(crate) queue: String,
    /// Thresholds in percent: above, it hurts.
    pub(crate) cpu: f64,
    pub(crate) memory: f64,
    pub(crate) disk: f64,
}

impl Options {
    /// The options of the command line; with a wrong one, or `--help`, prints and exits.
    pub(crate) fn from_args(program: &str, about: &str) -> Self {
        match Self::parse(program, std::env::args().skip(1)) {
            Ok(Some(options)) => options,
            Ok(None) => {
                println!("{program}: {about}\n\n{HELP}");
                std::process::exit(0);
            }
            Err(mistake) => {
                eprintln!("{program}: {mistake}\n\n{HELP}");
                std::process::exit(2);
            }
        }
    }

    fn parse(
        program: &str,
        mut args: impl Iterator<Item = String>,
    ) -> Result<Option<Self>, String> {
        let mut options = Self {
            once: false,
            run_for: None,
            every: Duration::from_secs(1),
            amqp: std::env::var("ALGEDONIC_AMQP_URL").ok(),
            ids: false,
            queue: program.replace('_', "-"),
            cpu: 85.0,
            memory: 90.0,
            disk: 90.0,
        };
        while let Some(flag) = args.next() {
            let mut value = || args.next().ok_or(format!("{flag} needs a value"));
            match flag.as_str() {
                "--once" => options.once = true,
                "--for" => options.run_for = Some(duration(&value()?)?),
                "--every" => options.every = duration(&value()?)?,
                "--ids" => options.ids = true,
                "--amqp" => options.amqp = Some(value()?),
                "--queue" => options.queue = value()?,
                "--cpu" => options.cpu = percent(&value()?)?,
                "--memory" => options.memory = percent(&value()?)?,
                "--disk" => options.disk = percent(&value()?)?,
                "--help" | "-h" => return Ok(None),
                other => return Err(format!("unknown option {other}")),
            }
        }
        Ok(Some(options))
    }
}

impl Options {
    /// Waits for the end that was asked for, or for Ctrl-C.
    pub(crate) async fn end(&self) {
        let time_is_up = async {
            match self.run_for {
                Some(time) => tokio::time::sleep(time).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            () = time_is_up => {}
        }
    }
}

const HELP: &str = "\
  --for 10s       end after this long (ms, s, m); without it, at Ctrl-C
  --once          end after one reading of everything
  --every 1s      between readings
  --amqp URL      mirror over RabbitMQ; also ALGEDONIC_AMQP_URL (needs --features amqp)
  --ids           print each event's id, and each confirm
  --queue NAME    the name of this program's queue on the broker
  --cpu 85        the threshold in percent above which it hurts; also --memory, --disk
Colours are left out when NO_COLOR is set or the output is not a terminal.";

fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is no duration such as 10s, 500ms, 2m");
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let number: u64 = digits.parse().map_err(|_| wrong())?;
    let duration = match &text[digits.len()..] {
        "ms" => Duration::from_millis(number),
        "" | "s" => Duration::from_secs(number),
        "m" => Duration::from_secs(number.saturating_mul(60)),
        _ => return Err(wrong()),
    };
    if duration.is_zero() {
        return Err(wrong());
    }
    Ok(duration)
}

fn percent(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|percent| (0.0..=100.0).contains(percent))
        .ok_or(format!("{text:?} is no percentage"))
}
