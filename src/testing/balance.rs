use std::fmt::Write;

use super::{bus::TestBus, net::TestNet, seat};
use crate::observe::{Account, Books, Counts};

impl TestBus {
    /// Checks that the books of this bus balance: each event that a subscriber was to get is delivered, dropped,
    /// expired, dead-lettered, abandoned or still with it; each request, delayed event and remote outcome is in
    /// exactly one account. [`settle`](TestBus::settle) first: the books balance at rest.
    ///
    /// # Panics
    ///
    /// When they do not; shows the books, and where they are wrong.
    #[track_caller]
    pub fn assert_balanced(&self) {
        let (books, counts) = (self.books(), self.counts());
        let wrong = imbalances(&books, &counts);
        assert!(
            wrong.is_empty(),
            "the books of {} do not balance:{}\n{}",
            self.source(),
            lines(&wrong),
            table(&books)
        );
    }

    /// Checks that nothing was lost on this bus: no event dropped, expired, abandoned or a dead letter, no signal
    /// undelivered, no request without an answer, and nothing that was to be mirrored other than confirmed.
    ///
    /// # Panics
    ///
    /// When something was; says what, and shows the books.
    #[track_caller]
    pub fn assert_nothing_lost(&self) {
        let (books, counts) = (self.books(), self.counts());
        let lost = losses(&counts);
        assert!(
            lost.is_empty(),
            "{} has lost something:{}\n{}",
            self.source(),
            lines(&lost),
            table(&books)
        );
    }
}

impl TestNet {
    /// [`TestBus::assert_balanced`] for each bus.
    ///
    /// # Panics
    ///
    /// As that.
    #[track_caller]
    pub fn assert_balanced(&self) {
        for seat in self.seats() {
            TestBus::new(seat, self.clone()).assert_balanced();
        }
    }

    /// Checks that each fault of the script happened: a test whose fault does not happen proves nothing.
    ///
    /// # Panics
    ///
    /// When one did not; says which.
    #[track_caller]
    pub fn assert_faults_happened(&self) {
        let unused = self.broker().unused_faults();
        assert!(
            unused.is_empty(),
            "these faults did not happen:{}",
            lines(&unused)
        );
    }
}

/// Where the numbers do not add up, in words.
fn imbalances(books: &Books, counts: &Counts) -> Vec<String> {
    let mut wrong = Vec::new();
    for (whose, account) in accounts(books) {
        if !account.is_balanced() {
            wrong.push(format!("the account of {whose}"));
        }
    }
    let delayed = counts.delayed_published
        + counts.delayed_refused
        + counts.delayed_cancelled
        + counts.delayed_abandoned
        + counts.delayed_pending;
    for (what, began, ended) in [
        ("to be mirrored", counts.mirrored, counts.told()),
        ("requests", counts.requests, seat::resolved(counts)),
        ("delayed", counts.delayed, delayed),
    ] {
        if began != ended {
            wrong.push(format!("{what}: {began} began, {ended} ended or wait"));
        }
    }
    wrong
}

/// What was counted as lost, in words.
fn losses(counts: &Counts) -> Vec<String> {
    let numbers = [
        ("publishes refused", counts.refused),
        ("events dropped because a subscriber lagged", counts.dropped),
        ("signals undelivered", counts.undelivered),
        ("events expired", counts.expired),
        ("events abandoned by handlers", counts.abandoned),
        ("events dead-lettered", counts.dead_lettered),
        ("dead letters that made room", counts.dead_letters_lost),
        ("requests timed out", counts.requests_timed_out),
        ("requests lost by their responder", counts.requests_lost),
        ("requests that nobody began", counts.requests_refused),
        ("delayed events refused", counts.delayed_refused),
        ("delayed events abandoned", counts.delayed_abandoned),
        ("unroutable", counts.unroutable),
        ("rejected by the broker", counts.rejected),
        ("with an unknown outcome", counts.unknown),
        ("only local, though to be mirrored", counts.local_only),
        ("dropped from the spool", counts.spool_lost),
        ("spooled, and then refused", counts.replay_refused),
        ("messages that could not be read", counts.malformed),
        ("messages of an unknown type", counts.unknown_type),
    ];
    let lost = numbers.into_iter().filter(|(_, number)| *number > 0);
    lost.map(|(what, number)| format!("{number} {what}"))
        .collect()
}

/// The account of every subscriber, and of those that have left.
fn accounts(books: &Books) -> Vec<(String, Account)> {
    let mut all = Vec::new();
    for books in &books.types {
        for subscriber in &books.subscribers {
            let kind = if subscriber.handled {
                "handler"
            } else {
                "subscriber"
            };
            all.push((format!("{} {kind}", books.name), subscriber.account));
        }
        all.push((format!("{} departed", books.name), books.departed));
    }
    for pattern in &books.patterns {
        let whose = format!("pattern {}", pattern.pattern);
        all.push((whose, pattern.subscriber.account));
    }
    all.push(("patterns departed".to_owned(), books.departed_patterns));
    all
}

/// The books, a line for each subscriber.
fn table(books: &Books) -> String {
    let mut table = String::new();
    for books in &books.types {
        let _ = writeln!(
            table,
            "{}: {} published, {} received",
            books.name, books.published, books.received
        );
    }
    let _ = writeln!(
        table,
        "{:<40} offered redriven = delivered dropped expired dead abandoned in-flight",
        "account"
    );
    for (whose, it) in accounts(books) {
        if it == Account::default() {
            continue;
        }
        let mark = if it.is_balanced() {
            ""
        } else {
            "  <- does not balance"
        };
        let _ = writeln!(
            table,
            "{whose:<40} {:>7} {:>8}   {:>9} {:>7} {:>7} {:>4} {:>9} {:>9}{mark}",
            it.offered,
            it.redriven,
            it.delivered,
            it.dropped,
            it.expired,
            it.dead_lettered,
            it.abandoned,
            it.in_flight,
        );
    }
    table
}

fn lines(lines: &[String]) -> String {
    lines.iter().fold(String::new(), |mut all, line| {
        let _ = write!(all, "\n    {line}");
        all
    })
}

#[cfg(test)]
mod tests {
    use algedonic_transport::Key;

    use super::*;
    use crate::{Buffer, SubscriberBooks, TypeBooks};

    fn books(account: Account) -> Books {
        Books {
            types: vec![TypeBooks {
                name: Key::from_static("shop.ordered"),
                published: 3,
                received: 0,
                subscribers: vec![SubscriberBooks::new(
                    Buffer::default(),
                    true,
                    account.in_flight,
                    account,
                )],
                departed: Account::default(),
            }],
            ..Books::default()
        }
    }

    #[test]
    fn an_account_that_does_not_balance_is_found_and_marked() {
        let good = Account {
            offered: 3,
            delivered: 2,
            in_flight: 1,
            ..Account::default()
        };
        assert!(imbalances(&books(good), &Counts::default()).is_empty());
        assert!(!table(&books(good)).contains("<-"));
        let bad = Account {
            delivered: 1,
            ..good
        };
        let wrong = imbalances(&books(bad), &Counts::default());
        assert_eq!(wrong, ["the account of shop.ordered handler"]);
        let table = table(&books(bad));
        let row = table.lines().find(|line| line.contains("handler"));
        assert!(
            row.expect("a row").ends_with("<- does not balance"),
            "{table}"
        );
    }

    #[test]
    fn what_began_and_neither_ended_nor_waits_is_found() {
        let account = Account::default();
        for counts in [
            Counts {
                mirrored: 1,
                ..Counts::default()
            },
            Counts {
                requests: 2,
                requests_answered: 1,
                ..Counts::default()
            },
            Counts {
                delayed: 1,
                delayed_pending: 2,
                ..Counts::default()
            },
        ] {
            let wrong = imbalances(&books(account), &counts);
            assert_eq!(wrong.len(), 1, "{wrong:?}");
        }
    }
}
