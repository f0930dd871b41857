//! What cannot be confirmed goes to the disk, and from there it is sent until it is.
//!
//! Each lane has a [`Line`], which is open while nothing of the lane waits on the disk: then messages are sent as they
//! come. The first that is not confirmed closes it. From then on every message is appended, in order, those included
//! that are on their way; the [`Replay`] sends what is there, and opens the line again when nothing is left.

mod keeper;
mod line;
mod replay;
mod ticket;

pub(super) use self::{
    keeper::{Keeper, Keeps},
    replay::Replay,
    ticket::Ticket,
};
