//! What lapin says on a channel that has ended.

use std::{
    cell::RefCell,
    collections::BTreeSet,
    io::{self, IoSlice},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
};

use futures_io::{AsyncRead, AsyncWrite};
use proptest::prelude::*;

use super::{
    super::{Limits, stream::Guarded},
    frame, header, method, short,
};

/// Keeps what it is given, up to so many bytes at a time, and has this to read.
struct Kept {
    bytes: Rc<RefCell<Vec<u8>>>,
    most: usize,
    reads: Vec<u8>,
}

impl AsyncRead for Kept {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        to: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let read = std::mem::take(&mut self.reads);
        to[..read.len()].copy_from_slice(&read);
        Poll::Ready(Ok(read.len()))
    }
}

impl AsyncWrite for Kept {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        from: &[u8],
    ) -> Poll<io::Result<usize>> {
        let count = from.len().min(self.most);
        self.bytes.borrow_mut().extend_from_slice(&from[..count]);
        Poll::Ready(Ok(count))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// What goes out when it is offered in slices that begin at these places, cut at others.
fn goes_out(bytes: &[u8], cuts: &[usize], most: usize) -> Vec<u8> {
    let kept = Rc::new(RefCell::new(Vec::new()));
    let stream = Kept {
        bytes: kept.clone(),
        most,
        reads: method(9, 20, 40, &[vec![0; 2], short(b"no"), vec![0; 4]]),
    };
    let limits = Limits {
        frame_max: 131_072,
        body_max: 1 << 20,
    };
    let mut guarded = Guarded::new(stream, limits);
    let mut context = Context::from_waker(Waker::noop());
    let mut cuts = cuts.iter().cycle();
    let mut rest = bytes;
    // The broker has closed a channel once.
    let opened = self::bytes(9, Saying::Open);
    let mut left = &*opened;
    while !left.is_empty() {
        let Poll::Ready(Ok(count)) = Pin::new(&mut guarded).poll_write(&mut context, left) else {
            panic!("not written");
        };
        left = &left[count..];
    }
    let read = Pin::new(&mut guarded).poll_read(&mut context, &mut [0; 100]);
    assert!(matches!(read, Poll::Ready(Ok(21..))), "{read:?}");
    kept.take();
    while !rest.is_empty() {
        let (first, second) = rest.split_at((*cuts.next().expect("endless")).min(rest.len()));
        let slices = [IoSlice::new(first), IoSlice::new(second)];
        let written = Pin::new(&mut guarded).poll_write_vectored(&mut context, &slices);
        let Poll::Ready(Ok(count)) = written else {
            panic!("{written:?}");
        };
        assert!(count > 0);
        rest = &rest[count..];
    }
    kept.take()
}

/// What is said on a channel.
#[derive(Clone, Copy, Debug)]
enum Saying {
    Open,
    CloseOk,
    Publish(u8),
    Ack,
    Close,
    Heartbeat,
}

fn bytes(channel: u16, saying: Saying) -> Vec<u8> {
    match saying {
        Saying::Open => method(channel, 20, 10, &[short(b"")]),
        Saying::CloseOk => method(channel, 20, 41, &[]),
        Saying::Publish(size) => {
            let publish = [vec![0, 0], short(b"ex"), short(b"a"), vec![1]];
            [
                method(channel, 60, 40, &publish),
                header(channel, size.into(), &[0, 0]),
                frame(3, channel, &vec![7; size.into()]),
            ]
            .concat()
        }
        Saying::Ack => method(channel, 60, 80, &[vec![0; 9]]),
        Saying::Close => method(channel, 20, 40, &[vec![0, 200], short(b"OK"), vec![0; 4]]),
        Saying::Heartbeat => frame(8, 0, b""),
    }
}

fn sayings() -> impl Strategy<Value = Vec<(u16, Saying)>> {
    let saying = prop_oneof![
        2 => Just(Saying::Open),
        2 => Just(Saying::CloseOk),
        6 => any::<u8>().prop_map(Saying::Publish),
        2 => Just(Saying::Ack),
        1 => Just(Saying::Close),
        1 => Just(Saying::Heartbeat),
    ];
    prop::collection::vec((1..4_u16, saying), 0..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    /// The broker would end the connection over it.
    #[test]
    fn what_comes_after_the_end_of_a_channel_does_not_go_out_and_all_else_does(
        sayings in sayings(),
        cuts in prop::collection::vec(0..200_usize, 1..8),
        most in 1..400_usize,
    ) {
        let mut open: BTreeSet<u16> = (1..4).collect();
        let mut expected: Vec<u8> = (1..4).flat_map(|channel| bytes(channel, Saying::Open)).collect();
        let mut said = expected.clone();
        for (channel, saying) in sayings {
            let bytes = bytes(channel, saying);
            said.extend_from_slice(&bytes);
            match saying {
                Saying::Open => {
                    open.insert(channel);
                }
                Saying::Heartbeat => {}
                _ if !open.contains(&channel) => continue,
                Saying::CloseOk => {
                    open.remove(&channel);
                }
                _ => {}
            }
            expected.extend_from_slice(&bytes);
        }
        let out = goes_out(&said, &cuts, most);
        prop_assert!(out == expected, "{} bytes instead of {}", out.len(), expected.len());
    }
}
