/// How many may be scheduled at a time.
pub(super) const CAPACITY: usize = 12;
/// How many ticks their subscriber holds; that of tocks holds all.
pub(super) const ROOM: usize = 2;

/// What must happen, without a care for cost.
#[derive(Default)]
pub(super) struct Model {
    pub(super) now: u64,
    /// Not published, by the time at which they are due: that, the number, whether it is a tick.
    pub(super) waiting: Vec<(u64, u64, bool)>,
    pub(super) published: Vec<u64>,
    pub(super) cancelled: u64,
    pub(super) unread: Vec<u64>,
    pub(super) tocks: Vec<u64>,
}

impl Model {
    pub(super) fn schedule(&mut self, number: u64, tick: bool, delay: u64) -> bool {
        let taken = self.waiting.len() < CAPACITY;
        if taken {
            self.waiting.push((self.now + delay, number, tick));
            // By time, then by number: those that are due wait in the same order.
            self.waiting.sort_unstable();
        }
        taken
    }

    pub(super) fn cancel(&mut self, number: u64) -> bool {
        let before = self.waiting.len();
        self.waiting.retain(|(_, waiting, _)| *waiting != number);
        let cancelled = self.waiting.len() < before;
        self.cancelled += u64::from(cancelled);
        cancelled
    }

    /// Publishes what is due and has room.
    pub(super) fn run(&mut self) {
        let Self {
            now,
            waiting,
            published,
            unread,
            tocks,
            ..
        } = self;
        waiting.retain(|(due, number, tick)| {
            let waits = *due > *now || (*tick && unread.len() == ROOM);
            if !waits {
                published.push(*number);
                if *tick { &mut *unread } else { &mut *tocks }.push(*number);
            }
            waits
        });
    }
}
