//! A client that protects itself from a server: watch it fall ill, and recover.
//!
//! Starts an HTTP server on this machine, asks it 20 times a second, makes it ill for a while, and prints what
//! happens: the state of the circuit breaker, pain and pleasure, and who answers. Takes about 4 s. If the story
//! does not go as it should, it says so, and fails.
//!
//! ```text
//! cargo run --example resilience
//! ```

mod flaky;

use std::{
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use algedonic::{
    Alarms, Bus, Feeling,
    resilience::{
        Notice, What,
        breaker::{BreakerConfig, State},
        fallback::{FallbackConfig, FallbackLayer},
        registry::{Health, Registry},
        retry::RetryConfig,
        timeout::{TimeoutConfig, TimeoutLayer},
    },
};
use flaky::Server;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep, timeout},
};
use tower::{BoxError, Service, ServiceBuilder, ServiceExt, service_fn, util::BoxCloneService};

const MILLI: Duration = Duration::from_millis(1);

/// Between two questions.
const PAUSE: Duration = Duration::from_millis(50);

/// What an answer may take.
const ATTEMPT: Duration = Duration::from_millis(400);

/// Who answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    Server,
    Fallback,
}

type Client = BoxCloneService<&'static str, (By, String), BoxError>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    timeout(Duration::from_secs(20), story()).await?
}

async fn story() -> Result<(), BoxError> {
    let (server, timeline) = (Server::start().await?, Timeline::new());
    let bus = Bus::local();
    let registry = registry(&bus, timeline)?;
    bus.include_health_of(&registry);
    let supervisor = registry.supervise(200 * MILLI);
    let mut felt = listen(&bus, timeline);
    let mut client = client(&server, &registry)?;
    let breaker = registry.breaker("llm_api");

    timeline.say("story", "the server is well");
    for _ in 0..10 {
        let (by, _) = ask(&mut client, timeline).await?;
        expect(by == By::Server, "a server that is well answers itself")?;
    }
    expect(breaker.state() == State::Closed, "the breaker is closed")?;
    expect(
        bus.health()
            .resilience
            .is_some_and(|all| all.overall == Health::Healthy),
        "all is well",
    )?;

    timeline.say(
        "story",
        "the server falls ill: half of its answers are errors, half never come",
    );
    server.set_ill(true);
    while breaker.state() == State::Closed {
        let (by, _) = ask(&mut client, timeline).await?;
        expect(
            by == By::Fallback,
            "the fallback answers for a server that does not",
        )?;
    }
    felt.wait_for(Feeling::Pain, "breaker.llm_api").await?;
    felt.wait_for(Feeling::Pain, "degraded.resilience").await?;

    timeline.say(
        "story",
        "while it is open nobody waits, and the server has its peace",
    );
    let (opened, asked, mut answers) = (Instant::now(), server.asked(), 0);
    loop {
        let asking = Instant::now();
        let (by, took) = ask(&mut client, timeline).await?;
        if breaker.state() != State::Open {
            break;
        }
        expect(
            by == By::Fallback,
            "the fallback answers for an open breaker",
        )?;
        expect(took < ATTEMPT, "at once")?;
        expect(server.asked() == asked, "the server is not asked")?;
        answers += 1;
        if opened.elapsed() > 500 * MILLI && asking - opened <= 500 * MILLI {
            timeline.say(
                "story",
                "the server is well again, which the breaker does not know",
            );
            server.set_ill(false);
        }
    }
    server.set_ill(false);
    expect(answers >= 5, "several calls were answered meanwhile")?;

    timeline.say("story", "its time is over: some calls try the server");
    while breaker.state() != State::Closed {
        ask(&mut client, timeline).await?;
    }
    felt.wait_for(Feeling::Pleasure, "breaker.llm_api").await?;
    felt.wait_for(Feeling::Pleasure, "degraded.resilience")
        .await?;
    let (by, _) = ask(&mut client, timeline).await?;
    expect(by == By::Server, "the server answers again")?;

    drop(supervisor);
    timeline.say("bus", &bus.health().to_string());
    let metrics = registry.metrics();
    if let Some(breaker) = metrics.breaker("llm_api") {
        timeline.say("bus", &format!("{}: {:?}", breaker.name, breaker.counts));
    }
    if let Some(pool) = metrics.bulkhead("llm_worker") {
        timeline.say("bus", &format!("{}: {:?}", pool.name, pool.counts));
    }
    let calls = metrics.total().breakers;
    expect(
        calls.failed >= 3 && calls.rejected >= 5,
        "failures and rejections are in the books",
    )?;
    Ok(())
}

/// The standard components; the breaker of a language model is quicker than usual, so that nobody waits for minutes.
fn registry(bus: &Bus, timeline: Timeline) -> Result<Registry, BoxError> {
    let breaker = BreakerConfig::llm_api()
        .reset_timeout(1500 * MILLI)
        .reset_jitter(0.0);
    let alarms = bus.alarms(Alarms::new().hold(500 * MILLI));
    Ok(Registry::builder()
        .standard()
        .breaker("llm_api", breaker)
        .retry(
            "llm_api",
            RetryConfig::default()
                .max_retries(1)
                .delays(10 * MILLI, 20 * MILLI),
        )
        .observer(alarms)
        .observer(move |notice: Notice| {
            if let What::Breaker { from, to } = notice.what {
                timeline.say("state", &format!("{}: {from} -> {to}", notice.name));
            }
        })
        .build()?)
}

/// What protects a call, from the outside to the inside.
fn client(server: &Server, registry: &Registry) -> Result<Client, BoxError> {
    let address = server.address;
    let last = Arc::new(Mutex::new(String::from("nothing yet")));
    let keeps = Arc::clone(&last);
    let fallback = FallbackLayer::builder(FallbackConfig::default())
        .name("llm_api")
        .respond(move |_: &io::Error| (By::Fallback, last.lock().expect("whole").clone()));
    let client = ServiceBuilder::new()
        .layer(fallback.build()?)
        .map_err(io::Error::other)
        .layer(TimeoutLayer::named(
            "llm_api",
            TimeoutConfig::total(4 * ATTEMPT),
        )?)
        .layer(registry.retry_layer("llm_api"))
        .layer(registry.breaker_layer("llm_api"))
        .layer(registry.bulkhead_layer("llm_worker"))
        .layer(TimeoutLayer::named(
            "llm_api",
            TimeoutConfig::attempt(ATTEMPT),
        )?)
        .service(service_fn(move |path: &'static str| {
            let keeps = Arc::clone(&keeps);
            async move {
                let answer = flaky::get(address, path).await?;
                keeps.lock().expect("whole").clone_from(&answer);
                Ok::<_, io::Error>((By::Server, answer))
            }
        }));
    Ok(BoxCloneService::new(client.map_err(BoxError::from)))
}

/// Asks once, says who has answered and after how long, and rests.
async fn ask(client: &mut Client, timeline: Timeline) -> Result<(By, Duration), BoxError> {
    let asking = Instant::now();
    let (by, answer) = client.ready().await?.call("/answer").await?;
    let took = asking.elapsed();
    let who = match by {
        By::Server => "server  ",
        By::Fallback => "fallback",
    };
    timeline.say(
        "call",
        &format!("{who}  {answer}, after {:.1} ms", took.as_secs_f64() * 1e3),
    );
    sleep(PAUSE).await;
    Ok((by, took))
}

/// Prints pain and pleasure, and keeps them for [`Felt::wait_for`].
fn listen(bus: &Bus, timeline: Timeline) -> Felt {
    let mut signals = bus.signals();
    let (tell, told) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Some(Ok(signal)) = signals.recv().await {
            let feeling = match signal.feeling {
                Feeling::Pain => "PAIN",
                Feeling::Pleasure => "PLEASURE",
            };
            let message = &signal.message;
            timeline.say(
                feeling,
                &format!("{} ({}): {message}", signal.metric, signal.level),
            );
            if tell.send((signal.feeling, signal.metric.clone())).is_err() {
                break;
            }
        }
    });
    Felt {
        told,
        others: Vec::new(),
    }
}

/// What was felt.
struct Felt {
    told: mpsc::UnboundedReceiver<(Feeling, String)>,
    /// What nobody has waited for yet.
    others: Vec<(Feeling, String)>,
}

impl Felt {
    async fn wait_for(&mut self, feeling: Feeling, metric: &str) -> Result<(), BoxError> {
        let is_it = |(felt, of): &(Feeling, String)| *felt == feeling && of == metric;
        loop {
            if let Some(at) = self.others.iter().position(is_it) {
                self.others.remove(at);
                return Ok(());
            }
            let what = format!("{feeling:?} of {metric}");
            let felt = timeout(Duration::from_secs(5), self.told.recv()).await;
            match felt {
                Ok(Some(felt)) => self.others.push(felt),
                _ => return expect(false, &what),
            }
        }
    }
}

/// What happens, and when.
#[derive(Clone, Copy)]
struct Timeline(Instant);

impl Timeline {
    fn new() -> Self {
        Self(Instant::now())
    }

    fn say(self, who: &str, what: &str) {
        println!("{:6.2} s  {who:<8}  {what}", self.0.elapsed().as_secs_f64());
    }
}

/// The story has to go on like this.
fn expect(holds: bool, what: &str) -> Result<(), BoxError> {
    holds
        .then_some(())
        .ok_or_else(|| format!("the story did not go as told: {what}").into())
}
