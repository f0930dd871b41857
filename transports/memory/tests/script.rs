//! Each fault of a script happens where it was said, does what its documentation says, and nothing else.

mod talk;

use std::time::Duration;

use algedonic_memory::{Broker, DeliveryFault, Faults, Memory, SendFault, Which};
use algedonic_transport::{
    Arrival, BoxStream, ErrorKind, Lane, LinkState, Outcome, Pattern, Transport,
};
use futures_util::{FutureExt, StreamExt};
use tokio::time::{Instant, sleep};

use self::talk::{bodies, body, event, message, next, receive, refusal, send};

const SECOND: Duration = Duration::from_secs(1);

/// A broker with this script, a sender, a receiver of all events, and what that receives.
fn scene(faults: Faults) -> (Broker, Memory, Memory, BoxStream<Arrival>) {
    let broker = Broker::new();
    let (sender, receiver) = (broker.transport("sender"), broker.transport("receiver"));
    let arrivals = receive(&receiver, Lane::Event);
    broker.inject(faults);
    (broker, sender, receiver, arrivals)
}

fn is_unknown(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Unknown { .. })
}

#[test]
fn the_third_publish_is_cut_before_its_confirm() {
    let script = Faults::new().sending(Which::nth(3), SendFault::CutBeforeConfirm);
    let (broker, sender, receiver, mut arrivals) = scene(script);
    let sent = ["one", "two", "three", "four"].map(|body| send(&sender, body).expect("sent"));
    assert!(is_unknown(&sent[2]), "{sent:?}");
    for other in [0, 1, 3] {
        assert_eq!(sent[other], Outcome::Confirmed);
    }
    assert_eq!(bodies(&mut arrivals), ["one", "two", "three", "four"]);
    assert_eq!((sender.link().connects, receiver.link().connects), (2, 1));
    assert!(broker.unused_faults().is_empty());
    assert_eq!(broker.fault_log().len(), 1, "{:?}", broker.fault_log());
}

#[test]
fn cut_before_its_arrival_a_message_is_lost() {
    let script = Faults::new().sending(Which::nth(1), SendFault::CutBeforeArrival);
    let (_broker, sender, _receiver, mut arrivals) = scene(script);
    assert!(is_unknown(&send(&sender, "lost").expect("sent")));
    assert_eq!(send(&sender, "next").expect("sent"), Outcome::Confirmed);
    assert_eq!(bodies(&mut arrivals), ["next"]);
    assert_eq!(sender.link().connects, 2);
}

#[test]
fn cut_after_its_confirm_only_the_connection_suffers() {
    let script = Faults::new().sending(Which::nth(2), SendFault::CutAfterConfirm);
    let (broker, sender, _receiver, mut arrivals) = scene(script);
    let mut own = receive(&sender, Lane::Event);
    send(&sender, "one").expect("sent");
    let held = next(&mut own);
    assert_eq!(send(&sender, "two").expect("sent"), Outcome::Confirmed);
    assert_eq!(sender.link().connects, 2);
    held.ack();
    assert_eq!(broker.unsettled("sender", Lane::Event), 0);
    let again = next(&mut own);
    assert!(
        again.is_redelivered(),
        "taken before the cut, settled after"
    );
    assert_eq!(bodies(&mut arrivals), ["one", "two"]);
}

#[tokio::test(start_paused = true)]
async fn a_cut_makes_unknown_what_else_was_in_flight() {
    let script = Faults::new()
        .sending(Which::nth(1), SendFault::LoseConfirm)
        .sending(Which::nth(2), SendFault::CutBeforeArrival);
    let (_broker, sender, _receiver, _arrivals) = scene(script);
    let mut first = sender.send(event("stored"));
    assert!((&mut first).now_or_never().is_none());
    send(&sender, "lost").expect("sent");
    let first = first.now_or_never().expect("told by the cut");
    assert!(is_unknown(&first.expect("sent")));
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_was_cut_stays_away_for_its_downtime() {
    let script = Faults::new()
        .sending(Which::nth(1), SendFault::CutBeforeConfirm)
        .downtime(SECOND);
    let (_broker, sender, _receiver, _arrivals) = scene(script);
    let start = Instant::now();
    let mut links = sender.links();
    assert!(links.next().await.expect("open").is_up());
    send(&sender, "one").expect("sent");
    assert_eq!(refusal(&sender), ErrorKind::Unavailable);
    let link = links.next().await.expect("open");
    assert_eq!(link.state, LinkState::Down);
    assert!(link.error.is_some_and(|error| error.is_transient()));
    assert!(links.next().await.expect("open").is_up());
    assert_eq!(start.elapsed(), SECOND);
    assert_eq!(send(&sender, "two").expect("sent"), Outcome::Confirmed);
}

#[test]
fn a_nack_and_a_return_store_nothing() {
    let script = Faults::new()
        .sending(Which::nth(1), SendFault::Reject)
        .sending(Which::nth(2), SendFault::Return);
    let (_broker, sender, _receiver, mut arrivals) = scene(script);
    let outcome = send(&sender, "rejected").expect("sent");
    assert!(matches!(outcome, Outcome::Rejected { .. }), "{outcome:?}");
    assert_eq!(send(&sender, "returned").expect("sent"), Outcome::NotRouted);
    assert_eq!(send(&sender, "stored").expect("sent"), Outcome::Confirmed);
    assert_eq!(bodies(&mut arrivals), ["stored"]);
    assert_eq!(sender.link().connects, 1);
}

#[tokio::test(start_paused = true)]
async fn a_confirm_may_be_lost_or_late_and_others_pass_it() {
    let script = Faults::new()
        .sending(Which::nth(1), SendFault::LoseConfirm)
        .sending(Which::nth(2), SendFault::DelayConfirm(SECOND))
        .sending(
            Which::nth(3),
            SendFault::DelayConfirm(Duration::from_secs(60)),
        );
    let (broker, sender, _receiver, mut arrivals) = scene(script);
    let start = Instant::now();
    let [lost, late, later] = ["lost", "late", "later"].map(|body| sender.send(event(body)));
    assert_eq!(send(&sender, "prompt").expect("sent"), Outcome::Confirmed);
    assert_eq!(bodies(&mut arrivals).len(), 4, "stored at once");
    assert_eq!(broker.in_motion(), 3);
    assert_eq!(late.await.expect("sent"), Outcome::Confirmed);
    assert_eq!(start.elapsed(), SECOND);
    assert!(is_unknown(&lost.await.expect("sent")));
    assert!(is_unknown(&later.await.expect("sent")));
    assert_eq!(start.elapsed(), SECOND * 5);
    assert_eq!(broker.in_motion(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_close_waits_for_a_late_confirm_and_no_longer() {
    let script = Faults::new().sending(Which::nth(1), SendFault::DelayConfirm(SECOND));
    let (_broker, sender, _receiver, _arrivals) = scene(script);
    let start = Instant::now();
    let late = sender.send(event("late"));
    assert_eq!(sender.close(SECOND * 3).await.unknown, 0);
    assert_eq!(start.elapsed(), SECOND);
    assert_eq!(late.await.expect("sent"), Outcome::Confirmed);
}

#[tokio::test(start_paused = true)]
async fn what_is_on_its_way_holds_up_what_is_behind_it() {
    let script = Faults::new().sending(Which::nth(1), SendFault::DelayArrival(SECOND));
    let (_broker, sender, _receiver, mut arrivals) = scene(script);
    assert_eq!(send(&sender, "slow").expect("sent"), Outcome::Confirmed);
    send(&sender, "behind").expect("sent");
    assert!(bodies(&mut arrivals).is_empty());
    let start = Instant::now();
    let Some(Arrival::Message(first)) = arrivals.next().await else {
        panic!("awaited a delivery");
    };
    assert_eq!((body(&first).as_str(), start.elapsed()), ("slow", SECOND));
    first.ack();
    assert_eq!(bodies(&mut arrivals), ["behind"]);
}

#[test]
fn a_duplicate_is_not_marked_as_redelivered() {
    let script = Faults::new().sending(Which::nth(1), SendFault::Duplicate);
    let (_broker, sender, _receiver, mut arrivals) = scene(script);
    assert_eq!(send(&sender, "twice").expect("sent"), Outcome::Confirmed);
    let copies = [next(&mut arrivals), next(&mut arrivals)];
    assert!(copies.iter().all(|copy| !copy.is_redelivered()));
    let [one, other] = copies.each_ref().map(|copy| copy.message().metadata.id);
    assert_eq!(one, other);
}

#[tokio::test(start_paused = true)]
async fn the_broker_asks_for_silence_for_a_while() {
    let script = Faults::new().sending(Which::nth(1), SendFault::Block(SECOND));
    let (_broker, sender, receiver, mut arrivals) = scene(script);
    assert_eq!(send(&sender, "one").expect("sent"), Outcome::Confirmed);
    assert_eq!(sender.link().state, LinkState::Blocked);
    assert_eq!(receiver.link().state, LinkState::Blocked);
    assert_eq!(refusal(&sender), ErrorKind::Unavailable);
    assert_eq!(bodies(&mut arrivals), ["one"], "receivers go on");
    sleep(SECOND).await;
    assert!(sender.link().is_up());
    assert_eq!(send(&sender, "two").expect("sent"), Outcome::Confirmed);
}

#[tokio::test(start_paused = true)]
async fn the_broker_stops_before_the_confirm_and_starts_again() {
    let script = Faults::new().sending(Which::nth(2), SendFault::Stop(SECOND));
    let (broker, sender, receiver, mut arrivals) = scene(script);
    let mut transient = event("transient");
    transient.persistent = false;
    sender.send(transient).await.expect("sent");
    assert!(is_unknown(&send(&sender, "stored").expect("sent")));
    assert_eq!(receiver.link().state, LinkState::Down);
    assert!(bodies(&mut arrivals).is_empty());
    assert_eq!(broker.in_motion(), 1, "only the start");
    sleep(SECOND).await;
    assert_eq!(bodies(&mut arrivals), ["stored"]);
    assert_eq!(broker.losses().transient, 1);
    assert_eq!((sender.link().connects, receiver.link().connects), (2, 2));
}

#[test]
fn cut_before_its_ack_a_delivery_comes_again() {
    let script = Faults::new().delivering(Which::nth(1), DeliveryFault::CutBeforeAck);
    let (broker, sender, receiver, mut arrivals) = scene(script);
    send(&sender, "one").expect("sent");
    send(&sender, "two").expect("sent");
    let (one, two) = (next(&mut arrivals), next(&mut arrivals));
    assert_eq!(receiver.link().connects, 1, "nothing yet");
    one.ack();
    assert_eq!((receiver.link().connects, sender.link().connects), (2, 1));
    two.ack();
    assert_eq!(broker.unsettled("receiver", Lane::Event), 0);
    let again = next(&mut arrivals);
    assert_eq!(
        (body(&again).as_str(), again.is_redelivered()),
        ("one", true)
    );
    again.ack();
    assert_eq!(bodies(&mut arrivals), ["two"]);
    assert!(bodies(&mut arrivals).is_empty());
}

#[test]
fn cut_after_its_delivery_it_comes_again_at_once() {
    let script = Faults::new().delivering(Which::nth(1), DeliveryFault::CutAfterDelivery);
    let (_broker, sender, receiver, mut arrivals) = scene(script);
    send(&sender, "one").expect("sent");
    let stale = next(&mut arrivals);
    assert_eq!(receiver.link().connects, 2);
    let again = next(&mut arrivals);
    stale.ack();
    assert!(again.is_redelivered());
    drop(again);
    assert_eq!(
        bodies(&mut arrivals),
        ["one"],
        "the stale ack had no effect"
    );
}

#[tokio::test(start_paused = true)]
async fn a_late_delivery_is_late_once() {
    let script = Faults::new().delivering(Which::nth(2), DeliveryFault::Delay(SECOND));
    let (_broker, sender, _receiver, mut arrivals) = scene(script);
    for body in ["one", "two", "three"] {
        send(&sender, body).expect("sent");
    }
    assert_eq!(bodies(&mut arrivals), ["one"]);
    let start = Instant::now();
    assert!(matches!(arrivals.next().await, Some(Arrival::Message(_))));
    assert_eq!(start.elapsed(), SECOND);
    assert_eq!(
        bodies(&mut arrivals),
        ["two", "three"],
        "the first was dropped"
    );
}

#[test]
fn a_fault_is_for_those_that_are_meant() {
    let orders = Pattern::new("orders.*").expect("a pattern");
    let script = Faults::new()
        .sending(Which::nth(1).of("nobody"), SendFault::Reject)
        .sending(Which::nth(1).key(orders), SendFault::Reject)
        .sending(Which::nth(1).on(Lane::Signal), SendFault::Return)
        .sending(
            Which::every(2).of("sender").on(Lane::Event),
            SendFault::Reject,
        );
    let (broker, sender, receiver, mut arrivals) = scene(script);
    let _signals = receive(&receiver, Lane::Signal);
    for body in ["one", "two", "three", "four"] {
        send(&sender, body).expect("sent");
    }
    send(&receiver, "other").expect("sent");
    assert_eq!(bodies(&mut arrivals), ["one", "three", "other"]);
    let signal = sender.send(message(Lane::Signal, "pain")).now_or_never();
    assert!(matches!(signal, Some(Ok(Outcome::NotRouted))), "{signal:?}");
    let unused = broker.unused_faults();
    assert_eq!(unused.len(), 2, "{unused:?}");
    assert!(unused[0].contains("nobody"), "{unused:?}");
    broker.inject(Faults::new());
    for body in ["one", "two"] {
        assert_eq!(send(&sender, body).expect("sent"), Outcome::Confirmed);
    }
}

#[test]
fn what_is_refused_with_an_error_does_not_count() {
    let script = Faults::new().sending(Which::nth(1), SendFault::Reject);
    let (broker, sender, _receiver, _arrivals) = scene(script);
    broker.block();
    assert_eq!(refusal(&sender), ErrorKind::Unavailable);
    broker.unblock();
    let outcome = send(&sender, "counted").expect("sent");
    assert!(matches!(outcome, Outcome::Rejected { .. }), "{outcome:?}");
}

#[tokio::test(start_paused = true)]
async fn what_the_test_stops_or_blocks_no_fault_ends() {
    let script = Faults::new()
        .sending(Which::nth(1), SendFault::Block(SECOND))
        .sending(Which::nth(2), SendFault::Stop(SECOND));
    let (broker, sender, _receiver, _arrivals) = scene(script);
    send(&sender, "one").expect("sent");
    broker.block();
    sleep(SECOND * 2).await;
    assert_eq!(sender.link().state, LinkState::Blocked);
    broker.unblock();
    send(&sender, "two").expect("sent");
    broker.stop();
    sleep(SECOND * 2).await;
    assert_eq!(sender.link().state, LinkState::Down);
    broker.start();
    assert!(sender.link().is_up());
}

/// Without a runtime there is nobody to wake anyone; at the next look it has happened.
#[test]
fn without_a_runtime_time_is_noticed_at_the_next_call() {
    let millisecond = Duration::from_millis(1);
    let script = Faults::new().sending(Which::nth(1), SendFault::Stop(millisecond));
    let (_broker, sender, _receiver, mut arrivals) = scene(script);
    send(&sender, "one").expect("sent");
    let start = std::time::Instant::now();
    let mut came = Vec::new();
    while came.is_empty() && start.elapsed() < Duration::from_secs(30) {
        came = bodies(&mut arrivals);
    }
    assert_eq!(came, ["one"]);
    assert!(start.elapsed() >= millisecond / 2);
}
