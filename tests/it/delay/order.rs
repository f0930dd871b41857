use algedonic::{Buffer, Bus, ErrorKind};
use futures_util::FutureExt;
use tokio::time::sleep;

use super::{Tock, assert_balanced, ms, read, turns};
use crate::events::Tick;

/// Over all types: by the time at which they are due, and then as they were scheduled.
#[tokio::test(start_paused = true)]
async fn those_of_one_instant_are_published_as_they_were_scheduled() {
    let bus = Bus::local();
    let mut all = bus.subscribe_pattern("#").expect("a pattern");
    for number in 0..300 {
        // Three instants, the latest first.
        let delay = ms(30 - 10 * (number % 3));
        match number % 2 {
            0 => bus
                .publish_after(delay, Tick::new(number))
                .expect("open")
                .detach(),
            _ => bus
                .publish_after(delay, Tock(number))
                .expect("open")
                .detach(),
        }
    }
    sleep(ms(100)).await;
    let mut seen = Vec::new();
    while let Some(Some(item)) = all.recv().now_or_never() {
        let event = item.expect("no gap");
        let tick = event.downcast::<Tick>().map(|tick| tick.number);
        seen.extend(tick.or_else(|| event.downcast::<Tock>().map(|tock| tock.0)));
    }
    let expected = [2, 1, 0].map(|rest| (0..300).filter(move |number| number % 3 == rest));
    assert_eq!(seen, expected.into_iter().flatten().collect::<Vec<_>>());
}

/// One type waits for a subscriber; the others do not wait for it, and it keeps its order.
#[tokio::test(start_paused = true)]
async fn a_full_subscriber_holds_up_its_own_type_only() {
    let bus = Bus::local();
    let mut slow = bus.subscribe_with::<Tick>(Buffer::block(1));
    let mut tocks = bus.subscribe::<Tock>();
    for number in 0..10 {
        let delay = ms(10 + number);
        bus.publish_after(delay, Tick::new(number))
            .expect("open")
            .detach();
        bus.publish_after(delay, Tock(number))
            .expect("open")
            .detach();
    }
    sleep(ms(100)).await;
    assert_eq!(read(&mut tocks, |tock| tock.0), (0..10).collect::<Vec<_>>());
    assert_eq!((slow.unread(), bus.counts().delayed_pending), (1, 9));
    // What is due later comes after what waits already.
    bus.publish_after(ms(0), Tick::new(10))
        .expect("open")
        .detach();
    sleep(ms(10)).await;
    let mut seen = Vec::new();
    for _ in 0..11 {
        turns().await;
        seen.push(slow.recv().await.expect("open").expect("no gap").number);
    }
    assert_eq!(seen, (0..11).collect::<Vec<_>>());
    assert_eq!(bus.counts().delayed_pending, 0);
    assert_balanced(&bus);
}

/// Until it is published it can be taken back: also while it waits for room, or for its turn.
#[tokio::test(start_paused = true)]
async fn one_that_waits_for_room_can_be_taken_back() {
    let bus = Bus::local();
    let mut slow = bus.subscribe_with::<Tick>(Buffer::block(1));
    let delayed: Vec<_> = (0..5)
        .map(|number| bus.publish_after(ms(10), Tick::new(number)).expect("open"))
        .collect();
    sleep(ms(20)).await;
    let mut delayed = delayed.into_iter();
    let mut next = || delayed.next().expect("five");
    let (published, waits, behind, dropped, last) = (next(), next(), next(), next(), next());
    assert!(published.is_settled() && !waits.is_settled());
    assert_eq!(behind.cancel().expect("not begun").number, 2);
    assert_eq!(waits.cancel().expect("no room").number, 1);
    drop(dropped);
    turns().await;
    assert_eq!(bus.counts().delayed_pending, 1);
    assert_eq!(read(&mut slow, |tick| tick.number), [0]);
    last.await.expect("room");
    assert_eq!(read(&mut slow, |tick| tick.number), [4]);
    published
        .cancel()
        .expect_err("too late")
        .await
        .expect("published");
    assert_balanced(&bus);
    assert_eq!(bus.counts().delayed_cancelled, 3);
}

/// A place for which a delayed event waited goes to the next publisher when it is taken back.
#[tokio::test(start_paused = true)]
async fn its_place_in_the_row_goes_to_the_next() {
    let bus = Bus::local();
    let mut slow = bus.subscribe_with::<Tick>(Buffer::block(1));
    bus.publish(Tick::new(0)).await.expect("room");
    let delayed = bus.publish_after(ms(10), Tick::new(1)).expect("open");
    sleep(ms(20)).await;
    let other = tokio::spawn({
        let bus = bus.clone();
        async move { bus.publish(Tick::new(2)).await }
    });
    turns().await;
    // Room, and the one who is woken for it is gone before it has its turn.
    assert_eq!(slow.recv().await.expect("open").expect("no gap").number, 0);
    delayed.cancel().expect("not published yet");
    turns().await;
    other.await.expect("no panic").expect("room");
    assert_eq!(read(&mut slow, |tick| tick.number), [2]);
}

/// A long row of one type is published without holding up the rest of the runtime.
#[tokio::test(start_paused = true)]
async fn thousands_are_published_in_order_and_others_have_their_turns() {
    let bus = Bus::builder()
        .delay_capacity(100_000)
        .build()
        .expect("nothing wrong");
    let mut ticks = bus.subscribe_with::<Tick>(Buffer::block(100_000));
    for number in 0..100_000 {
        // Backwards by the second, forwards within it.
        let delay = ms(1000 * (10 - number / 10_000));
        bus.publish_after(delay, Tick::new(number))
            .expect("room")
            .detach();
    }
    let refused = bus.publish_after(ms(1), Tick::new(0)).expect_err("full");
    assert_eq!(refused.kind(), ErrorKind::Busy);
    sleep(ms(1000)).await;
    let mut turns = 0;
    while bus.counts().delayed_published < 10_000 {
        turns += 1;
        tokio::task::yield_now().await;
    }
    assert!(turns > 10, "{turns}");
    sleep(ms(10_000)).await;
    let expected = (0..10)
        .rev()
        .flat_map(|second| second * 10_000..(second + 1) * 10_000);
    for number in expected {
        let tick = ticks.recv().await.expect("open").expect("no gap");
        assert_eq!(tick.number, number);
    }
    assert_eq!(bus.counts().delayed_published, 100_000);
}
