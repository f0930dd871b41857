//! What do we say to the broker? As much of it as decides what the broker may answer. Pure.

use super::scanner::{HEAD, METHOD, PROTOCOL};

/// Something that the broker is told on a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    Open,
    /// The broker's own end of the channel is acknowledged.
    CloseOk,
    FlowOk,
    Qos {
        prefetch: u16,
    },
    Consume,
    /// Every message from now on is confirmed.
    Confirm,
    Publish,
    Settle {
        tag: u64,
        multiple: bool,
    },
    /// Anything else, on any channel.
    Other,
}

/// Class and method, after the head of the frame.
const NUMBER: usize = 4;
/// The most that has to be known of a frame: the longest is a delivery tag, and a byte of flags.
pub(super) const LOOK: usize = HEAD + NUMBER + 9;

/// So many frames are looked at ahead. All of them would be again for each piece that the socket takes, however small.
const AHEAD: usize = 256;

/// What to do with the bytes at the front of what is to go out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sift {
    Pass(usize),
    /// A frame so long, and there may be less of it here.
    LeaveOut(usize),
}

/// Follows the frames that go out, in pieces of any size.
#[derive(Clone, Debug)]
pub(super) struct Outgoing {
    /// The beginning of the present frame.
    begun: [u8; LOOK],
    length: usize,
    /// So many bytes of the present frame are of no interest.
    skipping: usize,
}

impl Outgoing {
    pub(super) fn new() -> Self {
        Self {
            begun: [0; LOOK],
            length: 0,
            skipping: 0,
        }
    }

    /// Tells what is said by these bytes, which have gone out after those before.
    pub(super) fn follow(&mut self, mut bytes: &[u8], mut tell: impl FnMut(u16, Said)) {
        while !bytes.is_empty() {
            let (count, said) = self.advance(bytes);
            bytes = &bytes[count..];
            if let Some((channel, said)) = said {
                tell(channel, said);
            }
        }
    }

    /// How many of these bytes may go out now, given which channels are open: a frame on another one does not.
    /// Stops after what opens or closes one, so that the next call knows of it. Of a frame whose first bytes
    /// come alone nothing is known; it goes out.
    pub(super) fn sift(&self, bytes: &[u8], is_open: impl Fn(u16) -> bool) -> Sift {
        let mut ahead = self.clone();
        let (mut at, mut frames) = (0, 0);
        while at < bytes.len() {
            if ahead.length == 0 && ahead.skipping == 0 {
                if frames == AHEAD {
                    return Sift::Pass(at);
                }
                frames += 1;
                let rest = &bytes[at..];
                if at > 0 && rest.len() < HEAD + NUMBER {
                    return Sift::Pass(at);
                }
                match stray(rest, &is_open) {
                    Some(length) if at == 0 => return Sift::LeaveOut(length),
                    Some(_) => return Sift::Pass(at),
                    None => {}
                }
            }
            let (count, said) = ahead.advance(&bytes[at..]);
            at += count;
            if matches!(said, Some((_, Said::Open | Said::CloseOk))) {
                return Sift::Pass(at);
            }
        }
        Sift::Pass(at)
    }

    /// Takes in some of these bytes, which are not none, and never of two frames; tells what the frame says once
    /// that is known.
    fn advance(&mut self, bytes: &[u8]) -> (usize, Option<(u16, Said)>) {
        if self.skipping > 0 {
            let skipped = self.skipping.min(bytes.len());
            self.skipping -= skipped;
            return (skipped, None);
        }
        if self.length == 0
            && let Some((frame, look)) = whole(bytes)
        {
            let taken = frame.min(bytes.len());
            self.skipping = frame - taken;
            self.length = look;
            self.begun[..self.length].copy_from_slice(&bytes[..self.length]);
            let said = self.said();
            self.length = 0;
            return (taken, Some(said));
        }
        let wanted = self.wanted();
        let taken = (wanted - self.length).min(bytes.len());
        self.begun[self.length..self.length + taken].copy_from_slice(&bytes[..taken]);
        self.length += taken;
        // The head alone may say that more is wanted.
        if self.length < wanted || wanted < self.wanted() {
            return (taken, None);
        }
        let said = self.said();
        self.skipping = self.frame() - self.length;
        self.length = 0;
        (taken, Some(said))
    }

    /// The length of the present frame, or of its head if that is not known yet.
    fn frame(&self) -> usize {
        match self.begun {
            // Four letters and four numbers.
            [PROTOCOL, ..] if self.length > 0 => HEAD + 1,
            [_, _, _, s1, s2, s3, s4, ..] if self.length >= HEAD => {
                (u32::from_be_bytes([s1, s2, s3, s4]) as usize).saturating_add(HEAD + 1)
            }
            _ => HEAD,
        }
    }

    /// How many of its bytes must be known.
    fn wanted(&self) -> usize {
        if self.length >= HEAD && self.begun[0] == METHOD {
            self.frame().min(LOOK)
        } else {
            HEAD
        }
    }

    fn said(&self) -> (u16, Said) {
        let [kind, c1, c2, ..] = self.begun;
        let channel = u16::from_be_bytes([c1, c2]);
        // What is not there is zero: none of ours is shorter than it must be.
        let mut payload = [0; LOOK - HEAD];
        payload[..self.length - HEAD].copy_from_slice(&self.begun[HEAD..self.length]);
        let [_, class, _, method, t @ .., flags] = payload;
        let tag = u64::from_be_bytes(t);
        let said = match (kind, class, method) {
            (METHOD, 20, 10) => Said::Open,
            (METHOD, 20, 41) => Said::CloseOk,
            (METHOD, 20, 21) => Said::FlowOk,
            // After the size in bytes.
            (METHOD, 60, 10) => Said::Qos {
                prefetch: u16::from_be_bytes([t[4], t[5]]),
            },
            (METHOD, 60, 20) => Said::Consume,
            (METHOD, 85, 10) => Said::Confirm,
            (METHOD, 60, 40) => Said::Publish,
            // Ack and nack.
            (METHOD, 60, 80 | 120) => Said::Settle {
                tag,
                multiple: flags & 1 == 1,
            },
            // Reject, whose flag says something else.
            (METHOD, 60, 90) => Said::Settle {
                tag,
                multiple: false,
            },
            _ => Said::Other,
        };
        (channel, said)
    }
}

/// The length of the frame that begins here, and of what must be known of it, if that is here: most come whole.
fn whole(bytes: &[u8]) -> Option<(usize, usize)> {
    let [kind, _, _, s1, s2, s3, s4] = *bytes.first_chunk::<HEAD>()?;
    let frame = (u32::from_be_bytes([s1, s2, s3, s4]) as usize).saturating_add(HEAD + 1);
    let look = if kind == METHOD {
        frame.min(LOOK)
    } else {
        HEAD
    };
    (kind != PROTOCOL && look <= bytes.len()).then_some((frame, look))
}

/// The length of the frame that begins here, if it is on a channel that is not open, and does not open it.
fn stray(bytes: &[u8], is_open: impl Fn(u16) -> bool) -> Option<usize> {
    let [kind, c1, c2, s1, s2, s3, s4] = *bytes.first_chunk::<HEAD>()?;
    if kind == PROTOCOL || is_open(u16::from_be_bytes([c1, c2])) {
        return None;
    }
    if kind == METHOD && *bytes.get(HEAD..HEAD + NUMBER)? == [0, 20, 0, 10] {
        return None;
    }
    Some((u32::from_be_bytes([s1, s2, s3, s4]) as usize).saturating_add(HEAD + 1))
}
