//! How long may the broker owe an answer?

use tokio::time::{Duration, Instant};

/// Counts from its last answer, from when it last owed none, from the end of its last alarm, or from when it had all
/// of the message that it is to answer next.
pub(super) struct Patience {
    limit: Duration,
    since: Instant,
    alarm: bool,
    unwritten: bool,
}

impl Patience {
    pub(super) fn new(limit: Duration, now: Instant) -> Self {
        Self {
            limit,
            since: now,
            alarm: false,
            unwritten: false,
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

    /// Whether the message that it is to answer next is still being written by now: a large one takes its time on
    /// a slow way. A broker that takes nothing of it is missed by its heartbeats.
    pub(super) fn writing(&mut self, is_unwritten: bool, now: Instant) {
        if self.unwritten || is_unwritten {
            self.since = now;
        }
        self.unwritten = is_unwritten;
    }

    /// When it is over. None: there is an alarm.
    pub(super) fn ends(&self) -> Option<Instant> {
        (!self.alarm).then(|| self.since + self.limit)
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
        assert_eq!(patience.ends(), Some(start + LIMIT));
        patience.renew(start + LIMIT / 2);
        assert_eq!(patience.ends(), Some(start + LIMIT / 2 + LIMIT));
        patience.alarm(false, start + LIMIT);
        assert_eq!(patience.ends(), Some(start + LIMIT / 2 + LIMIT));
    }

    #[test]
    fn it_begins_when_the_oldest_is_written() {
        let start = Instant::now();
        let mut patience = Patience::new(LIMIT, start);
        patience.writing(true, start + 5 * LIMIT);
        patience.writing(false, start + 8 * LIMIT);
        assert_eq!(patience.ends(), Some(start + 9 * LIMIT));
        patience.writing(false, start + 8 * LIMIT + LIMIT / 2);
        assert_eq!(patience.ends(), Some(start + 9 * LIMIT));
    }

    /// In an alarm that nobody looked at for long, its end came before the confirm of a message that had been
    /// written before, and the connection was cut.
    #[test]
    fn the_end_of_an_alarm_renews_it() {
        let start = Instant::now();
        let mut patience = Patience::new(LIMIT, start);
        patience.alarm(true, start + LIMIT / 2);
        assert_eq!(patience.ends(), None);
        let end = start + 10 * LIMIT;
        patience.alarm(false, end);
        assert_eq!(patience.ends(), Some(end + LIMIT));
        patience.alarm(false, end + LIMIT / 2);
        assert_eq!(patience.ends(), Some(end + LIMIT));
    }
}
