//! What cannot be confirmed goes to the disk, and from there it is sent until it is.
//!
//! Each lane has a [`Line`], which is open while nothing of the lane waits on the disk: then messages are sent as they
//! come. The first that is not confirmed closes it. From then on every message is appended, in order, those included
//! that are on their way; the [`Replay`] sends what is there, and opens the line again when nothing is left. Once little is
//! left it keeps those who come waiting for that, at most as long as for a confirm: a steady load would keep it closed.
//!
//! Where the disk fails, or hangs, a signal is sent past all that lies there: its order matters less than that it comes.

mod keeper;
mod line;
mod replay;
mod ticket;

pub(super) use self::{
    keeper::{Keeper, Keeps},
    replay::Replay,
    ticket::Ticket,
};
