//! One direction of one connection.

use super::connection::reset;
use super::orders::{Flow, Orders};
use super::{End, Shared, Way};
use std::collections::VecDeque;
use std::io::ErrorKind::WouldBlock;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// How many bytes may be on their way.
const MOST: usize = 256 * 1024;
const AT_ONCE: usize = 16 * 1024;
/// How much of its time a throttled direction may make up for when it was late.
const SLACK: Duration = Duration::from_millis(20);

/// Takes what one side sends, and hands it to the other when its time has come.
pub(super) struct Pipe {
    way: Way,
    from: OwnedReadHalf,
    to: Option<OwnedWriteHalf>,
    orders: watch::Receiver<Orders>,
    half_closed: u64,
    resumed: u64,
    /// How many bytes may pass before the connection ends, and how it does.
    cut: Option<(u64, End)>,
    /// Pieces on their way, by the moment of their coming; an empty one is the end.
    under_way: VecDeque<(Instant, Vec<u8>)>,
    bytes: usize,
    sender_ended: bool,
    lost: bool,
    /// When the throttle lets the next piece pass.
    next: Instant,
}

impl Pipe {
    pub(super) fn new(
        way: Way,
        from: OwnedReadHalf,
        to: OwnedWriteHalf,
        orders: watch::Receiver<Orders>,
        born: &Orders,
    ) -> Self {
        Self {
            way,
            from,
            to: Some(to),
            orders,
            half_closed: born.of(way).half_closed,
            resumed: born.resumed,
            cut: born
                .cut_each
                .and_then(|(cut, bytes, end)| (cut == way).then_some((bytes, end))),
            under_way: VecDeque::new(),
            bytes: 0,
            sender_ended: false,
            lost: false,
            next: Instant::now(),
        }
    }

    /// Forwards to the end of what is sent; or the connection has to end, and in this way.
    pub(super) async fn run(&mut self, shared: &Shared) -> Result<(), End> {
        let mut buffer = vec![0; AT_ONCE];
        loop {
            let now = *self.orders.borrow_and_update();
            let direction = *now.of(self.way);
            if self.lost && now.resumed > self.resumed {
                return Err(End::Reset);
            }
            if now.resumed > self.resumed {
                self.cut = None;
            }
            if direction.half_closed > self.half_closed {
                self.half_closed = direction.half_closed;
                self.end_receiver().await;
            }
            if direction.flow == Flow::Swallow {
                self.swallow();
            }
            // To its receiver, a sender whose end was swallowed is still there.
            if self.sender_ended && self.under_way.is_empty() && !self.lost {
                return Ok(());
            }
            let takes = direction.flow != Flow::Stall && !self.sender_ended && self.bytes < MOST;
            let due = self
                .under_way
                .front()
                .map(|(came, _)| *came + direction.delay);
            let due = due.filter(|_| direction.flow == Flow::Forward);
            let can_write = writable(self.to.as_ref(), due.map(|due| due.max(self.next)));
            tokio::select! {
                changed = self.orders.changed() => if changed.is_err() { return Err(End::Reset) },
                read = self.from.read(&mut buffer), if takes => match read {
                    Ok(bytes) => self.came(&buffer[..bytes]),
                    // A reset is handed on as one.
                    Err(_) => return Err(End::Reset),
                },
                () = can_write, if due.is_some() => {
                    let begun = Instant::now();
                    let most = direction.rate.map_or(AT_ONCE, piece).min(direction.most);
                    let passed = self.hand_on(shared, most).await?;
                    if let Some(rate) = direction.rate {
                        self.next = self.next.max(begun.checked_sub(SLACK).unwrap_or(begun)) + time_of(passed, rate);
                    }
                }
            }
        }
    }

    fn came(&mut self, bytes: &[u8]) {
        self.sender_ended = bytes.is_empty();
        self.bytes += bytes.len();
        self.under_way.push_back((Instant::now(), bytes.to_vec()));
    }

    fn swallow(&mut self) {
        self.lost |= !self.under_way.is_empty();
        self.under_way.clear();
        self.bytes = 0;
    }

    /// Hands at most so many bytes of the first piece to the receiver.
    async fn hand_on(&mut self, shared: &Shared, most: usize) -> Result<usize, End> {
        let Some((_, piece)) = self.under_way.front_mut() else {
            return Ok(0);
        };
        if piece.is_empty() {
            self.under_way.pop_front();
            self.end_receiver().await;
            return Ok(0);
        }
        let may = self.cut.map_or(most, |(left, _)| {
            most.min(usize::try_from(left).unwrap_or(most))
        });
        let most = piece.len().min(may);
        let Some(to) = &self.to else {
            // The receiver was told that no more comes.
            self.bytes -= piece.len();
            self.under_way.pop_front();
            return Ok(0);
        };
        let written = shared
            .cut
            .pass(self.way, most, |may| match to.try_write(&piece[..may]) {
                Err(error) if error.kind() == WouldBlock => Ok(0),
                written => written,
            });
        // Whoever reads no more has reset it.
        let (written, end) = written.map_err(|_| End::Reset)?;
        shared.counts.passed(self.way, written);
        self.bytes -= written;
        if written == piece.len() {
            self.under_way.pop_front();
        } else {
            piece.drain(..written);
        }
        if let Some((left, own)) = &mut self.cut {
            *left -= written as u64;
            if *left == 0 {
                return Err(*own);
            }
        }
        end.map_or(Ok(written), Err)
    }

    /// Tells the receiver that no more comes.
    async fn end_receiver(&mut self) {
        if let Some(mut to) = self.to.take() {
            // It fails on a connection that is gone.
            let _ = to.shutdown().await;
        }
    }

    /// Ends the receiver, and reads to the sender's end: a socket that is dropped with bytes unread resets.
    pub(super) async fn close(&mut self) {
        self.end_receiver().await;
        let mut rest = [0; 4096];
        while let Ok(1..) = self.from.read(&mut rest).await {}
    }

    /// Lets the receiving side's socket, and the sending side's, end by an RST.
    pub(super) fn reset(&mut self) {
        reset(self.from.as_ref());
        if let Some(to) = self.to.take() {
            reset(to.as_ref());
            // It would shut the socket down in order.
            to.forget();
        }
    }
}

/// Until it is time, and the receiver has room; a receiver that was told of the end has.
async fn writable(to: Option<&OwnedWriteHalf>, due: Option<Instant>) {
    if let Some(due) = due {
        sleep_until(due).await;
    }
    if let Some(to) = to {
        // What is wrong with it the write will tell.
        let _ = to.writable().await;
    }
}

/// How many bytes make 10 ms of this rate.
fn piece(rate: u32) -> usize {
    usize::try_from(rate / 100).map_or(AT_ONCE, |bytes| bytes.clamp(1, AT_ONCE))
}

fn time_of(bytes: usize, rate: u32) -> Duration {
    let nanos = bytes as u64 * 1_000_000_000 / u64::from(rate);
    Duration::from_nanos(nanos)
}
