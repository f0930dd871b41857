//! What is kept of a message until its outcome is known?

use std::sync::Arc;

use algedonic_transport::{Message, Outcome};
use tokio::time::Instant;

use crate::{places::Place, tally::Ticket, window::Fate, wire::Encoded};

/// A message whose time is over, for who waits for it. Told where no lock is held: that runs code of others.
#[derive(Debug)]
pub(super) struct Late(Ticket);

impl Late {
    pub(super) fn tell(self) {
        let outcome = Outcome::unknown("no confirm within the deadline");
        self.0.resolve(outcome);
    }
}

/// A message on its way to the broker.
#[derive(Debug)]
pub(crate) struct Parcel {
    /// As it is published, for the first time.
    pub(crate) encoded: Option<Encoded>,
    /// To be published again.
    pub(crate) message: Message,
    /// Its place in the lane's window, kept until lapin has let go of the message. Before the ticket: who is
    /// told an outcome may take the place at once.
    pub(crate) place: Option<Place>,
    /// None once its outcome was told.
    pub(crate) ticket: Option<Ticket>,
    pub(crate) deadline: Instant,
}

impl Parcel {
    /// It has not left the process, and will not. What has may not be refused.
    pub(super) fn refuse(mut self: Box<Self>) {
        self.place = None;
        if let Some(ticket) = self.ticket.take() {
            ticket.refuse();
        }
    }

    /// Its time is over; what is kept of it stays until its answer, or its channel's end. Who waits is to be
    /// [told](Late::tell).
    pub(super) fn expire(&mut self) -> Option<Late> {
        self.ticket.take().map(Late)
    }

    pub(super) fn resolve(self: Box<Self>, fate: Fate) {
        self.tell(match fate {
            Fate::Confirmed => Outcome::Confirmed,
            Fate::NotRouted => Outcome::NotRouted,
            Fate::Rejected => Outcome::rejected("the broker answered with a nack"),
            Fate::Unknown(reason) => Outcome::unknown(reason),
        });
    }

    /// The broker closed a channel because of it.
    pub(super) fn reject(self: Box<Self>, reason: impl Into<Arc<str>>) {
        self.tell(Outcome::rejected(reason));
    }

    fn tell(mut self: Box<Self>, outcome: Outcome) {
        // Before the outcome is told: who knows of it may take the place at once.
        self.place = None;
        if let Some(ticket) = self.ticket.take() {
            ticket.resolve(outcome);
        }
    }
}
