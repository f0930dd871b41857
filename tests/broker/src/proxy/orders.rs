//! What the connections of a proxy are told to do.

use super::{End, Way};
use std::time::Duration;

/// The orders for each direction, and for whole connections. Those that happen once are counted: a connection obeys
/// whatever was counted after it began.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Orders {
    to_server: Direction,
    to_client: Direction,
    /// How often all connections were ended, and how the last time.
    pub(super) ended: u64,
    pub(super) how: Option<End>,
    /// How often everything was taken back.
    pub(super) resumed: u64,
    /// After how many bytes each connection that begins from now on ends.
    pub(super) cut_each: Option<(Way, u64, End)>,
}

/// The orders for one direction.
#[derive(Clone, Copy, Debug)]
pub(super) struct Direction {
    pub(super) delay: Duration,
    /// Bytes a second.
    pub(super) rate: Option<u32>,
    /// Bytes at once.
    pub(super) most: usize,
    pub(super) flow: Flow,
    pub(super) half_closed: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flow {
    Forward,
    Stall,
    Swallow,
}

impl Default for Direction {
    fn default() -> Self {
        Self {
            delay: Duration::ZERO,
            rate: None,
            most: usize::MAX,
            flow: Flow::Forward,
            half_closed: 0,
        }
    }
}

impl Orders {
    /// The orders for one direction.
    pub(super) fn of(&self, way: Way) -> &Direction {
        match way {
            Way::ToServer => &self.to_server,
            Way::ToClient => &self.to_client,
            Way::Both => unreachable!("a pipe has one direction"),
        }
    }

    /// Changes one direction, or each.
    pub(super) fn each(&mut self, way: Way, mut change: impl FnMut(&mut Direction)) {
        if way != Way::ToClient {
            change(&mut self.to_server);
        }
        if way != Way::ToServer {
            change(&mut self.to_client);
        }
    }

    pub(super) fn end(&mut self, how: End) {
        self.ended += 1;
        self.how = Some(how);
    }

    pub(super) fn resume(&mut self) {
        self.resumed += 1;
        self.cut_each = None;
        self.each(Way::Both, |now| {
            *now = Direction {
                half_closed: now.half_closed,
                ..Direction::default()
            };
        });
    }
}
