//! Sends what lies on the disk, until it is confirmed.

use std::{
    collections::{HashSet, VecDeque},
    fmt,
    sync::Arc,
    time::Duration,
};

use algedonic_transport::{BoxFuture, BoxStream, Error, ErrorKind, Lane, Link, Outcome, Transport};
use futures_util::{FutureExt, StreamExt, stream::FuturesUnordered};
use tokio::{sync::mpsc, time::sleep};
use tracing::{debug, error, warn};

use super::line::Line;
use crate::{
    observe::{Ledger, Remote},
    signal::Level,
    spool::{Record, Spool},
};

/// The first delay after an attempt that failed, and the longest.
const DELAY: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(5)];
/// So many records are read at once.
const PAGE: usize = 256;

/// A message that is on the disk, and on its way all the same.
pub(super) struct Flight {
    pub(super) sequence: u64,
    pub(super) direct: BoxFuture<Remote>,
}

/// Sends the records of one lane.
pub(in crate::mirror) struct Replay {
    pub(super) spool: Arc<dyn Spool>,
    pub(super) transport: Arc<dyn Transport>,
    pub(super) lane: Lane,
    /// Only signals of this one; None for events.
    pub(super) level: Option<Level>,
    pub(super) line: Arc<Line>,
    pub(super) flights: mpsc::UnboundedReceiver<Flight>,
    /// How many may await their outcome.
    pub(super) window: usize,
    pub(super) window_bytes: usize,
    pub(super) ledger: Arc<Ledger>,
    /// Those that can never be sent: they lie there until a person, or their age, removes them.
    pub(super) hopeless: HashSet<u64>,
}

/// How a pass goes on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Course {
    /// All is well.
    Ahead,
    /// Some are to be sent again, later.
    Behind,
    /// No more is to be sent now.
    Stopped,
}

/// How a pass over all records ended.
enum Pass {
    /// Nothing was left that could be sent, when so many had been appended.
    Done(u64),
    /// The transport, or the disk, does not take part now.
    Stuck,
}

impl Replay {
    /// Runs until it is dropped.
    pub(in crate::mirror) async fn run(mut self) {
        let mut links = self.transport.links();
        let mut delay = DELAY[0];
        loop {
            if !self.line.is_closed() {
                self.line.work().await;
                continue;
            }
            self.land().await;
            let before = self.ledger.counts().replayed;
            match self.pass().await {
                // What was appended meanwhile rings.
                Pass::Done(appended) if self.line.open(appended) => delay = DELAY[0],
                Pass::Done(_) => {
                    self.line.begin_opening();
                    self.line.work().await;
                }
                Pass::Stuck => {
                    self.line.give_up_opening();
                    if self.ledger.counts().replayed > before {
                        delay = DELAY[0];
                    }
                    let changed = wait(&mut links, delay).await;
                    delay = if changed {
                        DELAY[0]
                    } else {
                        (delay * 2).min(DELAY[1])
                    };
                }
            }
        }
    }

    /// Waits for those that are on their way all the same, so that they are not sent twice for nothing.
    async fn land(&mut self) {
        let mut landing = FuturesUnordered::new();
        loop {
            while let Ok(Flight { sequence, direct }) = self.flights.try_recv() {
                landing.push(direct.map(move |remote| (sequence, remote)));
            }
            let Some((sequence, remote)) = landing.next().await else {
                return;
            };
            if remote.is_confirmed() {
                self.confirmed(sequence);
            }
        }
    }

    /// Sends one record after another, in order. After one that failed no more is sent, so that none overtakes it for long.
    async fn pass(&mut self) -> Pass {
        let mut page = VecDeque::new();
        let (mut read, mut at_end) = (0, false);
        let mut awaited = FuturesUnordered::new();
        let mut bytes = 0_usize;
        let mut course = Course::Ahead;
        let mut appended = 0;
        loop {
            if page.is_empty() && !at_end && course != Course::Stopped {
                appended = self.line.appended();
                match self.spool.read(self.lane, read, PAGE).await {
                    Ok(records) => {
                        at_end = records.is_empty();
                        read = records.last().map_or(read, |last| last.sequence);
                        let ours = |record: &Record| {
                            let level = Level::of_priority(record.message.metadata.priority);
                            self.level.is_none_or(|ours| ours == level)
                                && !self.hopeless.contains(&record.sequence)
                        };
                        page.extend(records.into_iter().filter(ours));
                    }
                    Err(error) => {
                        debug!(lane = %self.lane, error = %error, "the spool could not be read");
                        course = Course::Stopped;
                    }
                }
            }
            let next: Option<&Record> = page.front().filter(|_| course != Course::Stopped);
            let waits = awaited.len();
            let fits = |record: &Record| {
                let size = record.message.body.len();
                waits < self.window && bytes.saturating_add(size) <= self.window_bytes
            };
            if let Some(record) = next
                && (waits == 0 || fits(record))
            {
                let record = page.pop_front().expect("there is one");
                let Record {
                    sequence, message, ..
                } = record;
                let size = message.body.len();
                bytes += size;
                let sent = self.transport.send(message);
                awaited.push(sent.map(move |outcome| (sequence, size, outcome)));
                // What is known already is looked at before the next is sent.
                while let Some(Some((sequence, size, outcome))) = awaited.next().now_or_never() {
                    bytes -= size;
                    self.settle(sequence, outcome, &mut course);
                }
                continue;
            }
            let Some((sequence, size, outcome)) = awaited.next().await else {
                match course {
                    Course::Stopped => return Pass::Stuck,
                    Course::Behind if at_end => return Pass::Stuck,
                    Course::Ahead if at_end => return Pass::Done(appended),
                    Course::Behind | Course::Ahead => continue,
                }
            };
            bytes -= size;
            self.settle(sequence, outcome, &mut course);
        }
    }

    fn settle(&mut self, sequence: u64, outcome: Result<Outcome, Error>, course: &mut Course) {
        let lane = self.lane;
        match outcome {
            Ok(Outcome::Confirmed) => self.confirmed(sequence),
            // That is an answer, and the last one for an event; a signal waits for somebody.
            Ok(outcome @ Outcome::NotRouted) if lane == Lane::Event => {
                warn!(sequence, %lane, %outcome, "nobody wants an event that was spooled");
                self.ledger.replay_refused.add(1);
                self.spool.remove(&[sequence]);
            }
            // No order is to be kept that matters more than the next signal.
            Ok(outcome @ (Outcome::NotRouted | Outcome::Rejected { .. }))
                if lane == Lane::Signal =>
            {
                debug!(sequence, %lane, %outcome, "sent again later");
                if *course == Course::Ahead {
                    *course = Course::Behind;
                }
            }
            Ok(outcome) => {
                debug!(sequence, %lane, %outcome, "sent again later");
                *course = Course::Stopped;
            }
            Err(error) if is_hopeless(&error) => {
                error!(sequence, %lane, %error, "a message that was spooled can never be sent");
                self.ledger.replay_refused.add(1);
                self.hopeless.insert(sequence);
            }
            Err(error) => {
                debug!(sequence, %lane, %error, "sent again later");
                *course = Course::Stopped;
            }
        }
    }

    fn confirmed(&self, sequence: u64) {
        self.ledger.replayed.add(1);
        self.spool.remove(&[sequence]);
    }
}

fn is_hopeless(error: &Error) -> bool {
    use ErrorKind::{Malformed, TooLarge, Unsupported};
    matches!(error.kind(), Malformed | TooLarge | Unsupported)
}

/// Waits until something changes about the link, at most so long. Whether it has.
async fn wait(links: &mut BoxStream<Link>, delay: Duration) -> bool {
    tokio::select! {
        link = links.next() => {
            if link.is_none() {
                // Closed: nothing will ever be sent.
                std::future::pending::<()>().await;
            }
            true
        }
        () = sleep(delay) => false,
    }
}

impl fmt::Debug for Replay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replay")
            .field("lane", &self.lane)
            .finish_non_exhaustive()
    }
}
