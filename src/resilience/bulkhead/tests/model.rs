use std::collections::VecDeque;

/// A bulkhead as plain as can be: who has a slot, and who waits.
#[derive(Clone, Debug)]
pub(super) struct Model {
    pub(super) limit: usize,
    places: usize,
    pub(super) running: Vec<u64>,
    pub(super) waiting: VecDeque<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Got {
    Full,
    Place,
    Slot,
}

impl Model {
    pub(super) fn new(limit: u32, places: u32) -> Self {
        Self {
            limit: limit as usize,
            places: places as usize,
            running: Vec::new(),
            waiting: VecDeque::new(),
        }
    }

    pub(super) fn take(&mut self, call: u64) -> Got {
        if self.running.len() < self.limit {
            self.running.push(call);
            Got::Slot
        } else if self.waiting.len() < self.places {
            self.waiting.push_back(call);
            Got::Place
        } else {
            Got::Full
        }
    }

    /// A call is over, wherever it was. Who has a slot because of that.
    pub(super) fn over(&mut self, call: u64) -> Option<u64> {
        self.running.retain(|&other| other != call);
        self.waiting.retain(|&other| other != call);
        self.serve().first().copied()
    }

    /// Who has a slot because of that.
    pub(super) fn resize(&mut self, limit: u32) -> Vec<u64> {
        self.limit = limit as usize;
        self.serve()
    }

    fn serve(&mut self) -> Vec<u64> {
        let mut served = Vec::new();
        while self.running.len() < self.limit
            && let Some(first) = self.waiting.pop_front()
        {
            self.running.push(first);
            served.push(first);
        }
        served
    }
}
