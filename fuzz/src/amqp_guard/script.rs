//! What both sides say: frames written by hand, byte by byte.

use crate::input::Input;

/// What is said at once.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// By the client: frames.
    Ours(Vec<u8>),
    /// By the broker.
    Theirs { bytes: Vec<u8>, kind: Kind },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A frame with every field that it must have; of its texts, those that others choose are any bytes.
    Complete,
    /// A frame.
    Frame,
    /// Any bytes: nobody knows where the next frame begins.
    Bytes,
}

impl Step {
    pub(super) fn bytes(&self) -> &[u8] {
        let (Self::Ours(bytes) | Self::Theirs { bytes, .. }) = self;
        bytes
    }

    pub(super) fn is_ours(&self) -> bool {
        matches!(self, Self::Ours(_))
    }
}

/// Of all steps together.
const BYTES: usize = 48 * 1024;
const STEPS: usize = 1200;

/// As many steps as the input says, and at most so many bytes.
pub(super) fn any(input: &mut Input<'_>) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut bytes = 0;
    let mut delivered = [0; 4];
    while !input.is_empty() && bytes < BYTES && steps.len() < STEPS {
        let choice = input.byte() % 24;
        let channel = input.byte() % 4;
        if choice == 23 {
            // The same again, and again.
            let times = usize::from(input.word());
            let Some(last) = steps.last().cloned() else {
                continue;
            };
            for _ in 0..times.min(STEPS - steps.len()) {
                bytes += last.bytes().len();
                if bytes >= BYTES {
                    break;
                }
                steps.push(last.clone());
            }
            continue;
        }
        let step = if choice < 8 {
            Step::Ours(ours(input, choice, u16::from(channel % 3) + 1))
        } else {
            let (bytes, kind) = theirs(input, choice, channel, &mut delivered);
            Step::Theirs { bytes, kind }
        };
        bytes += step.bytes().len();
        steps.push(step);
    }
    steps
}

fn ours(input: &mut Input<'_>, choice: u8, channel: u16) -> Vec<u8> {
    match choice {
        0 => method(channel, 20, 10, &[short(b"")]),
        1 => {
            let prefetch = input.byte() % 8;
            method(channel, 60, 10, &[vec![0, 0, 0, 0, 0, prefetch, 0]])
        }
        2 => {
            let arguments = [vec![0, 0], short(b"queue"), short(b""), vec![0], long(b"")];
            method(channel, 60, 20, &arguments)
        }
        3 => method(channel, 85, 10, &[vec![0]]),
        4 => {
            let publish = [vec![0, 0], short(b"exchange"), short(b"a.b"), vec![1]];
            let one = [
                method(channel, 60, 40, &publish),
                header(channel, 1, &[0, 0]),
                frame(3, channel, b"x"),
            ];
            one.concat().repeat(1 + usize::from(input.byte() % 8))
        }
        5 => {
            let number = *input.one_of(&[80, 90, 120]);
            let tag = u64::from(input.byte() % 32);
            // Of a nack and of a reject one bit means that the message is to come again.
            let flags = input.byte() % if number == 120 { 4 } else { 2 };
            method(
                channel,
                60,
                number,
                &[tag.to_be_bytes().to_vec(), vec![flags]],
            )
        }
        6 => method(channel, 20, 21, &[vec![1]]),
        _ => method(channel, 20, 41, &[]),
    }
}

fn theirs(
    input: &mut Input<'_>,
    choice: u8,
    channel: u8,
    delivered: &mut [u64; 4],
) -> (Vec<u8>, Kind) {
    let last = &mut delivered[usize::from(channel)];
    let channel = u16::from(channel);
    let text = |input: &mut Input<'_>| short(input.bytes());
    let bytes = match choice {
        8 | 9 => {
            // The next one, or any.
            let jump = input.byte();
            *last = if jump < 192 {
                *last + 1
            } else {
                u64::from(jump - 192)
            };
            let tag = last.to_be_bytes().to_vec();
            let names = [vec![0], text(input), text(input)].concat();
            if choice == 8 {
                method(channel, 60, 60, &[short(b"consumer"), tag, names])
            } else {
                method(channel, 60, 71, &[tag, names, vec![0; 4]])
            }
        }
        10 => {
            let names = [text(input), text(input), text(input)];
            method(channel, 60, 50, &[vec![1, 56], names.concat()])
        }
        11 => {
            let number = *input.one_of(&[80, 120]);
            let tag = u64::from(input.byte() % 32);
            let flags = input.byte();
            method(
                channel,
                60,
                number,
                &[tag.to_be_bytes().to_vec(), vec![flags]],
            )
        }
        12 => {
            let nobody = vec![0];
            method(channel, 60, 30, &[short(b"consumer"), nobody])
        }
        13 => method(channel, 20, 20, &[vec![input.byte() % 2]]),
        14 => method(channel, 20, 40, &[vec![1, 148], text(input), vec![0; 4]]),
        15 => match input.byte() % 6 {
            0 => method(0, 10, 50, &[vec![1, 64], text(input), vec![0; 4]]),
            1 => method(0, 10, 60, &[text(input)]),
            2 => method(0, 10, 61, &[]),
            3 => method(0, 10, 51, &[]),
            4 => method(
                0,
                10,
                30,
                &[vec![0, 0, 0, 0, input.byte(), input.byte(), 0, 9]],
            ),
            _ => {
                let start = [
                    vec![0, 9],
                    long(input.many_bytes()),
                    long(b"PLAIN"),
                    long(b"en_US"),
                ];
                return (method(0, 10, 10, &start), Kind::Frame);
            }
        },
        16 => header(channel, u64::from(input.byte()), &[0, 0]),
        17 => {
            let body = u64::from(input.word());
            header(channel, body, &properties(input))
        }
        18 => frame(3, channel, &vec![b'x'; usize::from(input.byte())]),
        19 => frame(3, channel, &vec![0xCE; usize::from(input.word())]),
        20 => {
            const CLASSES: [u8; 9] = [10, 20, 30, 40, 50, 60, 85, 90, 0];
            let class = *input.one_of(&CLASSES);
            let number = input.byte();
            return (
                method(channel, class, number, &[input.bytes().to_vec()]),
                Kind::Frame,
            );
        }
        21 => {
            let kind = input.byte();
            let bytes = frame(kind, channel, input.many_bytes());
            // A protocol header has no size.
            let kind = if kind == b'A' {
                Kind::Bytes
            } else {
                Kind::Frame
            };
            return (bytes, kind);
        }
        _ => return (input.many_bytes().to_vec(), Kind::Bytes),
    };
    (bytes, Kind::Complete)
}

/// Any bytes, or headers that nest, or are many.
fn properties(input: &mut Input<'_>) -> Vec<u8> {
    let headers = |table: &[u8]| [vec![0x20, 0], long(table)].concat();
    match input.byte() % 4 {
        0 => {
            let mut table = input.bytes().to_vec();
            for _ in 0..input.byte() % 24 {
                table = [b"\x01aF".to_vec(), long(&table)].concat();
            }
            headers(&table)
        }
        1 => {
            let values = vec![b'V'; usize::from(input.word()) % 8192];
            headers(&[b"\x01aA".to_vec(), long(&values)].concat())
        }
        _ => input.many_bytes().to_vec(),
    }
}

fn frame(kind: u8, channel: u16, payload: &[u8]) -> Vec<u8> {
    let head = [&[kind], &channel.to_be_bytes()[..]].concat();
    [head, long(payload), vec![0xCE]].concat()
}

fn method(channel: u16, class: u8, number: u8, arguments: &[Vec<u8>]) -> Vec<u8> {
    let payload = [vec![0, class, 0, number], arguments.concat()].concat();
    frame(1, channel, &payload)
}

fn header(channel: u16, body: u64, properties: &[u8]) -> Vec<u8> {
    let payload = [&[0, 60, 0, 0], &body.to_be_bytes()[..], properties].concat();
    frame(2, channel, &payload)
}

fn short(bytes: &[u8]) -> Vec<u8> {
    let length = u8::try_from(bytes.len()).expect("at most 255");
    [&[length], bytes].concat()
}

fn long(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).expect("an input is short");
    [&length.to_be_bytes()[..], bytes].concat()
}
