use algedonic::{Buffer, Bus, Level, Signal};

use crate::{
    events::Tick,
    patience::{until, within},
};

/// Without its bus a subscription ends, after what it holds.
#[tokio::test]
async fn subscriptions_end_with_their_bus() {
    for buffer in [
        Buffer::block(4),
        Buffer::drop_oldest(4),
        Buffer::drop_newest(4),
        Buffer::error(4),
    ] {
        let bus = Bus::local();
        let mut typed = bus.subscribe_with::<Tick>(buffer);
        let mut pattern = bus.subscribe_pattern_with("#", buffer).expect("a pattern");
        let mut signals = bus.signals();
        bus.publish(Tick::new(1)).await.expect("open");
        let signal = Signal::pain(Level::High, "heat");
        bus.signal(signal).await.expect("open");
        drop(bus);
        assert!(within("an event", typed.recv()).await.is_some());
        assert!(within("the end", typed.recv()).await.is_none());
        assert!(within("a signal", pattern.recv()).await.is_some());
        assert!(within("an event", pattern.recv()).await.is_some());
        assert!(within("the end", pattern.recv()).await.is_none());
        assert!(within("a signal", signals.recv()).await.is_some());
        assert!(within("the end", signals.recv()).await.is_none());
    }
}

/// One that sleeps when the last of the bus goes is woken; a publisher is the bus, too.
#[tokio::test]
async fn a_subscription_that_waits_is_told_of_the_end() {
    let bus = Bus::local();
    let mut ticks = bus.subscribe::<Tick>();
    let publisher = bus.publisher::<Tick>();
    let reader = tokio::spawn(async move {
        let mut seen = 0;
        while ticks.recv().await.is_some() {
            seen += 1;
        }
        seen
    });
    tokio::task::yield_now().await;
    drop(bus);
    publisher.publish(Tick::new(1)).await.expect("still there");
    drop(publisher);
    assert_eq!(within("the end", reader).await.expect("no panic"), 1);
}

/// Handlers, subscriptions and publishers of many buses: no task is left of any.
#[tokio::test]
async fn dropped_buses_leave_no_task() {
    let metrics = tokio::runtime::Handle::current().metrics();
    for _ in 0..50 {
        let bus = Bus::local();
        for _ in 0..3 {
            let handler = bus.on::<Tick>();
            handler
                .handle(|_| std::future::pending::<Result<(), std::io::Error>>())
                .detach();
        }
        bus.publish(Tick::new(1)).await.expect("open");
    }
    until("the tasks to end", || metrics.num_alive_tasks() == 0).await;
}

/// Dropped, or shut down, while somebody is in the middle of a batch: the batch stays, then comes the
/// rest, then the end.
#[tokio::test(start_paused = true)]
async fn a_batch_outlives_its_bus() {
    let policies = [
        Buffer::block(8),
        Buffer::drop_oldest(8),
        Buffer::drop_newest(8),
        Buffer::error(8),
    ];
    for (buffer, shut_down) in policies
        .into_iter()
        .flat_map(|one| [(one, false), (one, true)])
    {
        let bus = Bus::local();
        let mut ticks = bus.subscribe_with::<Tick>(buffer);
        for number in 0..8 {
            bus.publish(Tick::new(number)).await.expect("open");
        }
        let batch = within("a batch", ticks.recv_many(3)).await;
        let batch = batch.expect("open").expect("no gap");
        let mut lent = batch.iter();
        assert_eq!(lent.next().expect("the first").number, 0);
        if shut_down {
            bus.shutdown(std::time::Duration::from_secs(1)).await;
            bus.books().assert_balanced();
        }
        drop(bus);
        let kept: Vec<_> = lent.map(|tick| tick.to_envelope()).collect();
        for number in 3..8 {
            let next = within("the rest", ticks.recv()).await;
            assert_eq!(next.expect("open").expect("no gap").number, number);
        }
        assert!(within("the end", ticks.recv()).await.is_none());
        assert!(within("the end", ticks.recv_many(3)).await.is_none());
        drop(ticks);
        let numbers: Vec<_> = kept.iter().map(|tick| tick.number).collect();
        assert_eq!(numbers, [1, 2], "{buffer:?}");
    }
}
