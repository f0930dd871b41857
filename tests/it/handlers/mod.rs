/// Handlers of what they publish themselves.
mod circle;
/// What could not be handled: kept, listed, given back.
mod dead_letters;
/// The end of one handler: drained, dropped, detached, or with its bus.
mod drain;
mod expiry;
/// Handlers that compete.
mod groups;
/// Order by key.
mod keyed;
/// The same, for any failures and delays.
mod order;
/// Errors, their verdicts, and attempts.
mod retry;
/// Handlers that are tower services, and layers around them.
mod services;

use std::{io, time::Duration};

use algedonic::{Bus, Event};
use futures_util::FutureExt;
use tokio::sync::mpsc;

use crate::{events::Tick, patience::within};

struct Reaction(u64);

impl Event for Reaction {
    const NAME: &'static str = "test.reaction";
}

#[tokio::test]
async fn what_a_handler_publishes_carries_its_cause() {
    let bus = Bus::local();
    let mut reactions = bus.subscribe::<Reaction>();
    let inner = bus.clone();
    let _handler = bus.on::<Tick>().handle(move |tick| {
        let bus = inner.clone();
        async move {
            // Over an await, and from a task that is given the cause.
            tokio::task::yield_now().await;
            bus.publish(Reaction(tick.number)).await?;
            let cause = tick.cause();
            let second = bus.publish(Reaction(tick.number + 100));
            cause.scope(second).await?;
            Ok::<_, algedonic::Error>(())
        }
    });
    let trigger = bus.publish(Tick::new(5)).await.expect("open");
    for number in [5, 105] {
        let reaction = reactions.recv().await.expect("open").expect("no gap");
        assert_eq!(reaction.0, number);
        assert_eq!(reaction.metadata().causation, Some(trigger.id()));
        assert_eq!(reaction.metadata().correlation, trigger.id().into());
    }
    // Outside of the handler there is no cause.
    bus.publish(Reaction(0)).await.expect("open");
    let free = reactions.recv().await.expect("open").expect("no gap");
    assert_eq!(free.metadata().causation, None);
}

#[tokio::test]
async fn a_chain_keeps_the_conversation_of_its_first_event() {
    let bus = Bus::local();
    let mut last = bus.subscribe::<Reaction>();
    let inner = bus.clone();
    let _handler = bus.on::<Tick>().handle(move |tick| {
        let bus = inner.clone();
        async move {
            match tick.number {
                3 => bus.publish(Reaction(3)).await?,
                number => bus.publish(Tick::new(number + 1)).await?,
            };
            Ok::<_, algedonic::Error>(())
        }
    });
    let first = bus.publish(Tick::new(0)).await.expect("open");
    let reaction = last.recv().await.expect("open").expect("no gap");
    assert_eq!(reaction.metadata().correlation, first.id().into());
    assert_ne!(reaction.metadata().causation, Some(first.id()));
}

/// Requirement 3.20.
#[tokio::test]
async fn an_error_or_a_panic_ends_the_event_and_not_the_handler() {
    let bus = Bus::local();
    let (done, mut handled) = mpsc::unbounded_channel();
    let _handler = bus.on::<Tick>().handle(move |tick| {
        assert!(tick.number != 1, "a planted panic in the call");
        let done = done.clone();
        async move {
            assert!(tick.number != 2, "a planted panic in the future");
            if tick.number == 3 {
                return Err(io::Error::other("a planted error"));
            }
            done.send(tick.number).expect("the test is listening");
            Ok(())
        }
    });
    for number in 0..5 {
        bus.publish(Tick::new(number)).await.expect("open");
    }
    assert_eq!(handled.recv().await, Some(0));
    assert_eq!(handled.recv().await, Some(4));
    bus.shutdown(Duration::from_secs(5)).await;
    let counts = bus.counts();
    assert_eq!((counts.handled, counts.failed, counts.panicked), (2, 1, 2));
}

#[tokio::test]
async fn a_dropped_guard_unsubscribes_and_a_detached_one_does_not() {
    let bus = Bus::local();
    let (done, mut handled) = mpsc::unbounded_channel();
    let report = |name: &'static str| {
        let done = done.clone();
        move |_| {
            let done = done.clone();
            async move {
                done.send(name).expect("the test is listening");
                Ok::<_, io::Error>(())
            }
        }
    };
    let guarded = bus.on::<Tick>().handle(report("guarded"));
    bus.on::<Tick>().handle(report("detached")).detach();
    drop(guarded);
    // An aborted task lets go of its subscription when it is next scheduled.
    let unsubscribed = async {
        while bus
            .publish(Tick::new(0))
            .await
            .expect("open")
            .local()
            .subscribers
            > 1
        {
            tokio::task::yield_now().await;
        }
    };
    within("the guarded one to leave", unsubscribed).await;
    while handled.try_recv().is_ok() {}
    bus.publish(Tick::new(1)).await.expect("open");
    assert_eq!(handled.recv().await, Some("detached"));
}

/// What is dropped with a future that had a cause, before its end, had it, too.
#[tokio::test]
async fn what_is_published_by_the_drop_of_a_scope_carries_the_cause() {
    /// Publishes when it is dropped.
    struct Goodbye(Bus);

    impl Drop for Goodbye {
        fn drop(&mut self) {
            let publish = self.0.publish(Tick::new(1)).now_or_never();
            publish.expect("room").expect("open");
        }
    }

    let bus = Bus::local();
    let mut ticks = bus.subscribe::<Tick>();
    bus.publish(Tick::new(0)).await.expect("open");
    let first = ticks.recv().await.expect("open").expect("no gap");
    let goodbye = Goodbye(bus.clone());
    let mut scoped = Box::pin(first.cause().scope(async move {
        let _goodbye = goodbye;
        std::future::pending::<()>().await;
    }));
    assert!(scoped.as_mut().now_or_never().is_none());
    drop(scoped);
    let second = ticks.recv().await.expect("open").expect("no gap");
    assert_eq!(second.metadata().causation, Some(first.id()));
    // Outside there is no cause again.
    bus.publish(Tick::new(2)).await.expect("open");
    let third = ticks.recv().await.expect("open").expect("no gap");
    assert_eq!(third.metadata().causation, None);
}
