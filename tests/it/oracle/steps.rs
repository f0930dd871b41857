use proptest::prelude::*;

/// One thing that is done to both.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// Cancelled on the spot where it would wait.
    Publish,
    /// Kept where it waits; one at a time.
    PublishAndWait,
    Cancel,
    Subscribe {
        pattern: bool,
    },
    Receive(prop::sample::Index, Way),
    Leave(prop::sample::Index),
    Shutdown,
    DropBus,
}

/// How a subscriber reads.
#[derive(Clone, Copy, Debug)]
pub(super) enum Way {
    Owned,
    Next,
    Lent,
    Many(usize),
}

impl Way {
    /// Whether what it reads takes room until the next call.
    pub(super) fn lends(self) -> bool {
        matches!(self, Self::Lent | Self::Many(_))
    }

    pub(super) fn limit(self) -> usize {
        match self {
            Self::Many(limit) => limit.max(1),
            _ => 1,
        }
    }
}

fn way() -> impl Strategy<Value = Way> {
    prop_oneof![
        Just(Way::Owned),
        Just(Way::Next),
        Just(Way::Lent),
        (0_usize..6).prop_map(Way::Many)
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let index = any::<prop::sample::Index>;
    prop_oneof![
        60 => Just(Step::Publish),
        20 => Just(Step::PublishAndWait),
        4 => Just(Step::Cancel),
        8 => any::<bool>().prop_map(|pattern| Step::Subscribe { pattern }),
        60 => (index(), way()).prop_map(|(index, way)| Step::Receive(index, way)),
        6 => index().prop_map(Step::Leave),
        1 => Just(Step::Shutdown),
        1 => Just(Step::DropBus),
    ]
}

/// A capacity, and what is done. Below 64 a publisher that waits is let in for every event that
/// is read; so are those of the oracle.
pub(super) fn plan() -> impl Strategy<Value = (usize, Vec<Step>)> {
    let capacity = prop_oneof![4 => 1_usize..6, 1 => 28_usize..40];
    let begin = (any::<bool>(), any::<bool>())
        .prop_map(|(one, other)| [one, other].map(|pattern| Step::Subscribe { pattern }));
    let steps = (begin, prop::collection::vec(step(), 1..160));
    let steps = steps.prop_map(|(begin, rest)| begin.into_iter().chain(rest).collect());
    (capacity, steps)
}
