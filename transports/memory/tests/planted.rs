//! The suite can fail: each check finds a bug that was planted for it, and says what it saw.

mod bugs;
mod world;

use std::{collections::HashSet, time::Duration};

use algedonic_transport::conformance::{CHECKS, Finding, run_all};

use self::bugs::{Bug, Faulty};

/// Long enough for a check that fails by waiting in vain.
const SHORT: Duration = Duration::from_secs(1);

/// A bug, the check that finds it, and some of the words in which it does.
const PLANTED: &[(Bug, &str, &str)] = &[
    (
        Bug::LosesTheTrace,
        "scenario_publish_subscribe",
        "metadata sent",
    ),
    (
        Bug::RepeatsEveryFiftieth,
        "nothing_comes_twice_without_a_cause",
        "came another one",
    ),
    (
        Bug::HidesItsOwn,
        "own_messages_come_too",
        "awaited its own message",
    ),
    (
        Bug::ReceivesEverything,
        "interest_selects_by_pattern",
        "came a stranger",
    ),
    (
        Bug::DeliversOncePerPattern,
        "overlapping_patterns_do_not_duplicate",
        "came another one",
    ),
    (
        Bug::ConfirmsWhatNobodyWants,
        "a_message_nobody_wants_is_told_apart",
        "became Ok(Confirmed)",
    ),
    (
        Bug::AcceptsASecondReceive,
        "receive_twice_on_a_lane_is_refused",
        "a second time",
    ),
    (
        Bug::TakesOnAfterTheStreamIsDropped,
        "what_comes_after_the_stream_was_dropped_waits",
        "missing for example",
    ),
    (Bug::MixesLanes, "lanes_are_separate", "came a"),
    (
        Bug::SwapsNeighbours,
        "messages_arrive_in_order_of_sending",
        "at place 0",
    ),
    (
        Bug::SendsWhenPolled,
        "order_is_taken_by_the_call",
        "at place 0",
    ),
    (
        Bug::SendsWhenPolled,
        "a_dropped_send_still_arrives",
        "missing",
    ),
    (
        Bug::AcksWhatIsDropped,
        "a_message_not_settled_comes_again",
        "it was dropped unsettled",
    ),
    (
        Bug::NeverAcks,
        "an_acknowledged_message_does_not_come_again",
        "came another one",
    ),
    (
        Bug::AcksOnArrival,
        "unsettled_messages_wait_for_the_next_receiver_of_the_same_name",
        "missing",
    ),
    (
        Bug::RequeuesDeadLetters,
        "a_dead_lettered_message_does_not_come_again",
        "came another one",
    ),
    (
        Bug::AcksDeadLetters,
        "a_dead_lettered_message_is_kept",
        "3 dead letters",
    ),
    (
        Bug::ForgetsEveryHundredth,
        "fifty_senders_at_once_lose_nothing",
        "4950 came",
    ),
    (
        Bug::StallsBehindASlowReceiver,
        "a_slow_receiver_does_not_stop_the_sender",
        "outcomes",
    ),
    (
        Bug::LanesWaitForEachOther,
        "signals_pass_events_that_nobody_takes",
        "a message to passing",
    ),
    (
        Bug::LanesWaitForEachOther,
        "commands_pass_events_that_nobody_takes",
        "a message to passing",
    ),
    (
        Bug::LanesWaitForEachOther,
        "events_and_signals_pass_commands_that_nobody_takes",
        "a message to passing",
    ),
    (
        Bug::GivesEachMemberACopy,
        "a_command_comes_to_exactly_one_of_its_group",
        "came a second time",
    ),
    (
        Bug::ReceivesEverything,
        "a_command_reaches_the_group_that_its_key_is_for",
        "came another one",
    ),
    (
        Bug::ConfirmsWhatNobodyWants,
        "a_command_that_no_group_wants_is_told_apart",
        "to play became Ok(Confirmed)",
    ),
    (
        Bug::MixesLanes,
        "a_command_that_no_group_wants_is_told_apart",
        "to play became Ok(Confirmed)",
    ),
    (
        Bug::GivesEachMemberACopy,
        "a_command_waits_for_a_group_that_is_away",
        "missing for example",
    ),
    (
        Bug::AcksOnArrival,
        "commands_of_a_member_that_goes_come_to_another",
        "missing for example",
    ),
    (
        Bug::NeverAcks,
        "commands_of_a_member_that_goes_come_to_another",
        "came a stranger",
    ),
    (
        Bug::SwapsNeighbours,
        "commands_arrive_in_order_of_sending",
        "at place 0",
    ),
    (
        Bug::ForgetsAttempts,
        "attempts_at_a_command_are_counted",
        "awaited attempt 2",
    ),
    (
        Bug::AcksDeadLetters,
        "a_dead_lettered_command_is_kept_and_does_not_come_again",
        "3 dead letters",
    ),
    (
        Bug::RequeuesDeadLetters,
        "a_dead_lettered_command_is_kept_and_does_not_come_again",
        "3 dead letters",
    ),
    (
        Bug::SendsWhatIsNotPersistent,
        "confirmed_commands_survive_an_outage",
        "missing",
    ),
    (
        Bug::NeverResolvesEveryFiftieth,
        "more_than_the_window_is_refused_as_busy_or_confirmed",
        "awaited 2048 outcomes",
    ),
    (
        Bug::BreaksOnTooLarge,
        "too_large_is_refused_and_harms_nobody",
        "awaited TooLarge",
    ),
    (
        Bug::CloseWaitsForSettlements,
        "close_is_idempotent_and_bounded",
        "awaited the close",
    ),
    (
        Bug::CloseDoesNothing,
        "after_the_close_everything_has_ended",
        "awaited Closed",
    ),
    (
        Bug::SendsWhenPolled,
        "close_waits_for_what_is_in_flight",
        "in flight at the close",
    ),
    (
        Bug::LeaksItself,
        "what_a_dropped_transport_held_goes_to_the_next_of_its_name",
        "the end of the arrivals",
    ),
    (
        Bug::LinkIsAlwaysUp,
        "the_link_tells_what_happens",
        "a link that is not up",
    ),
    (
        Bug::ConfirmsDuringAnOutage,
        "sending_during_an_outage_is_refused_at_once_or_unknown",
        "came Ok(Confirmed)",
    ),
    (
        Bug::SendsWhatIsNotPersistent,
        "confirmed_messages_survive_an_outage",
        "missing",
    ),
    (Bug::ConfirmsDuringAnOutage, "scenario_reconnect", "missing"),
    (
        Bug::ConnectsOnlyAtStart,
        "a_transport_without_a_broker_at_start_connects_later",
        "awaited an up link",
    ),
    (
        Bug::CloseWaitsForTheBroker,
        "close_is_bounded_during_an_outage",
        "awaited the close",
    ),
    (
        Bug::ForgetsEveryHundredth,
        "scenario_concurrent_subscribe",
        "99 came",
    ),
    (
        Bug::ReceivesEverything,
        "scenario_concurrent_subscribe_multiple_topics",
        "came a stranger",
    ),
    (
        Bug::SwapsNeighbours,
        "scenario_publish_subscribe_in_order",
        "sent of type",
    ),
    (
        Bug::AcksWhatIsDropped,
        "scenario_resend_on_error",
        "98 came",
    ),
    (
        Bug::IgnoresTheLimit,
        "scenario_no_ack",
        "the first being held",
    ),
    (
        Bug::AcksOnArrival,
        "scenario_continue_after_subscribe_close",
        "are missing",
    ),
    (
        Bug::CloseDoesNothing,
        "scenario_concurrent_close",
        "the end of the arrivals",
    ),
    (
        Bug::LosesTheSecondReturn,
        "scenario_continue_after_errors",
        "48 came",
    ),
    (
        Bug::SharesAmongGroups,
        "scenario_consumer_groups",
        "missing",
    ),
    (
        Bug::SendsWhenPolled,
        "scenario_publisher_close",
        "in flight at the close",
    ),
    (Bug::ReceivesEverything, "scenario_topic", "came a stranger"),
    (
        Bug::AcksOnArrival,
        "scenario_message_ctx",
        "that was held, again",
    ),
    (
        Bug::TakesOnAfterTheStreamIsDropped,
        "scenario_subscribe_ctx",
        "missing",
    ),
    (Bug::AcksOnArrival, "scenario_subscribe_ctx", "missing"),
    (
        Bug::ReplaysHistory,
        "scenario_new_subscriber_receives_old_messages",
        "came a stranger",
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn each_planted_bug_is_found() {
    let mut running = tokio::task::JoinSet::new();
    for (bug, name, words) in PLANTED {
        let check = CHECKS.iter().find(|check| check.name() == *name);
        let check = check.unwrap_or_else(|| panic!("there is no check {name}"));
        running.spawn(async move {
            let found = check.run(&Faulty::new(*bug, SHORT)).await;
            let Err(failure) = found else {
                panic!("{name} does not find that {bug:?}: {found:?}");
            };
            println!("{bug:?}: {name}: {failure}");
            let told = failure.to_string();
            assert!(told.contains(words), "{name} tells of {bug:?} as: {told}");
        });
    }
    while let Some(ended) = running.join_next().await {
        ended.expect("found");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrapper_without_a_bug_passes() {
    let found = run_all(async || Faulty::new(Bug::None, Duration::from_secs(15))).await;
    assert_eq!(found.len(), CHECKS.len());
    for (name, found) in found {
        assert_eq!(found, Ok(Finding::Kept), "{name}");
    }
}

#[test]
fn every_check_has_a_bug_to_find() {
    let finding: HashSet<&str> = PLANTED.iter().map(|(_, check, _)| *check).collect();
    for check in CHECKS {
        assert!(
            finding.contains(check.name()),
            "{check:?} was never seen to fail"
        );
    }
}
