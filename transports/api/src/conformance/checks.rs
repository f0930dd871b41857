use std::{fmt, pin::Pin};

use super::{Failure, Finding, World};

/// One promise, and the function that tries whether it is kept.
#[derive(Clone, Copy)]
pub struct Check {
    pub(super) name: &'static str,
    pub(super) run: for<'a> fn(&'a dyn World) -> Running<'a>,
}

pub(super) type Running<'a> = Pin<Box<dyn Future<Output = Result<Finding, Failure>> + Send + 'a>>;

impl Check {
    /// The promise, as the name of its function.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Tries the promise in a world that nothing else uses.
    pub async fn run(&self, world: &dyn World) -> Result<Finding, Failure> {
        (self.run)(world).await
    }
}

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// The one list of checks: whatever is done with each of them starts here.
#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_checks {
    ($then:ident $($context:tt)*) => {
        $crate::$then! {
            [$($context)*]
            arrival::every_message_arrives_with_its_body_and_metadata,
            arrival::nothing_comes_twice_without_a_cause,
            arrival::own_messages_come_too,
            interest::interest_selects_by_pattern,
            interest::overlapping_patterns_do_not_duplicate,
            interest::a_message_nobody_wants_is_told_apart,
            interest::receive_twice_on_a_lane_is_refused,
            interest::what_comes_after_the_stream_was_dropped_waits,
            interest::lanes_are_separate,
            order::messages_arrive_in_order_of_sending,
            order::order_is_taken_by_the_call,
            order::a_dropped_send_still_arrives,
            settlement::a_message_not_settled_comes_again,
            settlement::an_acknowledged_message_does_not_come_again,
            settlement::unsettled_messages_wait_for_the_next_receiver_of_the_same_name,
            settlement::a_dead_lettered_message_does_not_come_again,
            settlement::a_dead_lettered_message_is_kept,
            flow::fifty_senders_at_once_lose_nothing,
            flow::a_slow_receiver_does_not_stop_the_sender,
            flow::signals_pass_events_that_nobody_takes,
            flow::more_than_the_window_is_refused_as_busy_or_confirmed,
            flow::too_large_is_refused_and_harms_nobody,
            closing::close_is_idempotent_and_bounded,
            closing::after_the_close_everything_has_ended,
            closing::close_waits_for_what_is_in_flight,
            closing::what_a_dropped_transport_held_goes_to_the_next_of_its_name,
            outages::the_link_tells_what_happens,
            outages::sending_during_an_outage_is_refused_at_once_or_unknown,
            outages::confirmed_messages_survive_an_outage,
            restarts::nothing_confirmed_is_lost_over_restarts,
            outages::a_transport_without_a_broker_at_start_connects_later,
            outages::close_is_bounded_during_an_outage,
        }
    };
}

/// Exports each check and puts it in the table.
#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_table {
    ([] $($module:ident::$check:ident,)*) => {
        $(pub use self::$module::$check;)*

        /// Every check of the suite.
        pub const CHECKS: &[Check] = &[
            $(Check {
                name: stringify!($check),
                run: |world| Box::pin($module::$check(world)),
            },)*
        ];
    };
}

/// One test for each check.
#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_tests {
    ([$world:expr] $($module:ident::$check:ident,)*) => {
        $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $check() {
                let world = $world;
                let found = $crate::conformance::$check(&world).await;
                $crate::conformance::conclude(stringify!($check), &world, found);
            }
        )*
    };
}

/// Declares one `#[tokio::test]` for each check of the suite.
///
/// The argument is an expression that makes a [`World`](crate::conformance::World); it is evaluated
/// anew in each test, where it may `.await`. The calling crate needs `tokio` with `macros` and
/// `rt-multi-thread` among its `dev-dependencies`.
#[macro_export]
macro_rules! conformance_tests {
    ($world:expr) => {
        $crate::__conformance_checks! { __conformance_tests $world }
    };
}
