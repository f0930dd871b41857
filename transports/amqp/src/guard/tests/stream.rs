use std::{
    collections::VecDeque,
    io,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use futures_io::{AsyncRead, AsyncWrite};
use proptest::prelude::*;

use super::{
    super::{Limits, stream::Guarded},
    deliver, frame, header, nested, only_headers, opening, settle, short, sound,
};

/// Gives its pieces one by one, and is pending in between.
struct Pieces {
    left: VecDeque<Vec<u8>>,
    pending: bool,
}

impl AsyncRead for Pieces {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        to: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.pending = !self.pending;
        if self.pending {
            return Poll::Pending;
        }
        let Some(mut piece) = self.left.pop_front() else {
            return Poll::Ready(Ok(0));
        };
        let count = piece.len().min(to.len());
        to[..count].copy_from_slice(&piece[..count]);
        if count < piece.len() {
            self.left.push_front(piece.split_off(count));
        }
        Poll::Ready(Ok(count))
    }
}

impl AsyncWrite for Pieces {
    /// Takes seven bytes at a time.
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        from: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(from.len().min(7)))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// All that comes through when the stream comes in pieces, and is read in pieces, of these sizes.
fn through(bytes: &[u8], cuts: &[usize], reads: &[usize], frame_max: usize) -> io::Result<Vec<u8>> {
    let (output, end) = until_the_end(bytes, cuts, reads, frame_max);
    end.map(|()| output)
}

/// The same, and how it ended.
fn until_the_end(
    bytes: &[u8],
    cuts: &[usize],
    reads: &[usize],
    frame_max: usize,
) -> (Vec<u8>, io::Result<()>) {
    let mut cuts = cuts.iter().cycle();
    let mut rest = bytes;
    let mut left = VecDeque::new();
    while !rest.is_empty() {
        let (piece, after) = rest.split_at((*cuts.next().expect("endless")).min(rest.len()));
        left.push_back(piece.to_vec());
        rest = after;
    }
    let pieces = Pieces {
        left,
        pending: false,
    };
    let limits = Limits {
        frame_max,
        body_max: 1 << 20,
    };
    let mut guarded = Guarded::new(pieces, limits);
    let mut context = Context::from_waker(Waker::noop());
    let mut said = &*opening(1..4);
    while !said.is_empty() {
        let (first, second) = said.split_at(said.len() / 2);
        let slices = [io::IoSlice::new(first), io::IoSlice::new(second)];
        let Poll::Ready(count) = Pin::new(&mut guarded).poll_write_vectored(&mut context, &slices)
        else {
            panic!("pending");
        };
        said = &said[count.expect("taken")..];
    }
    let mut reads = reads.iter().cycle();
    let mut output = Vec::new();
    loop {
        let mut to = vec![0; *reads.next().expect("endless")];
        match Pin::new(&mut guarded).poll_read(&mut context, &mut to) {
            Poll::Pending => {}
            Poll::Ready(Ok(0)) => return (output, Ok(())),
            Poll::Ready(Ok(count)) => output.extend_from_slice(&to[..count]),
            Poll::Ready(Err(error)) => return (output, Err(error)),
        }
    }
}

/// The channel of a message, its frames after the first, and whether lapin could read it.
fn messages() -> impl Strategy<Value = (u16, Vec<u8>, bool)> {
    let properties = prop_oneof![
        4 => sound().prop_map(|properties| (properties, true)),
        1 => Just((only_headers(&nested(17)), false)),
        1 => Just(([vec![0, 8], short(b"\xe9")].concat(), false)),
        1 => Just((vec![0x80, 0, 200], false)),
    ];
    let body = prop_oneof![0..100_usize, Just(3900)];
    (1..4_u16, properties, body, any::<bool>()).prop_map(
        |(channel, (properties, good), body, beat)| {
            let mut frames = header(channel, body as u64, &properties);
            if beat {
                frames.extend(frame(8, 0, b""));
            }
            if body > 0 {
                frames.extend(frame(3, channel, &vec![0xCE; body]));
            }
            (channel, frames, good)
        },
    )
}

/// All of them, one after the other, each with its number on its channel.
fn stream<'a>(messages: impl IntoIterator<Item = &'a (u16, Vec<u8>, bool)>) -> Vec<u8> {
    let mut tags = [0; 4];
    let mut stream = Vec::new();
    for (channel, frames, _) in messages {
        let tag = &mut tags[usize::from(*channel)];
        *tag += 1;
        stream.extend(deliver(*channel, *tag, b"ex", b"a.b"));
        stream.extend(frames);
    }
    stream
}

fn sizes() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(prop_oneof![1..20_usize, 1..5000_usize], 1..8)
}

/// The messages in a stream of frames: the properties and the body of each.
fn read(stream: &[u8]) -> Vec<(Vec<u8>, usize)> {
    let mut messages: Vec<(Vec<u8>, usize)> = Vec::new();
    let mut rest = stream;
    while let Some(head) = rest.first_chunk::<7>() {
        let size = u32::from_be_bytes([head[3], head[4], head[5], head[6]]) as usize;
        let payload = &rest[7..7 + size];
        assert_eq!(rest[7 + size], 0xCE);
        match head[0] {
            2 => messages.push((payload[12..].to_vec(), 0)),
            3 => messages.last_mut().expect("announced").1 += size,
            _ => {}
        }
        rest = &rest[8 + size..];
    }
    assert!(rest.is_empty());
    messages
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn what_is_sound_passes_unchanged_however_it_is_cut(
        messages in prop::collection::vec(messages(), 0..12), cuts in sizes(), reads in sizes(),
    ) {
        let good = stream(messages.iter().filter(|(_, _, good)| *good));
        // Two limits: one that every message fills, one under which large bodies go past the guard.
        for frame_max in [4096, 131_072] {
            prop_assert_eq!(through(&good, &cuts, &reads, frame_max).expect("sound"), good.clone());
        }
    }

    #[test]
    fn what_is_broken_is_replaced_and_the_rest_is_as_it_was(
        messages in prop::collection::vec(messages(), 0..12), cuts in sizes(), reads in sizes(),
    ) {
        let all = stream(&messages);
        let output = through(&all, &cuts, &reads, 4096).expect("in step");
        let before = read(&all);
        let after = read(&output);
        prop_assert_eq!(after.len(), messages.len());
        for (((_, _, good), before), after) in messages.iter().zip(before).zip(after) {
            prop_assert_eq!(before.1, after.1);
            prop_assert_eq!(*good, before.0 == after.0);
        }
    }
}

#[test]
fn a_large_body_and_what_follows_it_are_whole() {
    let body: Vec<u8> = (0..=255).cycle().take(120_000).collect();
    let message = [header(1, 120_000, &[0, 0]), frame(3, 1, &body)].concat();
    let frames = stream(&[1, 2, 3].map(|_| (1, message.clone(), true)));
    for cuts in [&[200_000][..], &[7, 50_000], &[40_000, 1]] {
        let output = through(&frames, cuts, &[90_000, 3], 131_072).expect("sound");
        assert!(output == frames);
    }
}

#[test]
fn an_unfinished_frame_and_a_broken_one_are_not_given_away() {
    let whole = frame(8, 0, b"");
    let cut = &deliver(1, 1, b"", b"a")[..20];
    let output = through(&[&whole, cut].concat(), &[9], &[100], 4096).expect("ended");
    assert_eq!(output, whole);
    let error = through(&frame(9, 0, b""), &[9], &[100], 4096).expect_err("broken");
    // Invalid data would read as a failure of TLS.
    assert_eq!(error.kind(), io::ErrorKind::Other);
}

/// A confirm that came just before is one.
#[test]
fn what_is_sound_goes_on_before_the_end_however_it_is_cut() {
    let sound = [settle(1, 80, 10, 1), deliver(1, 1, b"ex", b"a.b")].concat();
    let all = [&*sound, &frame(9, 0, b"")].concat();
    for cuts in [1, 9, 1000] {
        for reads in [1, 30, 1000] {
            let (output, end) = until_the_end(&all, &[cuts], &[reads], 4096);
            assert_eq!(output, sound, "in pieces of {cuts} and {reads}");
            end.expect_err("broken");
        }
    }
}
