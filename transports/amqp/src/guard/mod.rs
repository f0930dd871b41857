//! What stands between the socket and lapin, so that no message can end the process or the
//! connection by what it holds, and no broker the process by what it says?
//!
//! lapin parses the properties of a message by recursion on the thread of its connection, and takes
//! anything it cannot read for the end of the connection. A broker passes properties on as it got
//! them; and what was not acknowledged comes again, to the next reader.
//!
//! Every byte that comes in passes here, above TLS. Frames are followed by their sizes; of each
//! message the method that announces it and the header with its properties are looked at, whole.
//! What lapin could not take is replaced by a header of the same class, channel and body size that
//! says why ([`Mark`]), so that the message becomes a dead letter instead.
//!
//! What goes out passes here too, and is followed: so it is known what the broker may say. It ends the
//! connection by anything else, such as a method of clients, or more messages than it was asked for.
//!
//! A frame on a channel that the broker has closed does not go out. lapin can write one after it has acknowledged
//! the end of the channel, for a publish that began just before; the broker ends the connection over it.

mod channel;
mod mark;
mod outgoing;
mod properties;
mod scanner;
mod stream;

pub(crate) use self::{mark::Mark, scanner::Limits, stream::Guarded};

#[cfg(test)]
mod tests;
