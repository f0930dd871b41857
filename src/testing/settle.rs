use std::{fmt, panic::Location, time::Duration};

use tokio::{
    task::yield_now,
    time::{Instant, sleep},
};

use super::net::TestNet;
use crate::observe::Counts;

/// So often it looks without letting time pass.
const LOOKS: u32 = 64;

/// The longest pause between two looks.
const PAUSE: Duration = Duration::from_millis(10);

/// Something was still to happen at the end of the test's patience; from
/// [`TestNet::try_settle`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Unsettled {
    /// How long it was waited for.
    pub waited: Duration,
    /// What was still to happen, a line for each bus and type, and one for the broker.
    pub left: Vec<String>,
}

impl TestNet {
    /// Waits until the whole cascade is quiet, on all buses of this net: each event that handlers have, or that they
    /// published in turn, is handled, expired or a dead letter, retries included; each remote outcome is known; each
    /// request is answered; the broker's queues are empty, and its faults that last a while are over.
    ///
    /// It does not wait for events that are [scheduled](crate::Bus::publish_after) (let their time pass first), for
    /// what plain subscriptions have not read, for what a task of the test's own is about to do, or for what
    /// is in the queues of a broker that was [stopped](crate::memory::Broker::stop).
    ///
    /// If all is quiet no time passes; else it looks again every 1 to 10 ms, by tokio's clock.
    ///
    /// # Panics
    ///
    /// When it is not quiet within the test's [patience](Self::patience); says what was left.
    #[track_caller]
    pub fn settle(&self) -> impl Future<Output = ()> + Send + 'static {
        let (at, net) = (Location::caller(), self.clone());
        async move {
            if let Err(unsettled) = net.try_settle().await {
                panic!("{at}: {unsettled}");
            }
        }
    }

    /// As [`settle`](Self::settle), for tests of what does not settle.
    ///
    /// # Errors
    ///
    /// What was left when the test's patience was over.
    pub async fn try_settle(&self) -> Result<(), Unsettled> {
        let (start, patience) = (Instant::now(), self.waits());
        let (mut looks, mut pause) = (0, Duration::from_millis(1));
        let mut quiet = None;
        loop {
            // Whoever was woken has a turn first.
            yield_now().await;
            let (left, counts) = self.unrest();
            if left.is_empty() {
                // What moved from one place to another while we looked was counted.
                if quiet.replace(counts.clone()) == Some(counts) {
                    return Ok(());
                }
                continue;
            }
            quiet = None;
            let waited = start.elapsed();
            if waited >= patience {
                return Err(Unsettled { waited, left });
            }
            looks += 1;
            if looks > LOOKS {
                sleep(pause.min(patience.saturating_sub(waited))).await;
                pause = (pause * 2).min(PAUSE);
            }
        }
    }

    /// What is still to happen by itself, and all that was counted.
    fn unrest(&self) -> (Vec<String>, Vec<Counts>) {
        let mut left = Vec::new();
        let mut counts = Vec::new();
        for seat in self.seats() {
            let (lines, counted) = seat.unrest();
            left.extend(lines);
            counts.push(counted);
        }
        let moving = self.broker().in_motion();
        if moving > 0 {
            left.push(format!("the broker: {moving} messages, or faults that end"));
        }
        (left, counts)
    }
}

impl fmt::Display for Unsettled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not settled after {:?}:", self.waited)?;
        self.left
            .iter()
            .try_for_each(|line| write!(f, "\n    {line}"))
    }
}

impl std::error::Error for Unsettled {}
