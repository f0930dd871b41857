use std::collections::VecDeque;

use algedonic_transport::{Lane, Message};

use crate::queue::Queue;

/// What the broker keeps for one name, whoever is connected under it.
#[derive(Default)]
pub(crate) struct Receiver {
    events: Queue,
    signals: Queue,
    /// Both lanes', in the order of their coming.
    pub(crate) dead_letters: VecDeque<Message>,
}

impl Receiver {
    pub(crate) fn queue(&self, lane: Lane) -> &Queue {
        match lane {
            Lane::Event => &self.events,
            Lane::Signal => &self.signals,
        }
    }

    pub(crate) fn queue_mut(&mut self, lane: Lane) -> &mut Queue {
        match lane {
            Lane::Event => &mut self.events,
            Lane::Signal => &mut self.signals,
        }
    }

    pub(crate) fn queues_mut(&mut self) -> [&mut Queue; 2] {
        [&mut self.events, &mut self.signals]
    }
}
