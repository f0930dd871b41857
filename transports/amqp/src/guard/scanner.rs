//! Which bytes from the broker may lapin see as they are? Pure; frames come in pieces of any size.

use std::{collections::BTreeMap, fmt};

use super::{
    channel::Channel,
    mark,
    outgoing::{Outgoing, Said, Sift},
    properties::{self, Flaw, short_string, take_array},
};

pub(super) const METHOD: u8 = 1;
const HEADER: u8 = 2;
const BODY: u8 = 3;
const HEARTBEAT: u8 = 8;
/// The first byte of a protocol header: the broker speaks no AMQP 0-9-1, says what it speaks, and
/// hangs up.
pub(super) const PROTOCOL: u8 = b'A';
const FRAME_END: u8 = 0xCE;
/// What every peer has to take.
const FRAME_MIN: usize = 4096;

/// Type, channel and size.
pub(super) const HEAD: usize = 7;
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Broken(pub(super) &'static str);

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

/// How often an alarm may begin and end without a word from us in between. We have one every few seconds.
const ALARMS: u32 = 1000;

/// Follows the frames of one connection.
#[derive(Debug)]
pub(super) struct Scanner {
    frame_max: usize,
    body_max: u64,
    /// So many bytes of the present frame go on unseen.
    passing: usize,
    /// So many bytes of the present frame are left out.
    skipping: usize,
    /// Those that we have opened.
    channels: BTreeMap<u16, Channel>,
    alarms: u32,
    /// The broker has said what it is.
    greeted: bool,
    /// The broker has closed the connection.
    over: bool,
    /// It has closed a channel.
    closed_one: bool,
    outgoing: Outgoing,
}

impl Scanner {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            frame_max: limits.frame_max,
            body_max: limits.body_max,
            passing: 0,
            skipping: 0,
            channels: BTreeMap::new(),
            alarms: 0,
            greeted: false,
            over: false,
            closed_one: false,
            outgoing: Outgoing::new(),
        }
    }

    /// How many bytes must fit into the buffer that the input comes from.
    pub(super) fn needs(&self) -> usize {
        self.frame_max
    }

    /// Whether the broker has closed the connection: what it says after that, lapin is not to see.
    pub(super) fn is_over(&self) -> bool {
        self.over
    }

    /// So many bytes need not come by here at all.
    pub(super) fn unseen(&self) -> usize {
        self.passing
    }

    /// So many of these went on without coming by.
    pub(super) fn went_on(&mut self, count: usize) {
        self.passing -= count.min(self.passing);
    }

    /// Whether something of what is to go out may have to be left out.
    pub(super) fn sifts(&self) -> bool {
        self.closed_one
    }

    /// What may go out of these bytes. A publish that lapin has begun while the broker closes its channel comes
    /// after the acknowledgement of that, and the broker would end the connection over it.
    pub(super) fn sift(&self, bytes: &[u8]) -> Sift {
        if !self.closed_one {
            return Sift::Pass(bytes.len());
        }
        self.outgoing.sift(bytes, |channel| {
            channel == 0 || self.channels.contains_key(&channel)
        })
    }

    /// This has gone out to the broker.
    pub(super) fn sent(&mut self, bytes: &[u8]) {
        let (channels, alarms) = (&mut self.channels, &mut self.alarms);
        self.outgoing.follow(bytes, |channel, said| {
            *alarms = 0;
            match said {
                Said::Open => drop(channels.insert(channel, Channel::new())),
                Said::CloseOk => drop(channels.remove(&channel)),
                // Most frames: the header of a message, and its body.
                Said::Other => {}
                said => {
                    if let Some(channel) = channels.get_mut(&channel) {
                        channel.told(said);
                    }
                }
            }
        });
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
        if kind == PROTOCOL && !self.over {
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
        if self.over {
            return Ok(self.after_the_end(input, kind, length));
        }
        match kind {
            HEADER => self.header(input, channel, length),
            METHOD | BODY | HEARTBEAT if length > self.frame_max => {
                Err(Broken("a larger frame than was agreed on"))
            }
            METHOD => self.method(input, channel, length),
            BODY => {
                let passes = self.channel(channel)?.body(size as u64)?;
                let count = length.min(input.len());
                Ok(if passes {
                    self.passing = length - count;
                    Step::Pass(count)
                } else {
                    self.skipping = length - count;
                    Step::Replace(count, Vec::new())
                })
            }
            HEARTBEAT => {
                let count = length.min(input.len());
                self.passing = length - count;
                Ok(Step::Pass(count))
            }
            _ => Err(Broken("a frame of unknown type")),
        }
    }

    /// After its close a broker has nothing to say but that it has seen ours. lapin would take anything else
    /// for the reason of the end.
    fn after_the_end(&mut self, input: &[u8], kind: u8, length: usize) -> Step {
        const CLOSE_OK: [u8; 12] = [METHOD, 0, 0, 0, 0, 0, 4, 0, 10, 0, 51, FRAME_END];
        if kind == METHOD && length == CLOSE_OK.len() {
            if input.len() < length {
                return Step::Wait;
            }
            if input[..length] == CLOSE_OK {
                return Step::Pass(length);
            }
        }
        let count = length.min(input.len());
        self.skipping = length - count;
        Step::Replace(count, Vec::new())
    }

    fn channel(&mut self, number: u16) -> Result<&mut Channel, Broken> {
        let closed = Broken("a frame on a channel that is not open");
        self.channels.get_mut(&number).ok_or(closed)
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
        let mut fixed = [0; FIXED];
        fixed.copy_from_slice(&input[HEAD..HEAD + FIXED]);
        let [c1, c2, _, _, size @ ..] = fixed;
        if [c1, c2] != [0, 60] {
            return Err(Broken("a content header of another class"));
        }
        let body = u64::from_be_bytes(size);
        let too_large = body > self.body_max;
        let key = self.channel(channel)?.header(body, too_large)?;
        if too_large {
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

    fn method(&mut self, input: &mut [u8], channel: u16, length: usize) -> Result<Step, Broken> {
        if input.len() < length {
            return Ok(Step::Wait);
        }
        if input[length - 1] != FRAME_END {
            return Err(Broken("a frame without an end"));
        }
        let payload = &mut input[HEAD..length - 1];
        let Some((&mut [0, class, 0, method], arguments)) = payload.split_first_chunk_mut::<4>()
        else {
            return Err(Broken("a method of no known class"));
        };
        if !from_a_broker(class, method) {
            return Err(Broken("a method that no broker sends"));
        }
        if class == 10 {
            if channel != 0 {
                return Err(Broken("a method of the connection on a channel"));
            }
            self.connection(method, arguments)?;
        } else {
            let channel = self.channel(channel)?;
            channel.method((class, method), arguments)?;
            channel.keep_key(readable_names(class, method, arguments));
        }
        match (class, method) {
            (20, 40) => self.closed_one = true,
            (20, 41) => drop(self.channels.remove(&channel)),
            _ => {}
        }
        Ok(Step::Pass(length))
    }

    /// A method of the connection itself.
    fn connection(&mut self, method: u8, arguments: &mut [u8]) -> Result<(), Broken> {
        match method {
            // Start: with the only table that a broker sends, but for those of messages.
            10 => {
                if std::mem::replace(&mut self.greeted, true) {
                    return Err(Broken("a second greeting"));
                }
                let mut rest = &*arguments;
                let table = take_array::<2>(&mut rest).and(properties::long_string(&mut rest));
                if table.is_none_or(|table| properties::check_table(table).is_err()) {
                    return Err(Broken("unreadable properties of the server"));
                }
            }
            // Tune: lapin agrees on the lesser of both, 0 meaning any.
            30 => {
                let mut rest = arguments.get(2..).unwrap_or_default();
                if let Some(bytes) = take_array(&mut rest) {
                    let offered = u32::from_be_bytes(*bytes) as usize;
                    if offered > 0 {
                        self.frame_max = self.frame_max.min(offered.max(FRAME_MIN));
                    }
                }
            }
            // Close: after the code.
            50 => {
                make_readable(arguments.get_mut(2..).unwrap_or_default(), 1);
                self.over = true;
            }
            // Blocked, unblocked.
            60 | 61 => {
                self.alarms += 1;
                if self.alarms > ALARMS {
                    return Err(Broken("one alarm after the other"));
                }
                if method == 60 {
                    make_readable(arguments, 1);
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// Whether a broker has a use for this method: lapin reads those of clients too, with their tables.
fn from_a_broker(class: u8, method: u8) -> bool {
    match class {
        10 => matches!(method, 10 | 20 | 30 | 41 | 50 | 51 | 60 | 61 | 71),
        20 => matches!(method, 11 | 20 | 21 | 40 | 41),
        30 | 85 => method == 11,
        40 => matches!(method, 11 | 21 | 31 | 51),
        50 => matches!(method, 11 | 21 | 31 | 41 | 51),
        60 => matches!(
            method,
            11 | 21 | 30 | 31 | 50 | 60 | 71 | 72 | 80 | 111 | 120
        ),
        90 => matches!(method, 11 | 21 | 31),
        _ => false,
    }
}

/// Makes the texts of a method readable that others have chosen; gives the exchange and the routing key of a
/// message as they were, if that was needed.
fn readable_names(class: u8, method: u8, arguments: &mut [u8]) -> Option<Vec<u8>> {
    // Where the exchange begins; the routing key follows it.
    let names = match (class, method) {
        // Return: after a code and a text.
        (60, 50) => {
            let text = arguments.get_mut(2..)?;
            make_readable(text, 1);
            3 + usize::from(*text.first()?)
        }
        // Deliver: after the consumer, the tag, and whether it was delivered before.
        (60, 60) => 1 + usize::from(*arguments.first()?) + 9,
        // The answer to a get: after the same without the consumer.
        (60, 71) => 9,
        // Close: why, after a code. RabbitMQ cuts what is too long, and does not mind where.
        (20, 40) => {
            make_readable(arguments.get_mut(2..)?, 1);
            return None;
        }
        _ => return None,
    };
    make_readable(arguments.get_mut(names..)?, 2)
}

/// Makes so many short texts readable, in place, if they are not; and gives what they were.
fn make_readable(texts: &mut [u8], count: usize) -> Option<Vec<u8>> {
    let mut rest = &*texts;
    let mut readable = true;
    for _ in 0..count {
        readable &= std::str::from_utf8(short_string(&mut rest)?).is_ok();
    }
    if readable {
        return None;
    }
    let length = texts.len() - rest.len();
    let texts = &mut texts[..length];
    let original = texts.to_vec();
    let mut at = 0;
    while let Some(size) = texts.get(at) {
        let end = at + 1 + usize::from(*size);
        let text = texts[at + 1..end].iter_mut();
        text.filter(|byte| !byte.is_ascii())
            .for_each(|byte| *byte = b'?');
        at = end;
    }
    Some(original)
}
