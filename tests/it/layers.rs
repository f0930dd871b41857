use std::time::Duration;

use algedonic::{
    Bus, Level, LinkState, Mirror, Remote, Signal,
    memory::Broker,
    transport::{Message, Outcome},
};
use futures_util::future::join_all;

use crate::{
    events::Tick,
    mirror::{bus, link_is},
    patience::{until, within},
};

/// A stack of the user's own: each call passes through it, in order.
#[tokio::test]
async fn a_tower_layer_wraps_the_way_out() {
    let broker = Broker::new();
    let there = bus(&broker, "there");
    link_is(&there, LinkState::Up).await;
    let mirror = Mirror::new(broker.transport("here"))
        .event::<Tick>()
        .layer(tower::load_shed::LoadShedLayer::new())
        .layer(tower::limit::ConcurrencyLimitLayer::new(1));
    let here = Bus::builder().mirror(mirror).build().expect("good");
    link_is(&here, LinkState::Up).await;
    let mut ticks = there.subscribe::<Tick>();
    let receipts = join_all((0..100).map(|number| here.publish(Tick::new(number)))).await;
    for receipt in receipts {
        assert!(receipt.expect("open").remote().await.is_confirmed());
    }
    for number in 0..100 {
        assert_eq!(
            ticks.recv().await.expect("open").expect("no gap").number,
            number
        );
    }
}

/// A limit on events is none on signals: they do not pass through layers.
#[tokio::test]
async fn a_signal_passes_a_layer_that_holds_the_events() {
    let broker = Broker::new();
    let there = bus(&broker, "there");
    link_is(&there, LinkState::Up).await;
    let mirror = Mirror::new(broker.transport("here"))
        .event::<Tick>()
        .layer(tower::limit::ConcurrencyLimitLayer::new(1));
    let here = Bus::builder().mirror(mirror).build().expect("good");
    link_is(&here, LinkState::Up).await;
    let mut signals = there.signals();
    broker.hold_confirms();
    for number in 0..10 {
        here.publish(Tick::new(number)).await.expect("open");
    }
    until("the limit to be reached", || {
        here.health().mirror.is_some_and(|m| m.in_flight == 1)
    })
    .await;
    here.signal(Signal::pain(Level::Critical, "m"))
        .await
        .expect("open");
    let signal = within("the signal", signals.recv()).await;
    assert_eq!(signal.expect("open").expect("no gap").metric, "m");
}

/// Tries again once, as a retry layer does.
#[derive(Clone)]
struct Twice<S>(S);

impl<S> tower::Service<Message> for Twice<S>
where
    S: tower::Service<Message, Response = Outcome> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Send,
{
    type Response = Outcome;
    type Error = S::Error;
    type Future = std::pin::Pin<Box<dyn Future<Output = Result<Outcome, S::Error>> + Send>>;

    fn poll_ready(
        &mut self,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, message: Message) -> Self::Future {
        let first = self.0.call(message.clone());
        let mut again = self.0.clone();
        Box::pin(async move {
            match first.await {
                Ok(Outcome::Unknown { .. }) => again.call(message).await,
                other => other,
            }
        })
    }
}

#[tokio::test]
async fn a_retry_that_stayed_does_not_hide_an_attempt_that_may_have_left() {
    let broker = Broker::new();
    let _there = bus(&broker, "there");
    let mirror = Mirror::new(broker.transport("here"))
        .event::<Tick>()
        .layer(tower::layer::layer_fn(Twice));
    let here = Bus::builder().mirror(mirror).build().expect("good");
    link_is(&here, LinkState::Up).await;
    broker.hold_confirms();
    let receipt = here.publish(Tick::new(1)).await.expect("open");
    until("it to be sent", || {
        here.health().mirror.is_some_and(|m| m.in_flight == 1)
    })
    .await;
    // The first attempt is in doubt, the second is refused.
    broker.stop();
    let remote = within("the outcome", receipt.remote()).await;
    assert!(matches!(remote, Remote::Unknown { .. }), "{remote}");
}

#[tokio::test]
async fn a_layer_that_panics_costs_its_own_event_only() {
    let broker = Broker::new();
    let _there = bus(&broker, "there");
    let mut calls = 0;
    let mirror = Mirror::new(broker.transport("here")).event::<Tick>().layer(
        tower::util::MapRequestLayer::new(move |message: Message| {
            calls += 1;
            assert!(calls != 2, "a planted panic");
            message
        }),
    );
    let here = Bus::builder().mirror(mirror).build().expect("good");
    link_is(&here, LinkState::Up).await;
    for confirmed in [true, false, true] {
        let receipt = here.publish(Tick::new(1)).await.expect("open");
        let remote = within("the outcome", receipt.remote()).await;
        assert_eq!(remote.is_confirmed(), confirmed, "{remote}");
    }
}

/// Counted from the publish: also for what never had its turn.
#[tokio::test(start_paused = true)]
async fn every_outcome_is_known_by_the_timeout() {
    let broker = Broker::new();
    let _there = bus(&broker, "there");
    let mirror = Mirror::new(broker.transport("here"))
        .event::<Tick>()
        .timeout(Duration::from_secs(2))
        .layer(tower::limit::ConcurrencyLimitLayer::new(1));
    let here = Bus::builder().mirror(mirror).build().expect("good");
    link_is(&here, LinkState::Up).await;
    broker.hold_confirms();
    let start = tokio::time::Instant::now();
    let receipts = join_all((0..100).map(|number| here.publish(Tick::new(number)))).await;
    for receipt in receipts {
        assert!(!receipt.expect("open").remote().await.is_confirmed());
    }
    assert!(
        start.elapsed() <= Duration::from_millis(2100),
        "{:?}",
        start.elapsed()
    );
    let counts = here.counts();
    assert_eq!((counts.unknown, counts.local_only), (1, 99));
}
