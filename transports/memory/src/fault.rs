use std::time::Duration;

/// What goes wrong with a message on its way into the broker.
///
/// A cut takes the whole connection of the transport that sent it: whatever else it had in flight is
/// [`Unknown`](algedonic_transport::Outcome::Unknown), what it took and did not settle comes again. It is up again
/// after [`Faults::downtime`](crate::Faults::downtime).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendFault {
    /// The connection is cut before the message has arrived: it is lost, and its outcome `Unknown`.
    CutBeforeArrival,
    /// The connection is cut between the arrival and the confirm: the message is stored, its outcome `Unknown`.
    CutBeforeConfirm,
    /// The connection is cut right after the outcome was told.
    CutAfterConfirm,
    /// The broker refuses it: [`Rejected`](algedonic_transport::Outcome::Rejected), stored nowhere.
    Reject,
    /// The broker returns it: [`NotRouted`](algedonic_transport::Outcome::NotRouted), stored nowhere, whoever wants it.
    Return,
    /// The message is stored, and its confirm never comes: `Unknown` at the confirm deadline.
    LoseConfirm,
    /// The outcome is told so much later, or is `Unknown` if the confirm deadline comes first.
    DelayConfirm(Duration),
    /// The message is stored, and comes out of its queues so much later at the earliest. What is behind it waits.
    DelayArrival(Duration),
    /// The message is stored twice, as by a sender that repeats what it takes for lost. Neither copy is marked as
    /// redelivered.
    Duplicate,
    /// After its outcome the broker asks every sender for silence, for so long.
    Block(Duration),
    /// The broker stops between the arrival and the confirm, and starts again so much later: `Unknown`; everybody
    /// is cut off, and what is not persistent is lost.
    Stop(Duration),
}

/// What goes wrong with a message on its way out of the broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeliveryFault {
    /// It is delivered so much later. What is behind it waits.
    Delay(Duration),
    /// The receiver's connection is cut right after the delivery: its settlement comes too late, and it comes again.
    CutAfterDelivery,
    /// The receiver's connection is cut when it settles the delivery, before the settlement has arrived: it comes
    /// again, though the receiver was done with it.
    CutBeforeAck,
}
