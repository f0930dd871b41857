//! Which bytes from the broker may lapin see as they are? Pure; frames come in pieces of any size.

use std::{collections::BTreeMap, fmt};

use super::{
    mark,
    properties::{self, Flaw, short_string, take_array},
};

const METHOD: u8 = 1;
const HEADER: u8 = 2;
const BODY: u8 = 3;
const HEARTBEAT: u8 = 8;
/// The first byte of a protocol header: the broker speaks no AMQP 0-9-1, says what it speaks, and
/// hangs up.
const PROTOCOL: u8 = b'A';
const FRAME_END: u8 = 0xCE;
/// What every peer has to take.
const FRAME_MIN: usize = 4096;

/// Type, channel and size.
const HEAD: usize = 7;
/// Class, weight and body size, at the beginning of a header's payload.
const FIXED: usize = 12;

/// What to do with the bytes at the front of the input.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// These many go on as they are.
    Pass(usize),
    /// These many go, and others come in their place.
    Replace(usize, Vec<u8>),
    /// There are too few to tell.
    Wait,
}

/// The broker has broken the protocol: nobody knows where the next frame begins.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Broken(&'static str);

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the broker sent {}", self.0)
    }
}

impl std::error::Error for Broken {}

/// What lapin is to be given at most.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// The largest frame that it agrees on, in bytes, with all that is around the payload.
    pub(crate) frame_max: usize,
    /// The largest body, in bytes: it collects one in memory before anybody can refuse it.
    pub(crate) body_max: u64,
}

/// Follows the frames of one connection.
#[derive(Debug)]
pub(super) struct Scanner {
    frame_max: usize,
    body_max: u64,
    /// So many bytes of the present frame go on unseen.
    passing: usize,
    /// So many bytes of the present frame are left out.
    skipping: usize,
    /// Channels whose next header belongs to a message with an unreadable key, and that.
    keys: BTreeMap<u16, Vec<u8>>,
    /// Channels on which a body comes that is left out, and how much of it.
    bodies: BTreeMap<u16, u64>,
}

impl Scanner {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            frame_max: limits.frame_max,
            body_max: limits.body_max,
            bodies: BTreeMap::new(),
            passing: 0,
            skipping: 0,
            keys: BTreeMap::new(),
        }
    }

    /// How many bytes must fit into the buffer that the input comes from.
    pub(super) fn needs(&self) -> usize {
        self.frame_max
    }

    /// So many bytes need not come by here at all.
    pub(super) fn unseen(&self) -> usize {
        self.passing
    }

    /// So many of these went on without coming by.
    pub(super) fn went_on(&mut self, count: usize) {
        self.passing -= count.min(self.passing);
    }

    /// What to do next, given what has come in and was not dealt with yet. The bytes at the front of
    /// it may be changed in place.
    pub(super) fn step(&mut self, input: &mut [u8]) -> Result<Step, Broken> {
        if self.passing > 0 {
            let count = self.passing.min(input.len());
            self.passing -= count;
            return Ok(if count == 0 {
                Step::Wait
            } else {
                Step::Pass(count)
            });
        }
        if self.skipping > 0 {
            let count = self.skipping.min(input.len());
            self.skipping -= count;
            return Ok(if count == 0 {
                Step::Wait
            } else {
                Step::Replace(count, Vec::new())
            });
        }
        let Some(head) = input.first_chunk::<HEAD>() else {
            return Ok(Step::Wait);
        };
        let [kind, c1, c2, s1, s2, s3, s4] = *head;
        if kind == PROTOCOL {
            return Ok(if input.len() < 8 {
                Step::Wait
            } else {
                Step::Pass(8)
            });
        }
        let channel = u16::from_be_bytes([c1, c2]);
        let size = u32::from_be_bytes([s1, s2, s3, s4]) as usize;
        let Some(length) = size.checked_add(HEAD + 1) else {
            return Err(Broken("a frame of impossible size"));
        };
        match kind {
            HEADER => self.header(input, channel, length),
            METHOD | BODY | HEARTBEAT if length > self.frame_max => {
                Err(Broken("a larger frame than was agreed on"))
            }
            METHOD => self.method(input, channel, length),
            BODY if self.bodies.contains_key(&channel) => {
                self.leave_out(channel, size);
                let count = length.min(input.len());
                self.skipping = length - count;
                Ok(Step::Replace(count, Vec::new()))
            }
            BODY | HEARTBEAT => {
                let count = length.min(input.len());
                self.passing = length - count;
                Ok(Step::Pass(count))
            }
            _ => Err(Broken("a frame of unknown type")),
        }
    }

    fn header(&mut self, input: &[u8], channel: u16, length: usize) -> Result<Step, Broken> {
        if length < HEAD + FIXED + 2 + 1 {
            return Err(Broken("a content header that is too short"));
        }
        // The broker may add headers of its own to what has just fitted a frame, and does not look
        // again; and a publisher may have agreed on larger frames.
        let too_long = length > self.frame_max;
        let needed = if too_long { HEAD + FIXED } else { length };
        if input.len() < needed {
            return Ok(Step::Wait);
        }
        let key = self.keys.remove(&channel);
        let mut fixed = [0; FIXED];
        fixed.copy_from_slice(&input[HEAD..HEAD + FIXED]);
        let body = input[HEAD + 4..]
            .first_chunk()
            .map_or(0, |size| u64::from_be_bytes(*size));
        let too_large = body > self.body_max;
        if too_large {
            self.bodies.insert(channel, body);
            fixed[4..].fill(0);
        }
        if too_long || too_large {
            self.skipping = length - needed;
            let flaw = if too_large {
                Flaw::BodyTooLarge(body, self.body_max)
            } else {
                Flaw::TooLong(length - HEAD - FIXED - 1)
            };
            let mark = mark::frame(channel, fixed, flaw, None, key.as_deref());
            return Ok(Step::Replace(needed, mark));
        }
        if input[length - 1] != FRAME_END {
            return Err(Broken("a frame without an end"));
        }
        let properties = &input[HEAD + FIXED..length - 1];
        let flaw = match (properties::check(properties), &key) {
            (Ok(()), None) => return Ok(Step::Pass(length)),
            (Ok(()), Some(_)) => Flaw::RoutingKeyNotUtf8,
            (Err(flaw), _) => flaw,
        };
        let kept = (properties.len() <= mark::room(self.frame_max)).then_some(properties);
        let mark = mark::frame(channel, fixed, flaw, kept, key.as_deref());
        Ok(Step::Replace(length, mark))
    }

    /// One frame less of a body that lapin is not to see.
    fn leave_out(&mut self, channel: u16, bytes: usize) {
        if let Some(left) = self.bodies.get_mut(&channel) {
            *left = left.saturating_sub(bytes as u64);
            if *left == 0 {
                self.bodies.remove(&channel);
            }
        }
    }

    fn method(&mut self, input: &mut [u8], channel: u16, length: usize) -> Result<Step, Broken> {
        if input.len() < length {
            return Ok(Step::Wait);
        }
        if input[length - 1] != FRAME_END {
            return Err(Broken("a frame without an end"));
        }
        // A method begins something new: what was to come on this channel does not come any more.
        self.bodies.remove(&channel);
        let payload = &mut input[HEAD..length - 1];
        match payload.first_chunk::<4>() {
            Some([0, 60, 0, method]) => {
                // Where the exchange begins; the routing key follows it.
                let names = match method {
                    // Return: after a code and a text.
                    50 => skip_text(payload, 6),
                    // Deliver: after the consumer, the tag, and whether it was delivered before.
                    60 => skip_text(payload, 4).map(|at| at + 9),
                    // The answer to a get: after the same without the consumer.
                    71 => Some(13),
                    _ => None,
                };
                if let Some(names) = names.and_then(|at| payload.get_mut(at..)) {
                    match make_readable(names) {
                        Some(key) => drop(self.keys.insert(channel, key)),
                        None => drop(self.keys.remove(&channel)),
                    }
                }
            }
            // Connection.Tune: lapin agrees on the lesser of both, 0 meaning any.
            Some([0, 10, 0, 30]) => {
                let mut rest = payload.get(6..).unwrap_or_default();
                if let Some(bytes) = take_array(&mut rest) {
                    let offered = u32::from_be_bytes(*bytes) as usize;
                    if offered > 0 {
                        self.frame_max = self.frame_max.min(offered.max(FRAME_MIN));
                    }
                }
            }
            // Connection.Start: the only other table that a broker sends.
            Some([0, 10, 0, 10]) => {
                let mut rest = &payload[4..];
                let table = take_array::<2>(&mut rest).and(properties::long_string(&mut rest));
                if table.is_none_or(|table| properties::check_table(table).is_err()) {
                    return Err(Broken("unreadable properties of the server"));
                }
            }
            _ => {}
        }
        Ok(Step::Pass(length))
    }
}

/// Where what comes after the short text at `at` begins.
fn skip_text(payload: &[u8], at: usize) -> Option<usize> {
    Some(at + 1 + usize::from(*payload.get(at)?))
}

/// Makes two short texts readable, in place, if they are not; and gives what they were.
fn make_readable(names: &mut [u8]) -> Option<Vec<u8>> {
    let mut rest = &*names;
    let exchange = short_string(&mut rest)?;
    let key = short_string(&mut rest)?;
    if [exchange, key]
        .iter()
        .all(|name| std::str::from_utf8(name).is_ok())
    {
        return None;
    }
    let (exchange, key) = (exchange.len(), key.len());
    let names = &mut names[..exchange + key + 2];
    let original = names.to_vec();
    let (exchange, key) = names.split_at_mut(exchange + 1);
    for name in [&mut exchange[1..], &mut key[1..]] {
        for byte in name.iter_mut().filter(|byte| !byte.is_ascii()) {
            *byte = b'?';
        }
    }
    Some(original)
}
