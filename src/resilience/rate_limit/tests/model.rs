/// A rate limit as plain as can be: the times that were given, and what holds of any that follow one another. From the
/// i-th to the n-th are `n - i + 1`, which is at most a burst and one more for each interval between.
#[derive(Clone, Debug)]
pub(super) struct Model {
    interval: u64,
    burst: u64,
    pub(super) times: Vec<u64>,
}

impl Model {
    pub(super) fn new(interval: u64, burst: u32) -> Self {
        Self {
            interval,
            burst: burst.into(),
            times: Vec::new(),
        }
    }

    /// When the next may come.
    fn earliest(&self, now: u64) -> u64 {
        let next = self.times.len() as u64;
        let after = |(number, time): (u64, &u64)| {
            let more = (next - number + 1).saturating_sub(self.burst);
            // One that has a burst to itself says nothing.
            if more == 0 {
                0
            } else {
                time + more * self.interval
            }
        };
        let times = (0..).zip(&self.times).map(after);
        times.max().unwrap_or(0).max(now)
    }

    /// Its time, or how long it is until there is one that is soon enough.
    pub(super) fn take(&mut self, now: u64, most: u64) -> Result<u64, u64> {
        let at = self.earliest(now);
        if at - now > most {
            return Err(at - now - most);
        }
        self.times.push(at);
        Ok(at)
    }

    /// The time of this number is not needed. True if it is the last.
    pub(super) fn give_back(&mut self, number: usize) -> bool {
        let newest = number + 1 == self.times.len();
        if newest {
            self.times.pop();
        }
        newest
    }

    pub(super) fn available(&self, now: u64) -> u64 {
        let mut copy = self.clone();
        let mut count = 0;
        while count < self.burst && copy.take(now, 0).is_ok() {
            count += 1;
        }
        count
    }
}

/// RL-1: in every interval of any length at most a burst, and one for each interval of the limit that is over in it.
pub(super) fn assert_within(times: &[u64], interval: u64, burst: u32) {
    for (number, first) in times.iter().enumerate() {
        for (count, last) in (1..).zip(&times[number..]) {
            assert!(last >= first, "in order");
            let most = u64::from(burst) + (last - first) / interval;
            assert!(count <= most, "{count} from {first} to {last}");
        }
    }
}
