use std::{
    collections::HashMap,
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use algedonic::resilience::{
    Classify, Kind, Rejection,
    breaker::{self, State},
    bulkhead::{self, BulkheadConfig},
    fallback::{FallbackConfig, FallbackLayer},
    registry::Registry,
};
use tower::{Service, ServiceBuilder, ServiceExt, service_fn};

use super::{down, fail};

/// What an agent answers.
#[derive(Debug, PartialEq)]
enum Answer {
    Insights(u32),
    Overloaded,
    Failed(String),
}

/// As an application would write it: what a layer refused is an overload, whichever layer that was.
fn answer(result: Result<u32, breaker::Error<bulkhead::Error<io::Error>>>) -> Answer {
    match result {
        Ok(insights) => Answer::Insights(insights),
        Err(error) if error.class().kind() == Kind::LocalRejection => Answer::Overloaded,
        Err(error) => Answer::Failed(error.to_string()),
    }
}

/// Requirement 1.14: the breaker outside, the pool inside; a full pool is answered as an overload, and is not held
/// against the model.
#[tokio::test(start_paused = true)]
async fn a_full_pool_is_an_overload_and_no_failure_of_what_is_behind_it() {
    let pool = BulkheadConfig::llm_worker().size(1).overflow(0).queue(0);
    let registry = Registry::builder().standard().bulkhead("llm_worker", pool);
    let registry = registry.build().expect("valid");
    let ask = async |result: Result<u32, io::Error>| {
        let call = || registry.with_llm_pool(|| async { result });
        answer(registry.with_llm_breaker(call).await)
    };
    assert_eq!(ask(Ok(7)).await, Answer::Insights(7));
    let slot = registry
        .bulkhead("llm_worker")
        .try_checkout()
        .expect("free");
    for _ in 0..20 {
        assert_eq!(ask(Ok(7)).await, Answer::Overloaded);
    }
    assert_eq!(registry.breaker("llm_api").state(), State::Closed);
    assert_eq!(
        registry
            .metrics()
            .breaker("llm_api")
            .expect("there")
            .counts
            .ignored,
        20
    );
    drop(slot);
    assert_eq!(ask(Ok(7)).await, Answer::Insights(7));
    for _ in 0..3 {
        assert!(matches!(ask(Err(down())).await, Answer::Failed(_)));
    }
    // Open, it rejects without taking a slot: an overload, too.
    assert_eq!(ask(Ok(7)).await, Answer::Overloaded);
    let admitted = registry.bulkhead("llm_worker").status().admitted;
    assert_eq!(admitted, 6);
}

/// Requirement 1.23: while protection is active, the answer is the last good one; where there is none, another. Breakers
/// as fine as they are named.
#[tokio::test(start_paused = true)]
async fn the_last_good_answer_is_given_while_protection_is_active() {
    let registry = Registry::default();
    let (asked, is_down) = (Arc::new(AtomicU32::new(0)), Arc::new(Mutex::new(false)));
    let cache: Arc<Mutex<HashMap<&str, String>>> = Arc::default();
    let (keeps, cached) = (Arc::clone(&cache), Arc::clone(&cache));
    let (counts, fails) = (Arc::clone(&asked), Arc::clone(&is_down));
    let fallback = FallbackLayer::builder(FallbackConfig::default())
        .recover(
            move |city: &'static str, error: &breaker::Error<io::Error>| {
                let last = cached.lock().expect("whole").get(city).cloned();
                let why = if error.is_open() { "not asked" } else { "lost" };
                async move {
                    last.ok_or_else(|| io::Error::other(format!("no weather for {city}: {why}")))
                }
            },
        )
        .build()
        .expect("valid");
    let used = fallback.handle();
    let mut weather = ServiceBuilder::new()
        .layer(fallback)
        // Finer than one for all of other people's servers.
        .layer(registry.breaker_layer("external_api.weather"))
        .service(service_fn(move |city: &'static str| {
            counts.fetch_add(1, Ordering::Relaxed);
            let (is_down, cache) = (*fails.lock().expect("whole"), Arc::clone(&keeps));
            async move {
                if is_down {
                    return Err(down());
                }
                let answer = format!("sun in {city}");
                cache.lock().expect("whole").insert(city, answer.clone());
                Ok(answer)
            }
        }));
    let mut ask = async |city| weather.ready().await.expect("ready").call(city).await;
    assert_eq!(ask("Bonn").await.expect("well"), "sun in Bonn");
    *is_down.lock().expect("whole") = true;
    for _ in 0..10 {
        assert_eq!(ask("Bonn").await.expect("from the cache"), "sun in Bonn");
    }
    let error = ask("Trier").await.expect_err("not in the cache");
    assert!(
        error
            .to_string()
            .contains("no weather for Trier: not asked"),
        "{error}"
    );
    assert_eq!(
        registry.breaker("external_api.weather").state(),
        State::Open
    );
    assert_eq!(registry.breaker("external_api").state(), State::Closed);
    assert_eq!(asked.load(Ordering::Relaxed), 6, "five failures open it");
    assert_eq!((used.status().answered, used.status().failed), (10, 1));
}

/// Requirements 1.05 and 1.10, as one error: which component refused, why, and when to come back.
#[tokio::test(start_paused = true)]
async fn a_rejection_is_found_in_any_boxed_error() {
    let registry = Registry::default();
    fail(&registry, "llm_api", 3).await;
    let service = ServiceBuilder::new()
        .layer(registry.breaker_layer("llm_api"))
        .service(service_fn(|()| async { Ok::<_, io::Error>(()) }));
    let error = service.oneshot(()).await.expect_err("open");
    let boxed: Box<dyn std::error::Error + Send + Sync> = error.into();
    let rejection = std::iter::successors(Some(&*boxed as &dyn std::error::Error), |error| {
        error.source()
    })
    .find_map(|error| error.downcast_ref::<Rejection>());
    let rejection = rejection.expect("there");
    assert_eq!(rejection.name().as_str(), "llm_api");
    assert!(rejection.retry_after().expect("known") >= Duration::from_secs(120));
}

/// Requirement 1.15: what is published goes out inside the breaker `amqp`, and says what has caused it.
#[cfg(feature = "memory")]
#[tokio::test(start_paused = true)]
async fn a_mirror_publishes_inside_the_amqp_breaker_and_causes_go_along() {
    use algedonic::{Bus, Event, LinkState, Mirror, memory::Broker};

    /// Both go out, and come in.
    #[derive(serde::Serialize, serde::Deserialize)]
    struct Reading;
    impl Event for Reading {
        const NAME: &'static str = "test.reading";
    }
    #[derive(serde::Serialize, serde::Deserialize)]
    struct Insight;
    impl Event for Insight {
        const NAME: &'static str = "test.insight";
    }

    async fn up(bus: &Bus) {
        let mut links = bus.links();
        while links.next().await.expect("open").state != LinkState::Up {}
    }

    let (broker, registry) = (Broker::new(), Registry::default());
    let mirror = Mirror::new(broker.transport("here"))
        .event::<Insight>()
        .layer(registry.breaker_layer("amqp"));
    let here = Bus::builder().mirror(mirror).build().expect("good");
    let mirror = Mirror::new(broker.transport("there")).event::<Insight>();
    let there = Bus::builder().mirror(mirror).build().expect("good");
    up(&here).await;
    up(&there).await;
    let mut readings = here.subscribe::<Reading>();
    let mut insights = there.subscribe::<Insight>();
    here.publish(Reading).await.expect("open");
    let reading = readings.recv().await.expect("open").expect("no gap");
    let publish = async || {
        let publishing = async { here.publish(Insight).await };
        let receipt = reading.cause().scope(publishing).await.expect("open");
        receipt.remote().await.is_confirmed()
    };
    assert!(publish().await);
    let insight = insights.recv().await.expect("open").expect("no gap");
    assert_eq!(insight.metadata().causation, Some(reading.id()));
    assert_eq!(
        insight.metadata().correlation,
        reading.metadata().correlation
    );

    // Open, it lets nothing out; the publisher is told, and does not wait.
    registry.breaker("amqp").force_open();
    assert!(!publish().await);
    registry.breaker("amqp").reset();
    assert!(publish().await);
    let counts = registry.metrics().breaker("amqp").expect("there").counts;
    assert_eq!((counts.calls, counts.succeeded, counts.rejected), (3, 2, 1));
}
