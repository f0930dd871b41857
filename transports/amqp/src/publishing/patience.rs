//! How long may the broker owe an answer?

use tokio::time::{Duration, Instant};

/// In bytes a second: what passes more slowly is as good as cut. 1 Mbit/s.
const SLOWEST: u32 = 128 * 1024;

/// Counts from its last answer, from when it last owed none, or from the end of its last alarm.
pub(super) struct Patience {
    limit: Duration,
    since: Instant,
    alarm: bool,
}

impl Patience {
    pub(super) fn new(limit: Duration, now: Instant) -> Self {
        Self {
            limit,
            since: now,
            alarm: false,
        }
    }

    /// It has answered, or owes nothing.
    pub(super) fn renew(&mut self, now: Instant) {
        self.since = now;
    }

    /// Whether it has asked for silence by now: meanwhile nothing can be said of it. Afterwards it has all the
    /// time again, for it reads on only then, and says so before it answers.
    pub(super) fn alarm(&mut self, is_on: bool, now: Instant) {
        if self.alarm || is_on {
            self.since = now;
        }
        self.alarm = is_on;
    }

    /// When it is over, if what is to be answered next has a body of so many bytes: it owes no answer before it has
    /// all of them, and when that is cannot be known here, where they wait in buffers. None: there is an alarm.
    pub(super) fn ends(&self, bytes: usize) -> Option<Instant> {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let way = Duration::from_secs(bytes.into()) / SLOWEST;
        (!self.alarm).then(|| self.since + self.limit + way)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(1);

    #[test]
    fn an_answer_renews_it() {
        let start = Instant::now();
        let mut patience = Patience::new(LIMIT, start);
        assert_eq!(patience.ends(0), Some(start + LIMIT));
        patience.renew(start + LIMIT / 2);
        assert_eq!(patience.ends(0), Some(start + LIMIT / 2 + LIMIT));
        patience.alarm(false, start + LIMIT);
        assert_eq!(patience.ends(0), Some(start + LIMIT / 2 + LIMIT));
    }

    #[test]
    fn a_large_body_has_time_for_its_way() {
        let start = Instant::now();
        let patience = Patience::new(LIMIT, start);
        let large = 16 * 1024 * 1024;
        assert_eq!(patience.ends(large), Some(start + LIMIT + 128 * LIMIT));
        assert!(patience.ends(100).expect("no alarm") < start + LIMIT + LIMIT / 1000);
    }

    /// In an alarm that nobody looked at for long, its end came before the confirm of a message that had been
    /// written before, and the connection was cut.
    #[test]
    fn the_end_of_an_alarm_renews_it() {
        let start = Instant::now();
        let mut patience = Patience::new(LIMIT, start);
        patience.alarm(true, start + LIMIT / 2);
        assert_eq!(patience.ends(0), None);
        let end = start + 10 * LIMIT;
        patience.alarm(false, end);
        assert_eq!(patience.ends(0), Some(end + LIMIT));
        patience.alarm(false, end + LIMIT / 2);
        assert_eq!(patience.ends(0), Some(end + LIMIT));
    }
}
