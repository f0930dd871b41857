use std::{
    convert::Infallible,
    future::{Ready, ready},
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use algedonic::{Bus, Cause, DeadLetterKind, Envelope, Fail, Retry};
use tokio::sync::mpsc;
use tower::{Service, limit::ConcurrencyLimitLayer, timeout::TimeoutLayer};

use crate::events::Tick;

/// Says what it saw: the number, and whether it had its cause, in the call itself.
#[derive(Clone)]
struct Teller(mpsc::UnboundedSender<(u64, bool)>);

impl Service<Envelope<Tick>> for Teller {
    type Response = ();
    type Error = Infallible;
    type Future = Ready<Result<(), Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, tick: Envelope<Tick>) -> Self::Future {
        let caused = Cause::current().is_some_and(|cause| cause.id() == tick.id());
        self.0
            .send((tick.number, caused))
            .expect("the test is listening");
        ready(Ok(()))
    }
}

#[tokio::test]
async fn any_service_of_envelopes_is_a_handler() {
    let (bus, (done, mut seen)) = (Bus::local(), mpsc::unbounded_channel());
    let _handler = bus.on::<Tick>().service(Teller(done));
    bus.publish(Tick::new(7)).await.expect("open");
    assert_eq!(seen.recv().await, Some((7, true)));
}

#[tokio::test(start_paused = true)]
async fn a_layer_sees_every_attempt_and_its_error_is_a_failed_one() {
    let bus = Bus::local();
    let handler = bus
        .on::<Tick>()
        .retry(Retry::attempts(3))
        .layer(TimeoutLayer::new(Duration::from_secs(1)))
        .handle(|_| std::future::pending::<Result<(), io::Error>>());
    bus.publish(Tick::new(1)).await.expect("open");
    handler.drain().await;
    let letter = &bus.dead_letters().list()[0];
    assert_eq!(
        (letter.kind, letter.attempts),
        (DeadLetterKind::Exhausted, 3)
    );
    assert_eq!(&*letter.reason, "request timed out");
}

#[tokio::test(start_paused = true)]
async fn what_the_handler_states_passes_through_layers() {
    let bus = Bus::local();
    let handler = bus
        .on::<Tick>()
        .retry(Retry::attempts(3))
        .layer(TimeoutLayer::new(Duration::from_secs(1)))
        .layer(tower::load_shed::LoadShedLayer::new())
        .handle(|_| async { Err(Fail::dead_letter("no use")) });
    bus.publish(Tick::new(1)).await.expect("open");
    handler.drain().await;
    let letter = &bus.dead_letters().list()[0];
    assert_eq!((letter.kind, letter.attempts), (DeadLetterKind::Failed, 1));
}

/// Two handlers under one limit of one: an idle handler must not keep the permit.
#[tokio::test(start_paused = true)]
async fn a_limit_is_held_only_while_an_event_is_in_hand() {
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let bus = Bus::local();
    let limit = tower::limit::GlobalConcurrencyLimitLayer::new(1);
    let handler = |group: &'static str| {
        let (now, most) = (Arc::clone(&now), Arc::clone(&most));
        bus.on::<Tick>()
            .group(group)
            .concurrency(8)
            .layer(ConcurrencyLimitLayer::new(4))
            .layer(limit.clone())
            .handle(move |_| {
                let (now, most) = (Arc::clone(&now), Arc::clone(&most));
                async move {
                    most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    tokio::time::sleep(Duration::from_millis(10)).await;
                    now.fetch_sub(1, Ordering::SeqCst);
                    Ok::<_, io::Error>(())
                }
            })
    };
    let handlers = [handler("a"), handler("b")];
    for number in 0..20 {
        bus.publish(Tick::new(number)).await.expect("open");
    }
    for handler in handlers {
        assert_eq!(handler.drain().await.abandoned, 0);
    }
    assert_eq!((bus.counts().handled, most.load(Ordering::SeqCst)), (40, 1));
}

#[tokio::test(start_paused = true)]
async fn as_many_are_in_hand_as_was_asked_for() {
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let bus = Bus::local();
    let (current, highest) = (Arc::clone(&now), Arc::clone(&most));
    let handler = bus.on::<Tick>().concurrency(16).handle(move |_| {
        let (now, most) = (Arc::clone(&current), Arc::clone(&highest));
        async move {
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(10)).await;
            now.fetch_sub(1, Ordering::SeqCst);
            Ok::<_, io::Error>(())
        }
    });
    for number in 0..100 {
        bus.publish(Tick::new(number)).await.expect("open");
    }
    assert_eq!(handler.drain().await.finished, 100);
    assert_eq!(most.load(Ordering::SeqCst), 16);
}
