//! Prints what a `host_monitor` in another process publishes, over every restart of the broker.
//!
//! ```text
//! cargo run --release --example host_watch --features amqp -- --amqp amqp://localhost
//! ```

mod host;

use std::time::Duration;

use algedonic::{AnyEnvelope, Buffer, Error, Signal};
use host::{
    events::{Reading, StateChange, Trend},
    mirror,
    options::Options,
    paint,
};

#[tokio::main]
async fn main() -> Result<(), Error> {
    let mut options = Options::from_args(
        "host_watch",
        "prints what a host_monitor elsewhere publishes",
    );
    options
        .amqp
        .get_or_insert_with(|| "amqp://localhost".into());
    let bus = mirror::bus(&options, |mirror| {
        mirror
            .inbound::<Reading>()
            .inbound::<Trend>()
            .inbound::<StateChange>()
    })?;
    let mut events = bus.subscribe_pattern_with("#", Buffer::block(256))?;
    let mut links = bus.links();
    let mut state = None;
    let end = end(options.run_for);
    tokio::pin!(end);
    let mut ending = false;
    loop {
        tokio::select! {
            Some(link) = links.next() => {
                // A link that stays down says so at every attempt.
                if state.replace(link.state) != Some(link.state) {
                    paint::line("bus", &paint::link(&link), "");
                }
            }
            event = events.recv() => match event {
                Some(Ok(event)) => print(&event),
                Some(Err(gap)) => paint::line("bus", &gap.to_string(), "gap"),
                None => break,
            },
            () = &mut end, if !ending => {
                ending = true;
                // In a task: what is buffered is printed meanwhile.
                let bus = bus.clone();
                tokio::spawn(async move { bus.shutdown(Duration::from_secs(5)).await });
            }
        }
        if options.once && bus.counts().received > 0 {
            break;
        }
    }
    Ok(())
}

fn print(event: &AnyEnvelope) {
    let id = event.id().to_string();
    let who = event.metadata().source.to_string();
    if let Some(reading) = event.downcast::<Reading>() {
        paint::line("S1", &paint::reading(&reading), &id);
    } else if let Some(trend) = event.downcast::<Trend>() {
        paint::line("S2", &paint::trend(&trend), &id);
    } else if let Some(change) = event.downcast::<StateChange>() {
        paint::line("S3", &paint::change(&change), &id);
    } else if let Some(signal) = event.downcast::<Signal>() {
        paint::line("S5", &paint::signal(&signal), &id);
    } else {
        paint::line(&who, event.key(), &id);
    }
}

async fn end(run_for: Option<Duration>) {
    match run_for {
        Some(time) => tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            () = tokio::time::sleep(time) => {}
        },
        None => {
            let _ = tokio::signal::ctrl_c().await;
        }
    }
}
