use std::{fmt, pin::Pin, time::Duration};

use futures_core::Stream;

use crate::{Arrival, Capabilities, Error, Lane, Link, Message, Outcome, Pattern};

/// A future that is ready to be moved anywhere.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send + 'static>>;

/// A stream that is ready to be moved anywhere.
pub type BoxStream<T> = Pin<Box<dyn Stream<Item = T> + Send + 'static>>;

/// Carries messages to other processes, and brings theirs.
///
/// # Contract
///
/// Implemented by the author of a transport; called by the bus's mirror, from many tasks at once.
/// Names, keys and priorities of a message have been checked before a call arrives; the length of
/// its texts and the size of its body have not: what the wire cannot carry is `Malformed` or
/// `TooLarge`. A transport is at work from the moment it is made: it connects by itself, in the
/// background, and again after every loss. Nothing here waits for a connection.
///
/// # Delivery
///
/// At least once when confirmed. A message that was not acknowledged comes again if
/// [`Capabilities::redelivers`]; what was published may arrive twice after an
/// [`Outcome::Unknown`] was sent again. Receivers tell repetitions by
/// [`Metadata::id`](crate::Metadata::id). A message that has expired may be left out on the way; the
/// bus leaves out what still comes.
///
/// # Order
///
/// See [`Capabilities::ordered`].
///
/// # Cancellation
///
/// Every future may be dropped at any time: what it stands for goes on, only its result is lost.
///
/// # Sharing, and names
///
/// Shared by reference (`Arc<dyn Transport>`). Dropping the last reference ends its tasks and cuts
/// its connections, without the courtesies of [`close`](Self::close). Two transports of one name at
/// one time are one receiver: each message goes to either.
///
/// # Wrappers
///
/// A transport that wraps another forwards every method; there are no defaults to forget.
pub trait Transport: Send + Sync + fmt::Debug + 'static {
    /// The kind of transport in one word, such as `amqp`; used in health reports.
    fn name(&self) -> &'static str;

    /// What it promises. Does not change.
    fn capabilities(&self) -> Capabilities;

    /// Hands over one message; the future resolves with what became of it.
    ///
    /// # Behavior
    ///
    /// - The place in the order is taken by the call itself, not by the first poll.
    /// - Resolves within the transport's own deadline, whatever happens to the other side.
    /// - Lanes do not wait for each other.
    ///
    /// # Errors
    ///
    /// Only when the message has certainly not left the process, so that sending it again cannot
    /// make two of it: `Unavailable` (no link, at once), `Busy` (more than
    /// [`Capabilities::window`] in flight), `TooLarge`, `Malformed`, `Closed`.
    fn send(&self, message: Message) -> BoxFuture<Result<Outcome, Error>>;

    /// Messages of one lane whose keys match any of `interest`, from now until
    /// [`close`](Self::close); over every loss and return of the link.
    ///
    /// # Behavior
    ///
    /// - Called at most once for each lane. The call itself takes the link out of
    ///   [`Up`](crate::LinkState::Up), until the other side knows the interest.
    /// - Arrivals wait in a bounded place until they are taken, and until they are settled.
    /// - Own messages come too: the bus drops them by [`Metadata::origin`](crate::Metadata::origin).
    /// - The stream ends when the transport is closed. Dropped earlier, nothing more is taken: what
    ///   arrives waits at the other side, as it does for any receiver that is away.
    ///
    /// # Errors
    ///
    /// `Misconfigured` for a second call with the same lane, and for [`Lane::Command`] where the
    /// transport has no name that others could share; `Closed` afterwards.
    fn receive(&self, lane: Lane, interest: Vec<Pattern>) -> Result<BoxStream<Arrival>, Error>;

    /// The link as it is now.
    fn link(&self) -> Link;

    /// The link as it is now, then each change of it. A slow reader may miss what lay between, never
    /// the last. Ends after [`LinkState::Closed`](crate::LinkState::Closed).
    fn links(&self) -> BoxStream<Link>;

    /// Stops taking messages, waits for outcomes and for settlements on their way, and disconnects;
    /// at `deadline` from now whatever is left is cut off.
    ///
    /// # Behavior
    ///
    /// - Begins with the call, resolves by the deadline (plus scheduling), in every state of the link.
    /// - Idempotent: a second call waits for the first.
    /// - Deliveries that are held and not settled are not waited for: they come again.
    /// - Messages still in flight at the deadline resolve as [`Outcome::Unknown`].
    fn close(&self, deadline: Duration) -> BoxFuture<Closed>;
}

/// How a transport ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Closed {
    /// Messages whose outcome was not known at the deadline.
    pub unknown: u64,
}

impl Closed {
    /// An end with this many outcomes unknown.
    pub fn new(unknown: u64) -> Self {
        Self { unknown }
    }
}

// The bus holds transports behind a pointer.
const _: Option<&dyn Transport> = None;
