use std::{collections::BTreeMap, sync::Arc};

use crate::{
    connection::Connection,
    faults::Faults,
    limits::{Limits, Losses},
    receiver::Receiver,
    shared::Later,
};

/// Which connection; never used twice.
pub(crate) type ConnectionId = u64;

/// The broker: what is connected, what waits, and which faults are asked for.
pub(crate) struct State {
    pub(crate) limits: Limits,
    pub(crate) faults: Faults,
    pub(crate) losses: Losses,
    pub(crate) connections: BTreeMap<ConnectionId, Connection>,
    pub(crate) receivers: BTreeMap<Arc<str>, Receiver>,
    pub(crate) later: Vec<Later>,
    /// For connections, places and tags alike.
    last_number: u64,
}

impl State {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            faults: Faults::default(),
            losses: Losses::default(),
            connections: BTreeMap::new(),
            receivers: BTreeMap::new(),
            later: Vec::new(),
            last_number: 0,
        }
    }

    pub(crate) fn number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }
}
