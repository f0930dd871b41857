use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Wake, Waker},
};

use algedonic::{Buffer, Bus, ErrorKind, Event, Key, KeyError, Subscription};
use futures_util::FutureExt;
use tokio::time::sleep;

use super::{alive_tasks, assert_balanced, ms, read, turns};
use crate::{
    events::Tick,
    last_words::{LastWords, finishes},
};

fn panicking(number: u64) -> LastWords {
    LastWords::new(number, || panic!("on purpose"))
}

/// After a panic of something else the next delayed event is published as if nothing had happened.
async fn assert_alive(bus: &Bus, ticks: &mut Subscription<Tick>) {
    let delayed = bus.publish_after(ms(10), Tick::new(1)).expect("open");
    delayed.await.expect("published");
    assert_eq!(read(ticks, |tick| tick.number), [1]);
    assert_balanced(bus);
}

/// Dropped because it was refused, cancelled, read by nobody, or overwritten by the next.
#[tokio::test(start_paused = true)]
async fn an_event_that_panics_when_it_is_dropped_hurts_no_other() {
    let bus = Bus::local();
    let mut ticks = bus.subscribe::<Tick>();
    // Nobody reads it: it is dropped where it is published.
    let unheard = bus.publish_after(ms(10), panicking(0)).expect("open");
    assert_eq!(
        unheard.await.expect_err("panicked").kind(),
        ErrorKind::Unexpected
    );
    assert_alive(&bus, &mut ticks).await;

    let strict = bus.subscribe_with::<LastWords>(Buffer::error(1));
    bus.publish(LastWords::silent(1)).await.expect("room");
    let refused = bus.publish_after(ms(10), panicking(2)).expect("open");
    assert_eq!(refused.await.expect_err("full").kind(), ErrorKind::Busy);
    assert_alive(&bus, &mut ticks).await;
    drop(strict);

    let mut oldest = bus.subscribe_with::<LastWords>(Buffer::drop_oldest(1));
    for number in 0..200 {
        let event = if number == 7 {
            panicking(7)
        } else {
            LastWords::silent(number)
        };
        bus.publish_after(ms(10), event).expect("open").detach();
    }
    sleep(ms(100)).await;
    assert_alive(&bus, &mut ticks).await;
    assert!(oldest.recv().await.expect("open").is_err(), "a gap");
    assert_eq!(
        oldest.recv().await.expect("open").expect("kept").number,
        199
    );

    let cancelled = bus.publish_after(ms(10), panicking(0)).expect("open");
    catch_unwind(AssertUnwindSafe(|| drop(cancelled))).expect_err("its owner's panic");
    assert_alive(&bus, &mut ticks).await;
    let counts = bus.counts();
    assert_eq!((counts.delayed_refused, counts.delayed_cancelled), (1, 1));
}

/// Dropped with the bus, or at its end.
#[tokio::test(start_paused = true)]
async fn events_that_panic_when_they_are_dropped_hurt_no_end() {
    let bus = Bus::local();
    let delayed =
        [0, 1, 2].map(|number| bus.publish_after(ms(10), panicking(number)).expect("open"));
    let report = bus.shutdown(ms(1000)).await;
    assert_eq!(report.delayed, 3);
    assert!(
        delayed
            .into_iter()
            .all(|delayed| delayed.now_or_never().expect("resolved").is_err())
    );

    let bus = Bus::local();
    let delayed =
        [0, 1, 2].map(|number| bus.publish_after(ms(10), panicking(number)).expect("open"));
    drop(bus);
    assert!(
        delayed
            .into_iter()
            .all(|delayed| delayed.now_or_never().expect("resolved").is_err())
    );
    turns().await;
    assert_eq!(alive_tasks(), 0);
}

/// One who waits for a guard may be as bad as an event.
#[tokio::test(start_paused = true)]
async fn a_waker_that_panics_hurts_no_other() {
    struct Loud;
    impl Wake for Loud {
        fn wake(self: Arc<Self>) {
            panic!("on purpose");
        }
    }
    let bus = Bus::local();
    let mut ticks = bus.subscribe::<Tick>();
    let mut delayed = bus.publish_after(ms(10), Tick::new(0)).expect("open");
    let waker = Waker::from(Arc::new(Loud));
    assert!(
        delayed
            .poll_unpin(&mut Context::from_waker(&waker))
            .is_pending()
    );
    sleep(ms(20)).await;
    delayed.await.expect("published");
    assert_eq!(read(&mut ticks, |tick| tick.number), [0]);
    assert_alive(&bus, &mut ticks).await;
}

/// A key is asked for in the call: its panic is the caller's.
#[tokio::test(start_paused = true)]
async fn a_key_that_panics_schedules_nothing() {
    struct Bad;
    impl Event for Bad {
        const NAME: &'static str = "test.bad";
        fn key(&self) -> Result<Key, KeyError> {
            panic!("on purpose");
        }
    }
    let bus = Bus::local();
    let mut ticks = bus.subscribe::<Tick>();
    let other = bus.publish_after(ms(5), Tick::new(0)).expect("open");
    let call = AssertUnwindSafe(|| drop(bus.publish_after(ms(1), Bad)));
    catch_unwind(call).expect_err("the key's panic");
    assert_eq!(bus.counts().delayed, 1);
    other.await.expect("published");
    assert_eq!(read(&mut ticks, |tick| tick.number), [0]);
    assert_alive(&bus, &mut ticks).await;
}

/// Schedules one of its own type when it is dropped, as often as that is possible, and takes another back.
fn meddling(bus: &Bus, number: u64, left: u64) -> LastWords {
    let (own, other) = (
        bus.clone(),
        bus.publish_after(ms(1), LastWords::silent(1000)),
    );
    LastWords::new(number, move || {
        drop(other);
        if left > 0 && tokio::runtime::Handle::try_current().is_ok() {
            let next = meddling(&own, number + 1, left - 1);
            if let Ok(delayed) = own.publish_after(ms(1), next) {
                delayed.detach();
            }
        }
    })
}

#[test]
fn an_event_may_schedule_and_cancel_when_it_is_dropped() {
    finishes("meddling events", || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            let bus = Bus::local();
            bus.publish_after(ms(1), meddling(&bus, 0, 20))
                .expect("open")
                .detach();
            sleep(ms(100)).await;
            assert!(bus.counts().delayed_published > 20, "{:?}", bus.counts());
            drop(bus.publish_after(ms(1), meddling(&bus, 0, 3)));
            for number in 0..10 {
                bus.publish_after(ms(1000), meddling(&bus, number, 3))
                    .expect("open")
                    .detach();
            }
            bus.shutdown(ms(1000)).await;
            assert_balanced(&bus);
            assert_eq!(bus.counts().delayed_pending, 0);
            turns().await;
            assert_eq!(alive_tasks(), 0);
        });
    });
}

/// An event may hold the last of its bus, which ends where the event is dropped.
#[tokio::test(start_paused = true)]
async fn an_event_that_holds_its_bus_ends_it_when_it_is_published() {
    let ended = Arc::new(AtomicU64::new(0));
    let bus = Bus::local();
    let (own, end) = (bus.clone(), Arc::clone(&ended));
    let event = LastWords::new(0, move || {
        drop(own);
        end.fetch_add(1, Ordering::Relaxed);
    });
    bus.publish_after(ms(10), event).expect("open").detach();
    let other = bus.publish_after(ms(20), Tick::new(1)).expect("open");
    drop(bus);
    sleep(ms(15)).await;
    assert_eq!(ended.load(Ordering::Relaxed), 1);
    assert_eq!(other.await.expect_err("gone").kind(), ErrorKind::Closed);
    turns().await;
    assert_eq!(alive_tasks(), 0);
}
