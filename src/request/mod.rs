//! Requests: a question of a type, one answer before a deadline, inside the process.

mod asked;
mod asking;
mod desk;
mod drive;
mod entry;
mod error;
mod exchange;
mod registry;
mod reply;
mod responder;
mod seat;

use std::time::Duration;

pub(crate) use self::registry::Requests;
pub use self::{
    asked::Asked,
    asking::{Answer, Asking},
    error::{Loss, RequestError},
    responder::{Responder, ResponderBuilder},
};

/// A type that asks; exactly one responder answers. See [`Bus::request`](crate::Bus::request) and
/// [`Bus::respond`](crate::Bus::respond).
///
/// The request and its answer stay in the process: they are moved, never copied or encoded.
///
/// ```
/// use std::convert::Infallible;
/// use algedonic::{Asked, Bus, Request};
///
/// struct Square(u64);
///
/// impl Request for Square {
///     const NAME: &'static str = "math.square";
///     type Reply = u64;
///     type Error = Infallible;
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let bus = Bus::local();
/// let _responder = bus.respond::<Square>().with(|asked: Asked<Square>| async move { Ok(asked.0 * asked.0) });
/// assert_eq!(bus.request(Square(7)).await, Ok(49));
/// # }
/// ```
#[diagnostic::on_unimplemented(message = "`{Self}` cannot be asked: it is no request")]
pub trait Request: Send + 'static {
    /// The stable name of the type, in the form of a [`Key`](crate::Key).
    const NAME: &'static str;

    /// How long the asker waits, unless [`Asking::timeout`] says otherwise; 5 seconds by default.
    const TIMEOUT: Duration = Duration::from_secs(5);

    /// The answer.
    type Reply: Send + 'static;

    /// The answer of a responder that cannot give a [`Reply`](Self::Reply);
    /// [`Infallible`](std::convert::Infallible) if there is no such case.
    type Error: Send + 'static;
}

/// How a request ends.
type Outcome<R> = Result<<R as Request>::Reply, RequestError<<R as Request>::Error>>;
