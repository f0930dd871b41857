use std::{fmt, sync::Arc};

use crate::{Error, Message};

/// What comes out of a lane.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "almost every arrival is a message: a box would cost each of them"
)]
pub enum Arrival {
    /// A message, to be settled.
    Message(Delivery),
    /// Something that could not be read as a message. The transport has put it aside already
    /// (dead-lettered, where it can); the error says what it was.
    Malformed(Error),
}

/// A message that arrived, to be settled exactly once.
///
/// Dropped without being settled it is given back, and comes again: nothing is lost by a panic or
/// a cancelled task.
pub struct Delivery {
    message: Message,
    redelivered: bool,
    attempt: u32,
    settle: Option<(Arc<dyn Settle>, u64)>,
}

/// How a [`Delivery`] ends. All there are: a transport has to know each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Settlement {
    /// Done with: it must not come again.
    Ack,
    /// Worth nothing here, however often it comes: put it where an operator can find it.
    DeadLetter,
    /// Not now: let it come again.
    Requeue,
}

/// The transport's side of a [`Delivery`].
pub trait Settle: Send + Sync + 'static {
    /// Ends the delivery that the transport knows by `tag`; called exactly once for each.
    ///
    /// Must neither block nor fail: what cannot be told to the other side is redelivered anyway.
    fn settle(&self, tag: u64, settlement: Settlement);

    /// Ends it as [`Settlement::DeadLetter`], with what the application has to say about that: a
    /// short text, empty if nothing. Called instead of [`settle`](Self::settle), not as well.
    ///
    /// A transport that has no place for the reason leaves this as it is.
    fn dead_letter(&self, tag: u64, reason: &str, message: &Message) {
        let _ = (reason, message);
        self.settle(tag, Settlement::DeadLetter);
    }
}

impl Delivery {
    /// A delivery that `settle` will be told about under `tag`.
    pub fn new(message: Message, redelivered: bool, settle: Arc<dyn Settle>, tag: u64) -> Self {
        Self {
            message,
            redelivered,
            attempt: 1 + u32::from(redelivered),
            settle: Some((settle, tag)),
        }
    }

    /// With the number of this attempt, for a transport that counts.
    pub fn with_attempt(mut self, attempt: u32) -> Self {
        self.attempt = attempt.max(1);
        self
    }

    /// The message.
    pub fn message(&self) -> &Message {
        &self.message
    }

    /// Whether it may have been delivered before; a hint, as in AMQP.
    pub fn is_redelivered(&self) -> bool {
        self.redelivered
    }

    /// How often it was delivered, this time included: 1 for the first.
    ///
    /// A transport that does not count ([`Capabilities::counts_attempts`](crate::Capabilities::counts_attempts))
    /// says 2 for every delivery after the first.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Done with: it must not come again.
    pub fn ack(self) {
        self.settle(Settlement::Ack);
    }

    /// Worth nothing here: put it where an operator can find it.
    pub fn dead_letter(self) {
        self.settle(Settlement::DeadLetter);
    }

    /// As [`dead_letter`](Self::dead_letter), with a reason that the operator reads beside it, where
    /// the transport can put one. Keep it short, and free of what the message holds.
    pub fn dead_letter_because(mut self, reason: &str) {
        if let Some((settle, tag)) = self.settle.take() {
            settle.dead_letter(tag, reason, &self.message);
        }
    }

    /// Not now: let it come again.
    pub fn requeue(self) {
        self.settle(Settlement::Requeue);
    }

    /// Ends it in the way given.
    pub fn settle(mut self, settlement: Settlement) {
        if settlement == Settlement::DeadLetter {
            self.dead_letter_because("");
        } else if let Some((settle, tag)) = self.settle.take() {
            settle.settle(tag, settlement);
        }
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        if let Some((settle, tag)) = self.settle.take() {
            settle.settle(tag, Settlement::Requeue);
        }
    }
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery")
            .field("message", &self.message)
            .field("redelivered", &self.redelivered)
            .field("attempt", &self.attempt)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::{Key, Lane, Metadata};

    #[derive(Default)]
    struct Book(Mutex<Vec<(u64, Settlement)>>);

    impl Settle for Book {
        fn settle(&self, tag: u64, settlement: Settlement) {
            self.0.lock().expect("not poisoned").push((tag, settlement));
        }
    }

    fn message() -> Message {
        let metadata = Metadata::new(Key::from_static("test"), "test");
        Message::new(metadata, Lane::Event, "text/plain", "secret")
    }

    #[test]
    fn every_delivery_is_settled_exactly_once() {
        let book = Arc::new(Book::default());
        let deliver = |tag| Delivery::new(message(), false, book.clone(), tag);
        deliver(1).ack();
        deliver(2).dead_letter();
        deliver(3).requeue();
        drop(deliver(4));
        assert_eq!(
            *book.0.lock().expect("not poisoned"),
            [
                (1, Settlement::Ack),
                (2, Settlement::DeadLetter),
                (3, Settlement::Requeue),
                (4, Settlement::Requeue)
            ]
        );
    }

    #[test]
    fn attempts_are_counted_from_one() {
        let book = Arc::new(Book::default());
        let deliver = |redelivered| Delivery::new(message(), redelivered, book.clone(), 1);
        assert_eq!(deliver(false).attempt(), 1);
        assert_eq!(deliver(true).attempt(), 2);
        assert_eq!(deliver(true).with_attempt(7).attempt(), 7);
        assert_eq!(deliver(false).with_attempt(0).attempt(), 1);
    }

    #[test]
    fn a_reason_reaches_who_has_a_place_for_it() {
        #[derive(Default)]
        struct Reasons(Mutex<Vec<String>>);
        impl Settle for Reasons {
            fn settle(&self, _: u64, settlement: Settlement) {
                panic!("{settlement:?}");
            }
            fn dead_letter(&self, tag: u64, reason: &str, message: &Message) {
                let key = &message.metadata.key;
                let mut reasons = self.0.lock().expect("not poisoned");
                reasons.push(format!("{tag} {key} {reason}"));
            }
        }
        let reasons = Arc::new(Reasons::default());
        let deliver = |tag| Delivery::new(message(), false, reasons.clone(), tag);
        deliver(1).dead_letter_because("no such customer");
        deliver(2).dead_letter();
        deliver(3).settle(Settlement::DeadLetter);
        assert_eq!(
            *reasons.0.lock().expect("not poisoned"),
            ["1 test no such customer", "2 test ", "3 test "]
        );
        // Who has none hears of it all the same.
        let book = Arc::new(Book::default());
        Delivery::new(message(), false, book.clone(), 4).dead_letter_because("no use");
        let settled = book.0.lock().expect("not poisoned");
        assert_eq!(*settled, [(4, Settlement::DeadLetter)]);
    }

    #[test]
    fn the_body_does_not_show_in_debug() {
        let book = Arc::new(Book::default());
        let delivery = Delivery::new(message(), false, book, 1);
        assert!(!format!("{delivery:?}").contains("secret"));
    }
}
