//! What is kept of a delivery until it is settled, and how does the broker learn how it was?

use std::{
    collections::HashMap,
    pin::{Pin, pin},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::SystemTime,
};

use algedonic_transport::{Arrival, Delivery, EventId, Message, Settle, Settlement};
use bytes::Bytes;
use lapin::{
    Channel,
    options::{BasicAckOptions, BasicNackOptions, BasicRejectOptions},
};
use tokio::sync::Notify;

use super::{
    acks::{Acks, Frame},
    attempts::Attempt,
    reading::{Read, Reader},
};
use crate::dead_letter::{Letters, Reason, compose};

/// The unsettled deliveries of one generation: those of one channel. After its channel has gone a
/// settlement leads nowhere, since an ack for a tag of another channel would close that one.
///
/// Settled where the application settles, without a task in between; the prefetch bounds what is kept.
pub(crate) struct Unsettled {
    reader: Reader,
    channel: Channel,
    letters: Letters,
    /// The largest frame that can be sent, in bytes.
    frame_max: usize,
    /// So many acks are told at once.
    gather: usize,
    book: Mutex<Book>,
    /// There is something in the book for the consumer's task to see to. One for all queues of the lane.
    call: Arc<Notify>,
}

/// The end of a consumer, by an error or in order.
struct Ended(Option<lapin::Error>);

/// What is not settled, and what the consumer's task needs to know of it.
struct Book {
    acks: Acks<Original>,
    /// Whose letters are on their way.
    burying: HashMap<u64, Attempt>,
    /// The task looks after gathered acks, again and again.
    attended: bool,
    /// Why the consumer has ended; no error when the broker ended it in order.
    end: Option<Ended>,
    over: bool,
}

/// What is kept of a delivery until it is settled: all of it but the body.
struct Original {
    delivery: lapin::message::Delivery,
    attempt: Attempt,
}

/// What the consumer's task has to do about what is not settled.
pub(crate) enum Task {
    /// Acks wait for company.
    Attend,
    /// The consumer has ended.
    End(Option<lapin::Error>),
}

impl Unsettled {
    pub(crate) fn new(
        reader: Reader,
        channel: Channel,
        letters: Letters,
        frame_max: usize,
        gather: usize,
        call: Arc<Notify>,
    ) -> Arc<Self> {
        Arc::new(Self {
            reader,
            channel,
            letters,
            frame_max,
            gather,
            book: Mutex::new(Book {
                acks: Acks::new(),
                burying: HashMap::new(),
                attended: false,
                end: None,
                over: false,
            }),
            call,
        })
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the application gets for a delivery.
    pub(crate) fn arrive(self: Arc<Self>, mut delivery: lapin::message::Delivery) -> Arrival {
        let tag = delivery.delivery_tag;
        let redelivered = delivery.redelivered;
        let Read { attempt, message } = self.reader.read(&mut delivery);
        let original = Original { delivery, attempt };
        let mut book = self.book();
        book.acks.delivered(tag, original);
        match message {
            Ok(message) => {
                drop(book);
                let delivery = Delivery::new(message, redelivered, self, tag);
                Arrival::Message(delivery.with_attempt(attempt.number))
            }
            Err((reason, error, body)) => {
                let done = self.bury(&mut book, tag, &reason, body);
                self.check(&mut book, done);
                Arrival::Malformed(error)
            }
        }
    }

    /// Settles a delivery with the broker.
    fn end(&self, book: &mut Book, tag: u64, settlement: Settlement) -> lapin::Result<()> {
        if settlement == Settlement::Requeue
            && let Some(original) = book.acks.kept(tag)
        {
            self.reader.give_back(original.attempt);
        }
        match book.acks.settle(tag, settlement) {
            Some(frame) => self.tell(frame),
            None if book.acks.gathered() >= self.gather => self.tell_gathered(book),
            None => {
                if !book.attended {
                    book.attended = true;
                    self.call.notify_one();
                }
                Ok(())
            }
        }
    }

    /// Sends a delivery to the dead-letter queue, and leaves it unsettled until it is there.
    fn bury(&self, book: &mut Book, tag: u64, reason: &Reason, body: Bytes) -> lapin::Result<()> {
        let Some(Original { delivery, attempt }) = book.acks.take(tag) else {
            return Ok(());
        };
        let now = SystemTime::now();
        let number = attempt.number;
        let id = EventId::new();
        match compose(id, &delivery, body, number, reason, now, self.frame_max) {
            Some(letter) => {
                book.burying.insert(tag, attempt);
                self.letters.send(tag, letter);
                Ok(())
            }
            // RabbitMQ moves it as it is, without the reason.
            None => self.end(book, tag, Settlement::DeadLetter),
        }
    }

    /// A dead letter has arrived, or has not.
    pub(crate) fn buried(&self, tag: u64, arrived: bool) {
        let settlement = if arrived {
            Settlement::Ack
        } else {
            Settlement::DeadLetter
        };
        let mut book = self.book();
        book.burying.remove(&tag);
        let done = self
            .end(&mut book, tag, settlement)
            // At once: a connection that is lost before the broker knows brings a second letter.
            .and_then(|()| self.tell_gathered(&mut book));
        self.check(&mut book, done);
    }

    /// How many dead letters are on their way.
    pub(crate) fn burying(&self) -> usize {
        self.book().burying.len()
    }

    /// Tells the broker of the acks that were gathered; none were since the last time: false.
    pub(crate) fn flush(&self) -> bool {
        let mut book = self.book();
        if book.acks.gathered() == 0 {
            book.attended = false;
            return false;
        }
        let done = self.tell_gathered(&mut book);
        self.check(&mut book, done);
        true
    }

    fn tell_gathered(&self, book: &mut Book) -> lapin::Result<()> {
        for frame in book.acks.flush() {
            self.tell(frame)?;
        }
        Ok(())
    }

    /// Queues a frame, under the lock: the broker must read frames in the order in which they were
    /// decided upon. Awaiting each would cost a trip to lapin's thread and back; that it was written is
    /// learned from the next delivery, that it was not from the end of the consumer.
    fn tell(&self, frame: Frame) -> lapin::Result<()> {
        let channel = &self.channel;
        match frame {
            Frame::Ack { tag, multiple } => {
                queue(pin!(channel.basic_ack(tag, BasicAckOptions { multiple })))
            }
            Frame::Reject { tag } => queue(pin!(
                channel.basic_reject(tag, BasicRejectOptions { requeue: false })
            )),
            // A nack, not a reject: from RabbitMQ 4.3 on a reject counts as a failed attempt.
            Frame::Requeue { tag } => {
                let options = BasicNackOptions {
                    requeue: true,
                    multiple: false,
                };
                queue(pin!(channel.basic_nack(tag, options)))
            }
        }
    }

    fn check(&self, book: &mut Book, done: lapin::Result<()>) {
        if let Err(error) = done {
            book.end.get_or_insert(Ended(Some(error)));
            self.call.notify_one();
        }
    }

    /// The consumer has ended, by this error if there is one.
    pub(crate) fn ended(&self, error: Option<lapin::Error>) {
        self.book().end.get_or_insert(Ended(error));
        self.call.notify_one();
    }

    /// What concerns the consumer's task, once it was called.
    pub(crate) fn task(&self) -> Option<Task> {
        let mut book = self.book();
        if let Some(Ended(error)) = book.end.take() {
            return Some(Task::End(error));
        }
        book.attended.then_some(Task::Attend)
    }

    /// The generation is over: what is settled from now on, the broker delivers again by itself.
    pub(crate) fn over(&self) {
        let mut book = self.book();
        book.over = true;
        let unsettled = book.acks.abandon().map(|original| original.attempt);
        unsettled.for_each(|attempt| self.reader.give_back(attempt));
        let burying = book.burying.drain().map(|(_, attempt)| attempt);
        burying.for_each(|attempt| self.reader.give_back(attempt));
    }
}

impl Settle for Unsettled {
    fn settle(&self, tag: u64, settlement: Settlement) {
        let mut book = self.book();
        if !book.over {
            let done = self.end(&mut book, tag, settlement);
            self.check(&mut book, done);
        }
    }

    fn dead_letter(&self, tag: u64, reason: &str, message: &Message) {
        let mut book = self.book();
        if !book.over {
            let reason = Reason::unwanted(reason);
            let done = self.bury(&mut book, tag, &reason, message.body.clone());
            self.check(&mut book, done);
        }
    }
}

/// The first poll puts the frame into lapin's queue; nobody needs to wait for more.
fn queue(frame: Pin<&mut impl Future<Output = lapin::Result<()>>>) -> lapin::Result<()> {
    match frame.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result,
        Poll::Pending => Ok(()),
    }
}
