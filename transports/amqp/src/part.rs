//! Which connections does a transport have?

use std::fmt;

use algedonic_transport::Lane;

use crate::error::During;

/// One of the connections of a transport. Each carries one lane one way, so that nothing that is
/// wrong with one, a blocked publisher, a refused queue, a message that cannot be read, is ever felt
/// on another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) way: Way,
    pub(crate) lane: Lane,
    /// Among those that carry the same.
    pub(crate) number: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Publish,
    Consume,
    /// What a consumer puts aside; made when there is something.
    Bury,
}

impl Part {
    pub(crate) fn publish(lane: Lane, number: usize) -> Self {
        Self {
            way: Way::Publish,
            lane,
            number,
        }
    }

    pub(crate) fn consume(lane: Lane) -> Self {
        Self {
            way: Way::Consume,
            lane,
            number: 0,
        }
    }

    pub(crate) fn bury(lane: Lane) -> Self {
        Self {
            way: Way::Bury,
            lane,
            number: 0,
        }
    }

    pub(crate) fn during(self) -> During {
        match self.way {
            Way::Publish | Way::Bury => During::Publish,
            Way::Consume => During::Consume,
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let way = match self.way {
            Way::Publish => "publish",
            Way::Consume => "consume",
            Way::Bury => "bury",
        };
        write!(f, "{way} {}", self.lane)?;
        match self.number {
            0 => Ok(()),
            number => write!(f, " {}", number + 1),
        }
    }
}
