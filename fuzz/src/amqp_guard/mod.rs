//! All that a hostile broker may send, while a client says what clients say. However the bytes are cut, the
//! same goes on; what goes on is within the rules, and within the memory of a few frames; lapin can read it,
//! at a cost that its size accounts for, or it is a method that no broker would send. What is within the rules
//! goes on, unchanged where it can be read.

mod judge;
mod rules;
mod script;
mod socket;

use self::{
    script::Step,
    socket::{Heard, Run},
};
use crate::{guard::Limits, heap, input::Input};

/// Beyond a frame, as much is read at once.
const READ: usize = 32 * 1024;

/// The input is how the bytes are cut, and what both sides say.
pub fn check(data: &[u8]) {
    let mut input = Input::new(data);
    let limits = Limits {
        frame_max: *input.one_of(&[4096, 16 * 1024]),
        body_max: 10_000,
    };
    let (piece, most) = (size(&mut input), size(&mut input));
    let steps = script::any(&mut input);
    let bytes: usize = steps.iter().map(|step| step.bytes().len()).sum();
    // What it holds at once, twice while it grows; and here, what was said and what went on.
    let within = 4 * (limits.frame_max + READ) + 16 * bytes + 64 * 1024;
    let heard = heap::within(within, || one_by_one(&steps, limits));
    judge::judge(&steps, &heard, limits);
    let whole = joined(heard);
    let cut_up = heap::within(within, || cut_up(&steps, limits, piece, most));
    assert!(
        cut_up == whole,
        "in pieces of {piece}, {most} read at once: {} bytes, {:?}; whole: {} bytes, {:?}",
        cut_up.bytes.len(),
        cut_up.broken,
        whole.bytes.len(),
        whole.broken,
    );
}

/// Of a piece: one byte, or more than there may be.
fn size(input: &mut Input<'_>) -> usize {
    let size = usize::from(input.word());
    1 + if size % 2 == 0 { size } else { size % 64 }
}

/// What comes of each step, up to the one that ends the connection.
fn one_by_one(steps: &[Step], limits: Limits) -> Vec<Heard> {
    let mut run = Run::new(limits, usize::MAX, usize::from(u16::MAX));
    let mut heard = Vec::with_capacity(steps.len());
    for step in steps {
        heard.push(match step {
            Step::Ours(bytes) => run.say(bytes),
            Step::Theirs { bytes, .. } => run.hear(bytes),
        });
        if heard.last().is_some_and(|heard| heard.broken.is_some()) {
            break;
        }
    }
    heard
}

/// What comes of all steps, if the broker's come together when they can, in pieces.
fn cut_up(steps: &[Step], limits: Limits, piece: usize, most: usize) -> Heard {
    let mut run = Run::new(limits, piece, most);
    let mut heard = Vec::new();
    for steps in steps.chunk_by(|one, other| one.is_ours() == other.is_ours()) {
        let bytes: Vec<u8> = steps.iter().flat_map(Step::bytes).copied().collect();
        heard.push(if steps[0].is_ours() {
            run.say(&bytes)
        } else {
            run.hear(&bytes)
        });
        if heard.last().is_some_and(|heard| heard.broken.is_some()) {
            break;
        }
    }
    joined(heard)
}

fn joined(heard: Vec<Heard>) -> Heard {
    let mut all = Heard::default();
    for heard in heard {
        all.bytes.extend(heard.bytes);
        all.broken = heard.broken;
    }
    all
}
