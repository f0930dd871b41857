//! Prints what a `host_monitor` in another process publishes, over every restart of the broker.
//!
//! ```text
//! cargo run --release --example host_watch --features amqp -- --amqp amqp://localhost
//! ```

mod host;

use std::time::Duration;

use algedonic::{Buffer, Error};
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
    let links = tokio::spawn(paint::links(bus.links()));
    let end = options.end();
    tokio::pin!(end);
    let mut ending = None;
    loop {
        let event = tokio::select! {
            event = events.recv() => event,
            () = &mut end, if ending.is_none() => {
                // In a task: what is buffered is printed meanwhile.
                let bus = bus.clone();
                ending = Some(tokio::spawn(async move { bus.shutdown(Duration::from_secs(5)).await }));
                continue;
            }
        };
        match event {
            Some(Ok(event)) => {
                let (who, text) = paint::event(&event);
                if options.ids {
                    paint::line(who, &text, &event.id().to_string());
                } else if paint::is_worth_a_line(&event) {
                    paint::line(who, &text, "");
                }
                if options.once {
                    break;
                }
            }
            Some(Err(gap)) => paint::line("bus", &gap.to_string(), "gap"),
            None => break,
        }
    }
    // What was printed is acknowledged before the connection goes.
    let report = match ending {
        Some(report) => report.await.expect("no panic"),
        None => bus.shutdown(Duration::from_secs(5)).await,
    };
    links.await.expect("no panic");
    paint::line("bus", &report.to_string(), "");
    Ok(())
}
