use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use algedonic::{
    Buffer, Bus, LinkState, Mirror,
    amqp::{Amqp, AmqpConfig},
};
use tokio::time::{Instant, sleep};

use super::child::Known;
use crate::{Kept, link_is};

/// The process that hears.
pub(crate) struct Witness {
    bus: Bus,
    heard: Arc<Mutex<BTreeMap<Known, u32>>>,
}

pub(crate) struct Heard {
    pub(crate) messages: usize,
    pub(crate) duplicates: u64,
}

impl Witness {
    pub(crate) async fn start(url: &str, prefix: &str) -> Self {
        let config = AmqpConfig::new(url).expect("valid").prefix(prefix);
        let transport = Amqp::new(config.queue("witness")).expect("valid");
        let mirror = Mirror::new(transport).inbound::<Kept>();
        let bus = Bus::builder().source("witness").mirror(mirror).build();
        let bus = bus.expect("good");
        let heard: Arc<Mutex<BTreeMap<Known, u32>>> = Arc::default();
        let (mut signals, mut events) = (
            bus.signals(),
            bus.subscribe_with::<Kept>(Buffer::block(65_536)),
        );
        let hear = Arc::clone(&heard);
        tokio::spawn(async move {
            while let Some(signal) = signals.recv().await {
                let signal = signal.expect("no gap");
                // The bus of the sender raises some of its own.
                if signal.metric == "test.killed" {
                    let (life, number) = signal.message.split_once(' ').expect("as it was sent");
                    let known = (life.parse().expect("whole"), number.parse().expect("whole"));
                    *hear.lock().expect("no panic").entry(known).or_default() += 1;
                }
            }
        });
        let hear = Arc::clone(&heard);
        tokio::spawn(async move {
            while let Some(event) = events.recv().await {
                let number = event.expect("no gap").number;
                let life = u32::try_from(number >> 32).expect("32 bits");
                let known = (life, number & u64::from(u32::MAX));
                *hear.lock().expect("no panic").entry(known).or_default() += 1;
            }
        });
        link_is(&bus, LinkState::Up).await;
        Self { bus, heard }
    }

    /// Waits until so many were heard, of which none may be heard twice, nor another.
    pub(crate) async fn heard(&self, count: u64) -> BTreeSet<Known> {
        let start = Instant::now();
        let len = || self.heard.lock().expect("no panic").len() as u64;
        while len() < count {
            assert!(
                start.elapsed() < Duration::from_secs(60),
                "{} of {count}",
                len()
            );
            sleep(Duration::from_millis(20)).await;
        }
        sleep(Duration::from_secs(1)).await;
        let heard = self.heard.lock().expect("no panic");
        assert!(heard.values().all(|times| *times == 1), "heard twice");
        assert_eq!(heard.len() as u64, count);
        heard.keys().copied().collect()
    }

    /// Waits until all of these were heard, and sees that nothing was heard twice.
    pub(crate) async fn heard_all(&self, safe: &BTreeSet<Known>) -> Heard {
        let start = Instant::now();
        let missing = || -> Vec<Known> {
            let heard = self.heard.lock().expect("no panic");
            let missing = safe.iter().filter(|known| !heard.contains_key(known));
            missing.copied().collect()
        };
        while !missing().is_empty() {
            let lost = missing();
            assert!(
                start.elapsed() < Duration::from_secs(60),
                "{} of {} are lost: {:?} …",
                lost.len(),
                safe.len(),
                &lost[..lost.len().min(20)]
            );
            sleep(Duration::from_millis(20)).await;
        }
        // What comes twice would have come by now.
        sleep(Duration::from_secs(1)).await;
        let heard = self.heard.lock().expect("no panic");
        let twice: Vec<_> = heard.iter().filter(|(_, times)| **times > 1).collect();
        assert!(twice.is_empty(), "heard more than once: {twice:?}");
        Heard {
            messages: heard.len(),
            duplicates: self.bus.counts().duplicates,
        }
    }
}
