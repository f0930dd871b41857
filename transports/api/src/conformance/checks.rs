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

/// The one list of scenarios: whatever is done with each of them starts here.
#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_scenarios {
    ($then:ident $($context:tt)*) => {
        $crate::$then! {
            [$($context)*]
            scenarios::scenario_publish_subscribe,
            scenarios::scenario_concurrent_subscribe,
            scenarios::scenario_concurrent_subscribe_multiple_topics,
            scenarios::scenario_publish_subscribe_in_order,
            scenarios::scenario_resend_on_error,
            scenarios::scenario_no_ack,
            scenarios::scenario_continue_after_subscribe_close,
            scenarios::scenario_concurrent_close,
            scenarios::scenario_continue_after_errors,
            scenarios::scenario_consumer_groups,
            scenarios::scenario_publisher_close,
            scenarios::scenario_topic,
            scenarios::scenario_message_ctx,
            scenarios::scenario_subscribe_ctx,
            scenarios::scenario_new_subscriber_receives_old_messages,
            scenarios::scenario_reconnect,
        }
    };
}

/// The one list of promises, which are tried one at a time.
#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_promises {
    ($then:ident $($context:tt)*) => {
        $crate::$then! {
            [$($context)*]
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
            commands::a_command_comes_to_exactly_one_of_its_group,
            commands::a_command_reaches_the_group_that_its_key_is_for,
            commands::a_command_that_no_group_wants_is_told_apart,
            commands::a_command_waits_for_a_group_that_is_away,
            commands::commands_of_a_member_that_goes_come_to_another,
            commands::commands_arrive_in_order_of_sending,
            commands::attempts_at_a_command_are_counted,
            commands::a_dead_lettered_command_is_kept_and_does_not_come_again,
            commands::confirmed_commands_survive_an_outage,
            flow::fifty_senders_at_once_lose_nothing,
            flow::a_slow_receiver_does_not_stop_the_sender,
            flow::signals_pass_events_that_nobody_takes,
            flow::commands_pass_events_that_nobody_takes,
            flow::events_and_signals_pass_commands_that_nobody_takes,
            flow::more_than_the_window_is_refused_as_busy_or_confirmed,
            flow::too_large_is_refused_and_harms_nobody,
            closing::close_is_idempotent_and_bounded,
            closing::after_the_close_everything_has_ended,
            closing::close_waits_for_what_is_in_flight,
            closing::what_a_dropped_transport_held_goes_to_the_next_of_its_name,
            outages::the_link_tells_what_happens,
            outages::sending_during_an_outage_is_refused_at_once_or_unknown,
            outages::confirmed_messages_survive_an_outage,
            outages::a_transport_without_a_broker_at_start_connects_later,
            outages::close_is_bounded_during_an_outage,
        }
    };
}

/// Both lists, the promises first.
#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_checks {
    ($then:ident $($context:tt)*) => {
        $crate::__conformance_promises! { __conformance_and_scenarios $then [$($context)*] }
    };
}

/// Adds the scenarios to the promises.
#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_and_scenarios {
    ([$($then:tt)*] $($promise:tt)*) => {
        $crate::__conformance_scenarios! { __conformance_and_then $($then)* $($promise)* }
    };
}

/// Two lists as one.
#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_and_then {
    ([$then:ident $context:tt $($check:tt)*] $($scenario:tt)*) => {
        $crate::$then! { $context $($check)* $($scenario)* }
    };
}

/// Exports each check.
#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_exports {
    ([] $($module:ident::$check:ident,)*) => {
        $(pub use self::$module::$check;)*
    };
}

/// Puts each check in a table.
#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_table {
    ([$(#[$about:meta])* $name:ident] $($module:ident::$check:ident,)*) => {
        $(#[$about])*
        pub const $name: &[Check] = &[
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
    ([$attributes:tt $world:expr] $($module:ident::$check:ident,)*) => {
        $($crate::__conformance_test! { $attributes $world, $check })*
    };
}

/// One test.
#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_test {
    ([$($attribute:tt)*] $world:expr, $check:ident) => {
        #[tokio::test(flavor = "multi_thread")]
        $($attribute)*
        async fn $check() {
            let world = $world;
            let found = $crate::conformance::$check(&world).await;
            $crate::conformance::conclude(stringify!($check), &world, found);
        }
    };
}

/// Declares one `#[tokio::test]` for each check of the suite.
///
/// The argument is an expression that makes a [`World`](crate::conformance::World); it is evaluated
/// anew in each test, where it may `.await`. An attribute before it, such as `#[ignore]`, is put on each
/// test. The calling crate needs `tokio` with `macros` and `rt-multi-thread` among its
/// `dev-dependencies`.
#[macro_export]
macro_rules! conformance_tests {
    (#[$($attribute:tt)*] $($world:tt)+) => {
        $crate::__conformance_checks! { __conformance_tests [#[$($attribute)*]] $($world)+ }
    };
    ($world:expr) => {
        $crate::__conformance_checks! { __conformance_tests [] $world }
    };
}

/// As [`conformance_tests!`](crate::conformance_tests), for the
/// [scenarios](crate::conformance::SCENARIOS) only.
#[macro_export]
macro_rules! conformance_scenarios {
    (#[$($attribute:tt)*] $($world:tt)+) => {
        $crate::__conformance_scenarios! { __conformance_tests [#[$($attribute)*]] $($world)+ }
    };
    ($world:expr) => {
        $crate::__conformance_scenarios! { __conformance_tests [] $world }
    };
}

/// As [`conformance_tests!`](crate::conformance_tests), for all but the
/// [scenarios](crate::conformance::SCENARIOS).
#[macro_export]
macro_rules! conformance_promises {
    (#[$($attribute:tt)*] $($world:tt)+) => {
        $crate::__conformance_promises! { __conformance_tests [#[$($attribute)*]] $($world)+ }
    };
    ($world:expr) => {
        $crate::__conformance_promises! { __conformance_tests [] $world }
    };
}
