use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use algedonic::{Buffer, Bus, Cause, Level, Request, Signal, testing::TestBus};
use tokio::time::Instant;

use crate::app::{Ordered, Packed, Shipped, order, run_stock, shipped};

#[tokio::test(start_paused = true)]
async fn the_whole_cascade_is_handled_before_it_is_settled() {
    let bus = TestBus::local();
    run_stock(&bus);
    for number in 1..=3 {
        bus.publish(order(number)).await.expect("open");
    }
    let start = Instant::now();
    bus.settle().await;
    assert_eq!(shipped(&bus), [1, 2, 3]);
    assert!(start.elapsed() >= Duration::from_millis(1500));
    assert!(start.elapsed() < Duration::from_millis(1520));
    let cause = bus.published::<Shipped>()[0].metadata().causation;
    assert_eq!(cause, Some(bus.events::<Packed>()[0].id()));
    bus.assert_balanced();
    bus.assert_nothing_lost();
}

#[tokio::test(start_paused = true)]
async fn a_quiet_bus_settles_in_no_time_at_all() {
    let bus = TestBus::local();
    run_stock(&bus);
    let unread = bus.subscribe::<Shipped>();
    let start = Instant::now();
    bus.settle().await;
    assert_eq!(start.elapsed(), Duration::ZERO);
    bus.publish(Shipped { order: 1 }).await.expect("open");
    bus.settle().await;
    assert_eq!(start.elapsed(), Duration::ZERO);
    assert_eq!(shipped(&bus), [1]);
    assert_eq!(unread.unread(), 1, "that is the test's own affair");
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_its_retry_is_waited_for() {
    let bus = TestBus::local();
    run_stock(&bus);
    bus.publish(order(13)).await.expect("open");
    bus.settle().await;
    assert_eq!(shipped(&bus), [13]);
    assert_eq!(bus.counts().retried, 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_scheduled_is_not_waited_for() {
    let bus = TestBus::local();
    run_stock(&bus);
    let hour = Duration::from_secs(3600);
    let _delayed = bus.publish_after(hour, order(1)).expect("room");
    let start = Instant::now();
    bus.settle().await;
    assert!(shipped(&bus).is_empty());
    assert_eq!(start.elapsed(), Duration::ZERO);
    tokio::time::advance(hour).await;
    bus.settle().await;
    assert_eq!(shipped(&bus), [1]);
    bus.assert_balanced();
}

#[tokio::test(start_paused = true)]
async fn one_delivery_is_awaited_whether_it_was_or_is_to_come() {
    let bus = TestBus::local();
    run_stock(&bus);
    bus.publish(order(1)).await.expect("open");
    let start = Instant::now();
    let past = bus.delivered::<Ordered>(|ordered| ordered.order == 1).await;
    assert_eq!(past.pieces, 1);
    assert_eq!(start.elapsed(), Duration::ZERO);
    bus.publish(order(2)).await.expect("open");
    let (two, one) = tokio::join!(
        bus.delivered::<Shipped>(|shipped| shipped.order == 2),
        bus.delivered::<Shipped>(|shipped| shipped.order == 1),
    );
    assert_eq!((one.order, two.order), (1, 2));
    assert_eq!(
        start.elapsed(),
        Duration::from_secs(1),
        "not later than it came"
    );
}

#[tokio::test(start_paused = true)]
async fn an_order_of_nothing_hurts_and_is_a_dead_letter() {
    let bus = TestBus::local();
    run_stock(&bus);
    let nothing = Ordered {
        order: 1,
        pieces: 0,
    };
    bus.publish(nothing).await.expect("open");
    let pain = bus.felt(|signal| signal.level >= Level::High).await;
    assert_eq!(pain.metric, "empty_order");
    bus.settle().await;
    assert_eq!(bus.signalled().len(), 1);
    assert_eq!(bus.dead_letters().list()[0].attempts, 1);
    bus.assert_balanced();
}

#[tokio::test(start_paused = true)]
async fn what_is_forgotten_is_not_found_again() {
    let bus = TestBus::local();
    bus.publish(order(1)).await.expect("open");
    assert_eq!(bus.events::<Ordered>().len(), 1, "without any wait");
    bus.forget();
    assert!(bus.events::<Ordered>().is_empty());
    let next = bus.delivered::<Ordered>(|_| true);
    let (next, published) = tokio::join!(next, bus.publish(order(2)));
    assert_eq!(published.expect("open").id(), next.id());
    assert_eq!(bus.events::<Ordered>().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_record_is_of_all_that_passed_in_its_order() {
    let bus = TestBus::local();
    for number in 0..5000 {
        bus.publish(order(number)).await.expect("open");
    }
    bus.signal(Signal::pleasure(Level::Low, "calm"))
        .await
        .expect("open");
    let numbers: Vec<u32> = bus.events::<Ordered>().iter().map(|it| it.order).collect();
    assert_eq!(numbers, (0..5000).collect::<Vec<_>>());
    assert_eq!(
        (
            bus.published::<Ordered>().len(),
            bus.received::<Ordered>().len()
        ),
        (5000, 0)
    );
    assert_eq!(bus.signalled().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn any_condition_can_be_waited_for() {
    let bus = TestBus::local();
    run_stock(&bus);
    let looks = AtomicU32::new(0);
    bus.publish(order(1)).await.expect("open");
    bus.wait_until("one order is packed", || {
        looks.fetch_add(1, Ordering::Relaxed);
        bus.counts().handled == 1
    })
    .await;
    assert!(looks.into_inner() > 0);
    assert!(shipped(&bus).is_empty());
}

struct Stocked;

impl Request for Stocked {
    const NAME: &'static str = "stock.stocked";
    type Reply = u32;
    type Error = String;
}

#[tokio::test(start_paused = true)]
async fn a_request_under_way_is_waited_for() {
    let bus = TestBus::local();
    let _stock = bus.respond::<Stocked>().with(|_| async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        Ok(7)
    });
    let asked = tokio::spawn(bus.request(Stocked).into_future());
    let start = Instant::now();
    bus.settle().await;
    assert!(start.elapsed() >= Duration::from_secs(2));
    assert_eq!(asked.await.expect("no panic"), Ok(7));
    bus.assert_balanced();
}

/// A bus that the application built, and another thread's work.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bus_of_the_applications_own_on_several_threads() {
    let bus = TestBus::of(Bus::builder().source("app").build().expect("good"));
    let out = (*bus).clone();
    bus.on::<Ordered>()
        .buffer(Buffer::block(4))
        .concurrency(2)
        .handle(move |ordered| {
            let (bus, order) = (out.clone(), ordered.order);
            async move { bus.publish(Shipped { order }).await.map(drop) }
        })
        .detach();
    for round in 0..50 {
        let from = round * 20;
        for number in from..from + 20 {
            bus.publish(order(number)).await.expect("open");
        }
        bus.settle().await;
        assert_eq!(
            shipped(&bus).len(),
            usize::try_from(from + 20).expect("few")
        );
    }
    bus.assert_balanced();
    bus.assert_nothing_lost();
    assert!(Cause::current().is_none());
}
