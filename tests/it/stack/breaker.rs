use std::time::Duration;

use algedonic::{
    Bus, ErrorKind, LinkState, LocalOnly, Remote, Status,
    memory::Broker,
    resilience::{
        Reason, Rejection,
        breaker::{BreakerConfig, State},
        retry::{Jitter, RetryConfig},
    },
};
use tokio::time::{Instant, advance};

use super::flaky::{CONFIRM, Fate, Flaky, LOSE, REFUSE};
use crate::{
    events::Tick,
    mirror::{bus, link_is},
    patience::within,
};

const SECOND: Duration = Duration::from_secs(1);

async fn remote(bus: &Bus, number: u64) -> Remote {
    let receipt = bus.publish(Tick::new(number)).await.expect("open");
    within("the outcome", receipt.remote()).await
}

fn state(bus: &Bus) -> State {
    bus.mirror_stack().expect("not replaced").breaker().state()
}

/// What a breaker says that did not let an event through.
fn rejection(remote: &Remote) -> Option<Rejection> {
    let Remote::LocalOnly(LocalOnly::Away(error)) = remote else {
        return None;
    };
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let source = std::error::Error::source(error)?;
    source.downcast_ref::<Rejection>().copied()
}

/// Without jitter, so that times are exact.
fn exact() -> BreakerConfig {
    BreakerConfig::amqp().reset_jitter(0.0)
}

/// Requirements 0.05, 0.15, 1.15: one event is tried four times, and the fifth failure in a row opens the breaker; from
/// then on the transport is not called. FB-7: every event is with its local subscribers once.
#[tokio::test(start_paused = true)]
async fn five_failures_in_a_row_open_it_and_events_stay_local() {
    let transport = Flaky::new([REFUSE]);
    let here = transport.bus(|mirror| mirror.breaker(exact()));
    let mut ticks = here.subscribe::<Tick>();
    let first = remote(&here, 0).await;
    assert!(
        first.is_local_only() && rejection(&first).is_none(),
        "{first}"
    );
    assert_eq!((transport.calls(), state(&here)), (4, State::Closed));
    let second = remote(&here, 1).await;
    assert_eq!((transport.calls(), state(&here)), (5, State::Open));
    for number in 2..100 {
        let start = Instant::now();
        let remote = remote(&here, number).await;
        let rejection = rejection(&remote).expect("a rejection");
        assert_eq!(rejection.name().as_str(), "flaky");
        assert_eq!(rejection.reason(), Reason::BreakerOpen);
        assert!(rejection.retry_after().is_some());
        assert_eq!(start.elapsed(), Duration::ZERO, "nothing is waited for");
    }
    assert!(rejection(&second).is_some(), "its second attempt: {second}");
    assert_eq!(transport.calls(), 5);
    assert_eq!(here.counts().local_only, 100);
    assert_eq!(here.health().status, Status::Degraded);
    assert!(here.health().to_string().contains("breaker is open"));
    for number in 0..100 {
        let tick = ticks.recv().await.expect("open").expect("no gap");
        assert_eq!(tick.number, number);
    }
    assert_eq!(ticks.unread(), 0);
}

/// Requirement 0.05, where the link says nothing: one probe after 60 s, another 60 s later, and then three that succeed.
#[tokio::test(start_paused = true)]
async fn it_half_opens_after_sixty_seconds() {
    let transport = Flaky::new([REFUSE]);
    let once = RetryConfig::default().max_retries(0);
    let here = transport.bus(|mirror| mirror.breaker(exact()).retry(once));
    for number in 0..5 {
        assert_eq!(state(&here), State::Closed);
        assert!(rejection(&remote(&here, number).await).is_none());
    }
    for probes in 0..2 {
        assert_eq!((transport.calls(), state(&here)), (5 + probes, State::Open));
        advance(Duration::from_millis(59_999)).await;
        assert!(rejection(&remote(&here, 5).await).is_some());
        assert_eq!((transport.calls(), state(&here)), (5 + probes, State::Open));
        advance(Duration::from_millis(1)).await;
        assert_eq!(state(&here), State::HalfOpen);
        assert!(rejection(&remote(&here, 6).await).is_none());
    }
    assert_eq!((transport.calls(), state(&here)), (7, State::Open));
    transport.then(CONFIRM);
    advance(60 * SECOND).await;
    for number in 0..3 {
        assert_eq!(state(&here), State::HalfOpen);
        assert!(remote(&here, number).await.is_confirmed());
    }
    assert_eq!(state(&here), State::Closed);
    assert_eq!(here.health().status, Status::Healthy);
}

/// The open period is in the configuration.
#[tokio::test(start_paused = true)]
async fn the_open_period_is_configured() {
    let transport = Flaky::new([REFUSE]);
    let once = RetryConfig::default().max_retries(0);
    let here = transport.bus(|mirror| {
        let breaker = exact().reset_timeout(7 * SECOND);
        mirror.breaker(breaker).retry(once)
    });
    while state(&here) != State::Open {
        remote(&here, 0).await;
    }
    transport.then(CONFIRM);
    advance(Duration::from_millis(6_999)).await;
    assert!(remote(&here, 1).await.is_local_only());
    advance(Duration::from_millis(1)).await;
    assert!(remote(&here, 2).await.is_confirmed());
}

/// What may have left is not called local, whatever became of its last attempt; and it counts as a failure.
#[tokio::test(start_paused = true)]
async fn events_in_doubt_open_it_and_stay_unknown() {
    let transport = Flaky::new([LOSE]);
    let here = transport.bus(|mirror| mirror.breaker(exact()));
    for number in 0..2 {
        let remote = remote(&here, number).await;
        assert!(matches!(remote, Remote::Unknown { .. }), "{remote}");
    }
    assert_eq!((transport.calls(), state(&here)), (5, State::Open));
    assert!(rejection(&remote(&here, 2).await).is_some());
}

/// A success among failures starts anew.
#[tokio::test(start_paused = true)]
async fn failures_that_are_not_in_a_row_do_not_open_it() {
    let fates = [REFUSE, REFUSE, REFUSE, CONFIRM].into_iter().cycle();
    let transport = Flaky::new(fates.take(80));
    let here = transport.bus(|mirror| mirror.breaker(exact()));
    for number in 0..20 {
        assert!(remote(&here, number).await.is_confirmed());
    }
    assert_eq!((transport.calls(), state(&here)), (80, State::Closed));
    let status = here.mirror_stack().expect("there").retry().status();
    assert_eq!(status.retries, 60);
}

/// Calls that hang are failures too, whoever ends them: an attempt its own timeout, the next one that of the mirror.
#[tokio::test(start_paused = true)]
async fn a_transport_that_does_not_answer_opens_it() {
    let hour = 3_600 * SECOND;
    let transport = Flaky::new([Fate::Confirm(hour)]);
    let here = transport.bus(|mirror| mirror.breaker(exact()));
    let start = Instant::now();
    for number in 0..3 {
        assert_eq!(state(&here), State::Closed);
        let remote = remote(&here, number).await;
        assert!(matches!(remote, Remote::Unknown { .. }), "{remote}");
    }
    assert!(start.elapsed() <= 31 * SECOND, "{:?}", start.elapsed());
    assert_eq!(state(&here), State::Open);
}

/// Nobody waits for the end of the open period to learn what the link says already.
#[tokio::test(start_paused = true)]
async fn a_link_that_comes_up_closes_it_at_once() {
    let broker = Broker::new();
    broker.stop();
    let (here, _there) = (bus(&broker, "here"), bus(&broker, "there"));
    while state(&here) != State::Open {
        assert!(remote(&here, 0).await.is_local_only());
    }
    // Without a turn for anybody else, and with one.
    for round in 0..2 {
        broker.start();
        if round == 1 {
            link_is(&here, LinkState::Up).await;
        }
        let start = Instant::now();
        assert!(remote(&here, 1).await.is_confirmed());
        assert_eq!(start.elapsed(), Duration::ZERO);
        assert_eq!(state(&here), State::Closed);
        broker.stop();
        while state(&here) != State::Open {
            assert!(!remote(&here, 0).await.is_confirmed());
        }
    }
    // And where nobody publishes.
    broker.start();
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(state(&here), State::Closed);
    assert_eq!(here.health().status, Status::Healthy);
}

/// What an operator has forced stays so.
#[tokio::test(start_paused = true)]
async fn a_link_that_comes_up_does_not_undo_what_was_forced() {
    let transport = Flaky::new([CONFIRM]);
    let here = transport.bus(|mirror| mirror);
    let stack = here.mirror_stack().expect("there");
    stack.breaker().force_open();
    transport.goes_down();
    tokio::task::yield_now().await;
    transport.comes_up();
    tokio::time::sleep(SECOND).await;
    assert!(rejection(&remote(&here, 0).await).is_some());
    assert_eq!(transport.calls(), 0);
    stack.breaker().reset();
    assert!(remote(&here, 1).await.is_confirmed());
}

/// A part of a link that is back may be the one that sends: then it is tried, and not before the open period is over else.
#[tokio::test(start_paused = true)]
async fn a_sign_of_life_of_the_link_lets_probes_through() {
    let transport = Flaky::new([REFUSE]);
    let here = transport.bus(|mirror| mirror.breaker(exact()));
    transport.change_link(|link| (link.state, link.attempts) = (LinkState::Down, 4));
    while state(&here) != State::Open {
        remote(&here, 0).await;
    }
    // More attempts are none.
    transport.change_link(|link| link.attempts = 9);
    tokio::time::sleep(SECOND).await;
    assert!(rejection(&remote(&here, 1).await).is_some());
    transport.change_link(|link| link.attempts = 5);
    tokio::time::sleep(SECOND).await;
    assert_eq!(state(&here), State::HalfOpen);
    transport.then(CONFIRM);
    assert!(remote(&here, 2).await.is_confirmed());
}

/// A delay ends when the link comes up.
#[tokio::test(start_paused = true)]
async fn who_waits_for_another_attempt_goes_when_the_link_comes_up() {
    let transport = Flaky::new([REFUSE, CONFIRM]);
    let slow = RetryConfig::default()
        .delays(5 * SECOND, 5 * SECOND)
        .jitter(Jitter::None);
    let here = transport.bus(|mirror| mirror.retry(slow));
    transport.goes_down();
    let start = Instant::now();
    let receipt = here.publish(Tick::new(1)).await.expect("open");
    tokio::time::sleep(SECOND).await;
    assert_eq!(transport.calls(), 1);
    transport.comes_up();
    assert!(within("the confirm", receipt.remote()).await.is_confirmed());
    assert_eq!(start.elapsed(), SECOND);
}
