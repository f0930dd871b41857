use std::time::SystemTime;

use algedonic::{Bus, ErrorKind};
use futures_util::FutureExt;
use tokio::time::{Instant, sleep, timeout};

use super::{Tock, alive_tasks, assert_balanced, ms, read, turns};
use crate::events::Tick;

#[tokio::test(start_paused = true)]
async fn an_event_is_published_when_it_is_due_and_not_before() {
    let bus = Bus::local();
    let mut ticks = bus.subscribe::<Tick>();
    let start = Instant::now();
    let mut delayed = bus.publish_after(ms(50), Tick::new(1)).expect("open");
    assert_eq!(
        (delayed.due(), delayed.remaining()),
        (start + ms(50), ms(50))
    );
    sleep(ms(49)).await;
    assert!(ticks.recv().now_or_never().is_none());
    assert!((&mut delayed).now_or_never().is_none() && !delayed.is_settled());
    assert_eq!(bus.counts().delayed_pending, 1);
    // Those who subscribe meanwhile get it, too.
    let mut late = bus.subscribe::<Tick>();
    let receipt = (&mut delayed).await.expect("published");
    assert_eq!(start.elapsed(), ms(50));
    assert_eq!(receipt.local().subscribers, 2);
    assert!(delayed.is_settled() && delayed.remaining().is_zero());
    let tick = ticks.recv().await.expect("open").expect("no gap");
    assert_eq!((tick.number, tick.id()), (1, receipt.id()));
    assert_eq!(read(&mut late, |tick| tick.number), [1]);
    let counts = bus.counts();
    assert_eq!((counts.delayed, counts.delayed_published), (1, 1));
    assert_eq!((counts.published, counts.delayed_pending), (1, 0));
    let late = delayed.cancel().expect_err("too late");
    assert_eq!(bus.counts(), counts);
    drop(late);
    assert_eq!(bus.counts(), counts);
}

#[tokio::test(start_paused = true)]
async fn cancelled_it_is_given_back_and_nobody_gets_it() {
    let bus = Bus::local();
    let mut ticks = bus.subscribe::<Tick>();
    let delayed = bus.publish_after(ms(50), Tick::new(7)).expect("open");
    assert_eq!(delayed.cancel().expect("not due"), Tick::new(7));
    // Dropped it is cancelled, too; put off it is, if one takes the other's place.
    let mut pending = Some(bus.publish_after(ms(20), Tick::new(1)).expect("open"));
    sleep(ms(10)).await;
    let other = bus.publish_after(ms(20), Tick::new(2)).expect("open");
    drop(pending.replace(other));
    sleep(ms(100)).await;
    assert!(pending.is_some_and(|delayed| delayed.is_settled()));
    drop(bus.publish_after(ms(20), Tick::new(3)));
    sleep(ms(100)).await;
    assert_eq!(read(&mut ticks, |tick| tick.number), [2]);
    let counts = bus.counts();
    assert_eq!((counts.delayed_cancelled, counts.delayed_published), (3, 1));
    assert_eq!(counts.published, 1);
    assert_balanced(&bus);
}

#[tokio::test(start_paused = true)]
async fn detached_it_goes_its_way() {
    let bus = Bus::local();
    let mut ticks = bus.subscribe::<Tick>();
    let publisher = bus.publisher::<Tick>();
    bus.publish_after(ms(20), Tick::new(2))
        .expect("open")
        .detach();
    publisher
        .publish_after(ms(10), Tick::new(1))
        .expect("open")
        .detach();
    sleep(ms(100)).await;
    assert_eq!(read(&mut ticks, |tick| tick.number), [1, 2]);
    assert_balanced(&bus);
}

/// Given up as any publish is: by a timeout, or by another branch that was first.
#[tokio::test(start_paused = true)]
async fn a_dropped_future_cancels() {
    let bus = Bus::local();
    let mut delayed = bus.publish_after(ms(50), Tick::new(1)).expect("open");
    timeout(ms(10), &mut delayed).await.expect_err("not due");
    assert_eq!(bus.counts().delayed_pending, 1);
    timeout(ms(10), delayed).await.expect_err("not due");
    assert_eq!(bus.counts().delayed_cancelled, 1);
}

#[tokio::test(start_paused = true)]
async fn a_time_of_the_day_is_turned_into_a_delay_once() {
    let bus = Bus::local();
    let mut ticks = bus.subscribe::<Tick>();
    let start = Instant::now();
    let (now, hour) = (SystemTime::now(), ms(3_600_000));
    let later = bus.publish_at(now + hour, Tick::new(3)).expect("open");
    let publisher = bus.publisher::<Tick>();
    let past = bus.publish_at(now - hour, Tick::new(1)).expect("open");
    let oldest = publisher
        .publish_at(SystemTime::UNIX_EPOCH, Tick::new(2))
        .expect("open");
    // What is past is due now, in the order of the calls.
    assert_eq!((past.due(), oldest.due()), (start, start));
    let slack = start + hour - later.due();
    assert!(slack < ms(60_000), "{slack:?}");
    oldest.await.expect("published");
    assert!(past.is_settled() && !later.is_settled());
    later.await.expect("published");
    assert_eq!(read(&mut ticks, |tick| tick.number), [1, 2, 3]);
}

/// No time is too far away for the clock.
#[tokio::test(start_paused = true)]
async fn an_endless_delay_can_be_had_and_cancelled() {
    let bus = Bus::local();
    let delayed = bus
        .publish_after(std::time::Duration::MAX, Tick::new(1))
        .expect("open");
    let soon = bus.publish_after(ms(5), Tick::new(2)).expect("open");
    soon.await.expect("published");
    assert!(delayed.remaining() > ms(1000 * 3600 * 24 * 365 * 99));
    delayed.cancel().expect("not due");
}

#[tokio::test(start_paused = true)]
async fn there_is_one_task_while_something_is_scheduled_and_none_otherwise() {
    let bus = Bus::local();
    assert_eq!(alive_tasks(), 0);
    let ticks: Vec<_> = (0..100)
        .map(|number| {
            bus.publish_after(ms(10 + number), Tick::new(number))
                .expect("open")
        })
        .collect();
    let tock = bus.publish_after(ms(500), Tock(1)).expect("open");
    turns().await;
    assert_eq!(alive_tasks(), 1);
    sleep(ms(200)).await;
    assert!(ticks.iter().all(algedonic::Delayed::is_settled));
    assert_eq!(alive_tasks(), 1);
    drop(tock);
    turns().await;
    assert_eq!(alive_tasks(), 0);
    // And again.
    let tock = bus.publish_after(ms(5), Tock(1)).expect("open");
    tock.await.expect("published");
    turns().await;
    assert_eq!(alive_tasks(), 0);
}

#[tokio::test(start_paused = true)]
async fn no_more_are_scheduled_than_allowed() {
    let bus = Bus::builder()
        .delay_capacity(2)
        .build()
        .expect("nothing wrong");
    let first = bus.publish_after(ms(10), Tick::new(1)).expect("room");
    let second = bus.publish_after(ms(10), Tock(2)).expect("room");
    let refused = bus.publish_after(ms(10), Tick::new(3)).expect_err("full");
    assert_eq!(refused.kind(), ErrorKind::Busy);
    assert!(refused.is_transient());
    let counts = bus.counts();
    assert_eq!(
        (counts.refused, counts.delayed, counts.delayed_pending),
        (1, 2, 2)
    );
    // Cancelled or published it makes room at once.
    first.cancel().expect("not due");
    let third = bus.publish_after(ms(20), Tick::new(3)).expect("room");
    second.await.expect("published");
    let fourth = bus.publish_after(ms(5), Tick::new(4)).expect("room");
    fourth.await.expect("published");
    third.await.expect("published");
    assert_balanced(&bus);

    let never = Bus::builder()
        .delay_capacity(0)
        .build()
        .expect("nothing wrong");
    let refused = never.publish_after(ms(10), Tick::new(3)).expect_err("none");
    assert_eq!(refused.kind(), ErrorKind::Busy);
}

#[test]
fn outside_a_runtime_it_panics_and_nothing_is_scheduled() {
    let bus = Bus::local();
    let call = std::panic::AssertUnwindSafe(|| drop(bus.publish_after(ms(1), Tick::new(1))));
    std::panic::catch_unwind(call).expect_err("no runtime");
    assert_eq!(bus.counts().delayed, 0);
    let untimed = tokio::runtime::Builder::new_current_thread().build();
    let call = std::panic::AssertUnwindSafe(|| {
        untimed
            .expect("a runtime")
            .block_on(async { drop(bus.publish_after(ms(1), Tick::new(1))) });
    });
    std::panic::catch_unwind(call).expect_err("no timers");
    assert_eq!(bus.counts().delayed, 0);
    // It works all the same where it can.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build();
    runtime.expect("a runtime").block_on(async {
        let delayed = bus.publish_after(ms(1), Tick::new(1)).expect("open");
        delayed.await.expect("published");
    });
}
