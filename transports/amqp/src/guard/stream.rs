//! How do the bytes of a connection get through the guard?

use std::{
    io::{self, IoSlice, IoSliceMut},
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures_io::{AsyncRead, AsyncWrite};

use super::{
    outgoing::{LOOK, Sift},
    scanner::{Broken, Limits, Scanner, Step},
};

/// A connection whose incoming frames are looked at, and whose outgoing ones are followed.
#[derive(Debug)]
pub(crate) struct Guarded<S> {
    stream: S,
    scanner: Scanner,
    /// What has come in, and was not dealt with; the present frame fits in whole.
    inbox: Vec<u8>,
    start: usize,
    end: usize,
    /// So many bytes from `start` on are cleared to go on.
    cleared: usize,
    /// What goes on before that.
    replaced: Vec<u8>,
    replaced_start: usize,
    /// What the broker has broken. Said when all before it has gone on, however the bytes came.
    broken: Option<Broken>,
    /// So many bytes of what is to go out next are left out.
    leaving_out: usize,
}

/// How much is read at once, beyond what a frame needs.
const READ: usize = 32 * 1024;

impl<S: AsyncRead + Unpin> Guarded<S> {
    /// Guards `stream`, which must be new: nothing was read from it yet.
    pub(crate) fn new(stream: S, limits: Limits) -> Self {
        let scanner = Scanner::new(limits);
        Self {
            stream,
            inbox: vec![0; scanner.needs() + READ],
            scanner,
            start: 0,
            end: 0,
            cleared: 0,
            replaced: Vec::new(),
            replaced_start: 0,
            broken: None,
            leaving_out: 0,
        }
    }

    /// Gives what may go on by now.
    fn give(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let mut given = 0;
        while given < to.len() {
            let left = &mut to[given..];
            if self.replaced_start < self.replaced.len() {
                let count = copy(&self.replaced[self.replaced_start..], left);
                self.replaced_start += count;
                given += count;
            } else if self.cleared > 0 {
                let count = copy(&self.inbox[self.start..self.start + self.cleared], left);
                self.start += count;
                self.cleared -= count;
                given += count;
            } else if let Some(broken) = self.broken {
                if given == 0 {
                    return Err(io::Error::other(broken));
                }
                break;
            } else if !self.look() {
                break;
            }
        }
        Ok(given)
    }

    /// Decides about the next bytes; false if there are too few.
    fn look(&mut self) -> bool {
        // Frames that pass one after the other go on at once.
        loop {
            let from = self.start + self.cleared;
            match self.scanner.step(&mut self.inbox[from..self.end]) {
                Err(broken) => {
                    self.broken = Some(broken);
                    return true;
                }
                Ok(Step::Pass(count)) => self.cleared += count,
                Ok(Step::Wait) => return self.cleared > 0,
                Ok(Step::Replace(count, with)) if self.cleared == 0 => {
                    self.start += count;
                    self.replaced = with;
                    self.replaced_start = 0;
                    return true;
                }
                Ok(Step::Replace(count, with)) => {
                    // What is cleared goes first: both go the same way, from one buffer.
                    let mut all = self.inbox[self.start..from].to_vec();
                    all.extend_from_slice(&with);
                    self.start = from + count;
                    self.cleared = 0;
                    self.replaced = all;
                    self.replaced_start = 0;
                    return true;
                }
            }
        }
    }

    /// Reads once; false at the end of the stream.
    fn fill(&mut self, context: &mut Context<'_>) -> Poll<io::Result<bool>> {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        } else if self.inbox.len() - self.end < READ {
            self.inbox.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        let count =
            ready!(Pin::new(&mut self.stream).poll_read(context, &mut self.inbox[self.end..]))?;
        self.end += count;
        Poll::Ready(Ok(count > 0))
    }
}

fn copy(from: &[u8], to: &mut [u8]) -> usize {
    let count = from.len().min(to.len());
    to[..count].copy_from_slice(&from[..count]);
    count
}

impl<S: AsyncRead + Unpin> AsyncRead for Guarded<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        to: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if to.is_empty() {
            return Poll::Ready(Ok(0));
        }
        loop {
            let given = this.give(to)?;
            if given > 0 {
                return Poll::Ready(Ok(given));
            }
            // The inside of a large body needs no look, and no copy.
            let unseen = this.scanner.unseen();
            if this.start == this.end && unseen >= READ {
                let most = unseen.min(to.len());
                let count = ready!(Pin::new(&mut this.stream).poll_read(context, &mut to[..most]))?;
                this.scanner.went_on(count);
                return Poll::Ready(Ok(count));
            }
            // A frame that ends in the middle is not given away: nobody could read it.
            if !ready!(this.fill(context))? {
                return Poll::Ready(Ok(0));
            }
            // lapin has better things to do now than to wait for the end of what it is not to see.
            if this.scanner.is_over() {
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
        }
    }

    fn poll_read_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        to: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        match to.iter_mut().find(|slice| !slice.is_empty()) {
            Some(slice) => self.poll_read(context, slice),
            None => Poll::Ready(Ok(0)),
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Guarded<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        from: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if this.leaving_out == 0 {
            match this.scanner.sift(from) {
                Sift::Pass(most) => {
                    let from = &from[..most];
                    let count = ready!(Pin::new(&mut this.stream).poll_write(context, from))?;
                    this.scanner.sent(&from[..count]);
                    return Poll::Ready(Ok(count));
                }
                Sift::LeaveOut(length) => this.leaving_out = length,
            }
        }
        let count = this.leaving_out.min(from.len());
        this.leaving_out -= count;
        Poll::Ready(Ok(count))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        from: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.leaving_out > 0 || self.scanner.sifts() {
            return match from.iter().find(|slice| !slice.is_empty()) {
                Some(first) if first.len() >= LOOK => self.poll_write(context, first),
                // The first bytes of a frame may go on in the next slice.
                _ => {
                    let all = from.iter().flat_map(|slice| slice.iter().copied());
                    self.poll_write(context, &all.collect::<Vec<u8>>())
                }
            };
        }
        let count = ready!(Pin::new(&mut self.stream).poll_write_vectored(context, from))?;
        let mut left = count;
        for slice in from {
            let sent = left.min(slice.len());
            self.scanner.sent(&slice[..sent]);
            left -= sent;
        }
        Poll::Ready(Ok(count))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_close(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_close(context)
    }
}
