//! What one message takes on its way.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use algedonic::{
    amqp::WireForm,
    transport::{Arrival, Transport},
};
use bytes::Bytes;
use futures_util::StreamExt;
use lapin::options::BasicAckOptions;
use tokio::time::{MissedTickBehavior, interval};

use crate::{
    options::Options,
    ours::{self, Ours},
    raw::{Looks, Raw},
    speed::{Kind, Setting},
};

const MESSAGES: u32 = 550;
/// So many of them warm up.
const COLD: usize = 50;
/// 500 a second.
const PACE: Duration = Duration::from_millis(2);

/// From the call that publishes to the moment of its arrival, in microseconds: median, 99th of 100, over
/// all rounds; 256 bytes, persistent, confirmed, each acked.
pub(crate) async fn latency(url: &str, options: &Options) {
    for kind in [Kind::Classic, Kind::Quorum] {
        let setting = Setting {
            url: url.to_owned(),
            kind,
            bytes: 256,
            quick: options.quick,
        };
        let named = |part: &str| format!("latency-{part}/{}", kind.as_str());
        if !["p50", "p99"]
            .iter()
            .any(|part| options.wants(&named(part)))
        {
            continue;
        }
        let (mut us, mut them) = (Vec::new(), Vec::new());
        for round in 0..options.rounds {
            if round % 2 == 0 {
                us.extend(latency_of_ours(&setting).await);
                them.extend(latency_of_raw(&setting).await);
            } else {
                them.extend(latency_of_raw(&setting).await);
                us.extend(latency_of_ours(&setting).await);
            }
        }
        for (name, percent) in [("p50", 50), ("p99", 99)] {
            let (ours, theirs) = (within(&mut us, percent), within(&mut them, percent));
            println!(
                "{} ours={:.0} peer=lapin theirs={:.0} ratio={:.2}",
                named(name),
                ours * 1e9,
                theirs * 1e9,
                theirs / ours
            );
        }
    }
}

/// What so many of a hundred took at most.
fn within(seconds: &mut [f64], percent: usize) -> f64 {
    seconds.sort_by(f64::total_cmp);
    seconds[seconds.len() * percent / 100]
}

async fn latency_of_ours(setting: &Setting) -> Vec<f64> {
    let Ours { amqp, mut arrivals } = Ours::open(ours::config(setting, WireForm::Compact)).await;
    let body = Bytes::from(vec![7; setting.bytes]);
    let mut pace = interval(PACE);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut took = Vec::new();
    for _ in 0..MESSAGES {
        pace.tick().await;
        let start = Instant::now();
        let outcome = tokio::spawn(amqp.send(ours::message(&body)));
        match arrivals.next().await {
            Some(Arrival::Message(delivery)) => {
                took.push(start.elapsed().as_secs_f64());
                delivery.ack();
            }
            other => panic!("not a message: {other:?}"),
        }
        outcome.await.expect("no panic").expect("handed over");
    }
    amqp.close(Duration::from_secs(5)).await;
    took.split_off(COLD)
}

async fn latency_of_raw(setting: &Setting) -> Vec<f64> {
    let raw = Arc::new(Raw::open(setting, Looks::Least).await);
    let body = Bytes::from(vec![7; setting.bytes]);
    let mut consumer = raw.consume(100).await;
    let mut pace = interval(PACE);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut took = Vec::new();
    for number in 0..MESSAGES {
        pace.tick().await;
        let start = Instant::now();
        let (sender, body) = (raw.clone(), body.clone());
        let outcome = tokio::spawn(async move { sender.publish(number, &body).await?.await });
        let delivery = consumer.next().await.expect("open").expect("a message");
        took.push(start.elapsed().as_secs_f64());
        let options = BasicAckOptions::default();
        let acked = raw.acks.basic_ack(delivery.delivery_tag, options);
        acked.await.expect("acked");
        outcome.await.expect("no panic").expect("confirmed");
    }
    if let Some(raw) = Arc::into_inner(raw) {
        raw.close().await;
    }
    took.split_off(COLD)
}
