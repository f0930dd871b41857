//! A connection whose other end is the input.

use std::{
    cell::RefCell,
    collections::VecDeque,
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
};

use futures_io::{AsyncRead, AsyncWrite};

use crate::guard::{Guarded, Limits};

/// Gives what there is, and takes what it is given, in pieces of one size.
struct Socket {
    incoming: Rc<RefCell<VecDeque<u8>>>,
    piece: usize,
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        to: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let mut incoming = self.incoming.borrow_mut();
        if incoming.is_empty() {
            return Poll::Pending;
        }
        let count = self.piece.min(to.len());
        let count = io::Read::read(&mut *incoming, &mut to[..count])?;
        Poll::Ready(Ok(count))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        from: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(self.piece.min(from.len())))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// What goes on to lapin: bytes, and then the end, if it comes to that.
#[derive(Default, PartialEq, Eq)]
pub(super) struct Heard {
    pub(super) bytes: Vec<u8>,
    pub(super) broken: Option<String>,
}

/// One connection through the guard.
pub(super) struct Run {
    guarded: Guarded<Socket>,
    incoming: Rc<RefCell<VecDeque<u8>>>,
    /// So much is read at once.
    to: Vec<u8>,
}

impl Run {
    pub(super) fn new(limits: Limits, piece: usize, most: usize) -> Self {
        let incoming = Rc::default();
        let socket = Socket {
            incoming: Rc::clone(&incoming),
            piece,
        };
        Self {
            guarded: Guarded::new(socket, limits),
            incoming,
            to: vec![0; most],
        }
    }

    /// The client says this.
    pub(super) fn say(&mut self, mut bytes: &[u8]) -> Heard {
        let mut context = Context::from_waker(Waker::noop());
        while !bytes.is_empty() {
            let written = Pin::new(&mut self.guarded).poll_write(&mut context, bytes);
            let Poll::Ready(Ok(count)) = written else {
                panic!("{written:?}");
            };
            bytes = &bytes[count..];
        }
        Heard::default()
    }

    /// The broker says this.
    pub(super) fn hear(&mut self, bytes: &[u8]) -> Heard {
        self.incoming.borrow_mut().extend(bytes);
        let mut heard = Heard::default();
        let mut waited = 0;
        // After its end a connection waits though there is more.
        while waited < 2 {
            match self.read() {
                Poll::Ready(Ok(count)) => {
                    assert!(count > 0, "the end of a stream that has none");
                    heard.bytes.extend_from_slice(&self.to[..count]);
                    waited = 0;
                }
                Poll::Ready(Err(error)) => {
                    heard.broken = Some(error.to_string());
                    break;
                }
                Poll::Pending if self.incoming.borrow().is_empty() => waited += 1,
                Poll::Pending => {}
            }
        }
        if heard.broken.is_some() {
            for _ in 0..3 {
                let read = self.read();
                assert!(
                    matches!(read, Poll::Ready(Err(_))),
                    "after the end: {read:?}"
                );
            }
        }
        heard
    }

    fn read(&mut self) -> Poll<io::Result<usize>> {
        let mut context = Context::from_waker(Waker::noop());
        Pin::new(&mut self.guarded).poll_read(&mut context, &mut self.to)
    }
}
