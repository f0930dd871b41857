//! The sixteen scenarios of Watermill's universal suite for publishers and subscribers, as far as they
//! are about a transport, each named after its own.
//!
//! Everywhere the set of ids decides: none missing, none too many; a message that comes again counts
//! once. Receivers subscribe before anything is sent, for there is no history. Where two subscribers
//! share the work, two transports have one name.

mod closing;
mod concurrent;
mod errors;
mod group;
mod lives;
mod order;
mod publishing;
mod reconnect;
mod resuming;
mod topics;

pub use self::{
    closing::{scenario_concurrent_close, scenario_publisher_close},
    concurrent::{scenario_concurrent_subscribe, scenario_concurrent_subscribe_multiple_topics},
    errors::{scenario_continue_after_errors, scenario_resend_on_error},
    lives::{scenario_message_ctx, scenario_no_ack, scenario_subscribe_ctx},
    order::scenario_publish_subscribe_in_order,
    publishing::scenario_publish_subscribe,
    reconnect::scenario_reconnect,
    resuming::scenario_continue_after_subscribe_close,
    topics::{
        scenario_consumer_groups, scenario_new_subscriber_receives_old_messages, scenario_topic,
    },
};
