//! What callers ask of services, and what these answer, at random: for the tests of layers.

use proptest::prelude::*;

use super::probe::{Answer, Does};

/// Mostly well, often not, and seldom a panic.
pub(super) fn answer() -> impl Strategy<Value = Answer> + Clone {
    prop_oneof![
        16 => Just(Answer::Works),
        12 => Just(Answer::FAILS),
        1 => Just(Answer::Panics),
    ]
}

/// Mostly a call that waits for its answer.
pub(super) fn does(answer: impl Strategy<Value = Answer>) -> impl Strategy<Value = Does> {
    prop_oneof![
        20 => Just(Does::Wait),
        10 => answer.prop_map(Does::Answer),
        1 => Just(Does::PanicInCall),
    ]
}
