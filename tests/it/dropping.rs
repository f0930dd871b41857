use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex},
    time::Duration,
};

use algedonic::{Buffer, Bus, Subscription};
use futures_util::FutureExt;

use crate::{
    last_words::{LastWords, finishes},
    wakers::Held,
};

fn send(bus: &Bus, event: LastWords) {
    let publish = bus.publish(event).now_or_never();
    publish.expect("room").expect("open");
}

/// Publishes one of its own type when it is dropped.
fn echoing(bus: &Bus, number: u64) -> LastWords {
    let bus = bus.clone();
    LastWords::new(number, move || {
        let _ = bus.publish(LastWords::silent(1000)).now_or_never();
    })
}

/// Events that publish when they are dropped, on every way on which the bus drops one.
#[test]
fn an_event_may_publish_when_it_is_dropped() {
    finishes("unheard", || {
        let bus = Bus::local();
        send(&bus, echoing(&bus, 0));
    });
    finishes("read by all", || {
        let bus = Bus::local();
        let mut reader = bus.subscribe::<LastWords>();
        (0..100).for_each(|number| send(&bus, echoing(&bus, number)));
        while reader.recv().now_or_never().is_some() {}
    });
    finishes("overwritten", || {
        let bus = Bus::local();
        let _slow = bus.subscribe_with::<LastWords>(Buffer::drop_oldest(1));
        (0..200).for_each(|number| send(&bus, echoing(&bus, number)));
    });
    finishes("overwritten in a pattern's inbox", || {
        let bus = Bus::local();
        let _slow = bus.subscribe_pattern_with("#", Buffer::drop_oldest(1));
        (0..200).for_each(|number| send(&bus, echoing(&bus, number)));
    });
    finishes("not taken", || {
        let bus = Bus::local();
        let _slow = bus.subscribe_with::<LastWords>(Buffer::drop_newest(1));
        (0..200).for_each(|number| send(&bus, echoing(&bus, number)));
    });
    finishes("swept while a slow reader is on the segment", || {
        let bus = Bus::local();
        let mut slow = bus.subscribe_with::<LastWords>(Buffer::drop_oldest(1));
        send(&bus, echoing(&bus, 0));
        slow.recv().now_or_never().expect("ready");
        (1..200).for_each(|number| send(&bus, echoing(&bus, number)));
        // The last one that holds the segment goes on.
        slow.recv().now_or_never().expect("a gap");
        slow.recv().now_or_never().expect("an event");
    });
}

/// The same where the subscriber goes, or the bus.
#[test]
fn an_event_may_publish_when_those_who_had_it_go() {
    finishes("its subscriber left", || {
        for buffer in [
            Buffer::block(9),
            Buffer::drop_oldest(9),
            Buffer::drop_newest(9),
            Buffer::error(9),
        ] {
            let bus = Bus::local();
            let typed = bus.subscribe_with::<LastWords>(buffer);
            let pattern = bus.subscribe_pattern_with("#", buffer);
            (0..9).for_each(|number| send(&bus, echoing(&bus, number)));
            drop(typed);
            drop(pattern);
        }
    });
    finishes("a slow subscriber left that held the segment", || {
        let bus = Bus::local();
        let mut slow = bus.subscribe_with::<LastWords>(Buffer::drop_oldest(1));
        send(&bus, echoing(&bus, 0));
        slow.recv().now_or_never().expect("ready");
        (1..200).for_each(|number| send(&bus, echoing(&bus, number)));
        drop(slow);
    });
    finishes("the bus was shut down", || {
        let bus = Bus::local();
        let slow = bus.subscribe::<LastWords>();
        (0..9).for_each(|number| send(&bus, echoing(&bus, number)));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(bus.shutdown(Duration::from_secs(1)));
        drop(slow);
    });
}

/// An event that holds a subscription of its own type, and so unsubscribes when it is dropped.
#[test]
fn an_event_may_unsubscribe_when_it_is_dropped() {
    finishes("events that hold subscriptions", || {
        let bus = Bus::local();
        let mut slow = bus.subscribe_with::<LastWords>(Buffer::drop_oldest(1));
        let mut pattern = bus
            .subscribe_pattern_with("#", Buffer::drop_oldest(1))
            .expect("a pattern");
        for number in 0..300 {
            let held: Subscription<LastWords> = bus.subscribe_with(Buffer::drop_newest(1));
            let other: Subscription<LastWords> = bus.subscribe_with(Buffer::drop_oldest(1));
            send(&bus, LastWords::new(number, move || drop((held, other))));
            if number % 70 == 0 {
                let _ = slow.recv().now_or_never();
                let _ = pattern.recv().now_or_never();
            }
        }
    });
}

/// A panic in the drop of an old event does not keep readers asleep that wait for the new one.
#[test]
fn a_panic_in_a_drop_loses_no_wake_up() {
    let bus = Bus::local();
    let mut keeps = bus.subscribe_with::<LastWords>(Buffer::drop_oldest(1));
    let mut reader = bus.subscribe_with::<LastWords>(Buffer::drop_oldest(64));
    // Only the first: a second panic while one unwinds ends the process, as for a `Vec`.
    let panics = |number| match number {
        0 => LastWords::new(number, || panic!("the event's own")),
        _ => LastWords::silent(number),
    };
    let mut panicked = 0;
    for number in 0..200 {
        let mut next = Held::new(reader.recv());
        assert!(next.poll().is_none(), "all is read");
        let publish = AssertUnwindSafe(|| send(&bus, panics(number)));
        panicked += u32::from(catch_unwind(publish).is_err());
        assert!(next.is_woken(), "{number}");
        let event = next.poll().expect("ready").expect("open").expect("no gap");
        assert_eq!(event.number, number);
        let dropped = catch_unwind(AssertUnwindSafe(|| drop(event)));
        panicked += u32::from(dropped.is_err());
    }
    assert!(panicked > 0, "an old one was dropped on the way");
    let _ = catch_unwind(AssertUnwindSafe(|| {
        while keeps.recv().now_or_never().is_some() {}
    }));
    let leave = catch_unwind(AssertUnwindSafe(|| drop((keeps, reader))));
    drop(leave);
    bus.books().assert_balanced();
}

/// Nor does it take the room of those who were to get the new one after it.
#[test]
fn a_panic_in_a_drop_keeps_nobodys_room() {
    let bus = Bus::local();
    let _lossy = bus.subscribe_pattern_with("#", Buffer::drop_oldest(1));
    let strict = bus.subscribe_pattern_with("#", Buffer::error(1));
    let mut strict = strict.expect("a pattern");
    send(&bus, LastWords::new(0, || panic!("the event's own")));
    strict.recv().now_or_never().expect("ready");
    let publish = AssertUnwindSafe(|| send(&bus, LastWords::silent(1)));
    assert!(catch_unwind(publish).is_err(), "the first was overwritten");
    let event = strict.recv().now_or_never().expect("it has the second");
    drop(event);
    send(&bus, LastWords::silent(2));
    strict.recv().now_or_never().expect("and the third");
}

/// A waker that drops the subscription then and there, as an executor may that runs what is woken.
#[test]
fn a_waker_may_drop_the_subscription() {
    struct Dropper(Mutex<Option<Subscription<LastWords>>>);
    impl std::task::Wake for Dropper {
        fn wake(self: Arc<Self>) {
            let subscription = self.0.lock().expect("whole").take();
            drop(subscription);
        }
    }
    for buffer in [Buffer::block(2), Buffer::drop_newest(2)] {
        finishes("a waker that unsubscribes", move || {
            let bus = Bus::local();
            let dropper = Arc::new(Dropper(Mutex::new(Some(bus.subscribe_with(buffer)))));
            {
                let mut held = dropper.0.lock().expect("whole");
                let subscription = held.as_mut().expect("there");
                let waker = Arc::clone(&dropper).into();
                let mut cx = std::task::Context::from_waker(&waker);
                let next = futures_util::StreamExt::poll_next_unpin(subscription, &mut cx);
                assert!(next.is_pending());
            }
            send(&bus, LastWords::silent(0));
            assert!(dropper.0.lock().expect("whole").is_none());
            send(&bus, LastWords::silent(1));
            bus.books().assert_balanced();
        });
    }
}

/// A task whose last owner is the waker: it is dropped where the bus drops the waker, with the
/// subscriptions that it holds.
#[test]
fn a_waker_may_be_the_last_owner_of_a_subscription() {
    struct Owner(
        #[expect(dead_code, reason = "held until the waker goes")] Subscription<LastWords>,
    );
    impl std::task::Wake for Owner {
        fn wake(self: Arc<Self>) {}
    }
    for buffer in [Buffer::block(1), Buffer::drop_newest(1)] {
        finishes("a waker that was replaced", move || {
            let bus = Bus::local();
            let mut subscription = bus.subscribe_with::<LastWords>(buffer);
            for _ in 0..3 {
                let waker = Arc::new(Owner(bus.subscribe_with(buffer))).into();
                let mut cx = std::task::Context::from_waker(&waker);
                let next = futures_util::StreamExt::poll_next_unpin(&mut subscription, &mut cx);
                assert!(next.is_pending());
            }
            drop(subscription);
        });
        finishes("a publisher's waker", move || {
            let bus = Bus::local();
            let full = bus.subscribe_with::<LastWords>(Buffer::block(1));
            send(&bus, LastWords::silent(0));
            let mut publish = Box::pin(bus.publish(LastWords::silent(1)));
            for _ in 0..3 {
                let other = bus.subscribe_with::<LastWords>(Buffer::drop_oldest(1));
                let waker = Arc::new(Owner(other)).into();
                let mut cx = std::task::Context::from_waker(&waker);
                assert!(publish.as_mut().poll(&mut cx).is_pending());
            }
            drop(publish);
            drop(full);
        });
    }
}
