use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use tokio::time::Instant;

use crate::{
    clock::Due,
    connection::Connection,
    faults::Switches,
    limits::{Limits, Losses},
    queue::Queue,
    receiver::Receiver,
    script::Faults,
    shared::Later,
};

/// Which connection; never used twice.
pub(crate) type ConnectionId = u64;

/// The broker: what is connected, what waits, and which faults are asked for.
pub(crate) struct State {
    pub(crate) limits: Limits,
    pub(crate) switches: Switches,
    pub(crate) faults: Faults,
    pub(crate) losses: Losses,
    pub(crate) connections: BTreeMap<ConnectionId, Connection>,
    pub(crate) receivers: BTreeMap<Arc<str>, Receiver>,
    pub(crate) later: Vec<Later>,
    /// When to look again at what time changes.
    pub(crate) alarms: BTreeSet<Instant>,
    /// What ends by itself.
    pub(crate) due: Vec<(Instant, Due)>,
    /// For connections, places and tags alike.
    last_number: u64,
}

impl State {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            switches: Switches::default(),
            faults: Faults::default(),
            losses: Losses::default(),
            connections: BTreeMap::new(),
            receivers: BTreeMap::new(),
            later: Vec::new(),
            alarms: BTreeSet::new(),
            due: Vec::new(),
            last_number: 0,
        }
    }

    pub(crate) fn number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    /// Takes what is over out of the queues.
    pub(crate) fn expire(&mut self, now: Instant) {
        for receiver in self.receivers.values_mut() {
            receiver.expire(now, &self.limits, &mut self.losses);
        }
    }

    /// How many messages will move by themselves, and how many faults end by themselves.
    pub(crate) fn in_motion(&self, now: Instant) -> usize {
        let connections = self.connections.values();
        let held: usize = connections.map(|connection| connection.held(now)).sum();
        let receivers = self.receivers.values();
        let queued: usize = receivers
            .flat_map(Receiver::queues)
            .map(Queue::in_motion)
            .sum();
        let queued = if self.switches.stopped { 0 } else { queued };
        held + queued + self.due.len()
    }
}
