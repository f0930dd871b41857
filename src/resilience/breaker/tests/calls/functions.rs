//! Slow calls, observers, and what is no service.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_slow_call_counts_where_slow_calls_do() {
    let slow = crate::resilience::breaker::Slow {
        duration: Duration::from_millis(100),
        rate: 0.5,
    };
    let config = BreakerConfig::default().trip(Trip::RateInWindow {
        window: Duration::from_secs(60),
        failure_rate: 1.0,
        minimum_calls: 4,
        minimum_failures: 1,
        slow: Some(slow),
    });
    for (millis, opens) in [(99, false), (100, true)] {
        let mut subject = Subject::new(&config);
        for _ in 0..2 {
            assert_eq!(subject.now(Outcome::Success), Ok(()));
        }
        for _ in 0..2 {
            let (sender, receiver) = oneshot::channel();
            let response = subject.call(Request::At(receiver));
            advance(Duration::from_millis(millis)).await;
            sender.send(Answer::Is(Outcome::Success)).expect("awaited");
            assert_eq!(response.await, Ok(()));
        }
        assert_eq!(subject.handle.state() == State::Open, opens);
    }
}

/// HE-5: what an observer does stays with it.
#[tokio::test(start_paused = true)]
async fn he_5_an_observer_that_panics_is_no_failure_of_the_call() {
    let config = BreakerConfig::default().trip(Trip::Consecutive {
        failure_threshold: 1,
    });
    let layer = BreakerLayer::builder(config)
        .observer(|_| panic!("planted"))
        .build()
        .expect("good");
    let handle = layer.handle();
    let failed = handle.call_blocking(|| Err::<(), _>("lost"));
    assert_eq!(failed, Err(Error::Inner("lost")));
    assert_eq!(handle.state(), State::Open);
}

/// It may look at the breaker, and change it: no lock is held.
#[tokio::test(start_paused = true)]
async fn an_observer_may_use_the_breaker() {
    let handle = Arc::new(Mutex::new(None::<BreakerHandle>));
    let own = Arc::clone(&handle);
    let done = Arc::new(AtomicBool::new(false));
    let ran = Arc::clone(&done);
    let config = BreakerConfig::default().trip(Trip::Consecutive {
        failure_threshold: 1,
    });
    let layer = BreakerLayer::builder(config)
        .observer(move |notice: Notice| {
            // The first notice is of the opening; that of the rejection finds nothing left to do.
            let handle = own.lock().expect("no panic").take();
            if let Some(handle) = handle {
                assert_eq!(handle.status().generation, notice.generation);
                let rejected = handle.call_blocking(|| Ok::<_, Infallible>(()));
                assert!(rejected.is_err_and(|error| error.is_open()));
                ran.store(true, Ordering::Relaxed);
            }
        })
        .build()
        .expect("good");
    *handle.lock().expect("no panic") = Some(layer.handle());
    let failed = layer.handle().call_blocking(|| Err::<(), _>("lost"));
    assert_eq!(failed, Err(Error::Inner("lost")));
    assert!(
        handle.lock().expect("no panic").is_none(),
        "it ran to its end"
    );
}

/// Requirements 1.04 and 1.05: an open breaker rejects without calling; three results are kept apart.
#[tokio::test(start_paused = true)]
async fn a_function_runs_through_a_breaker() {
    let config = BreakerConfig::default().trip(Trip::Consecutive {
        failure_threshold: 2,
    });
    let breaker = BreakerLayer::named("files", config).expect("good").handle();
    let answered = breaker.call(|| async { Ok::<_, std::io::Error>(7) }).await;
    assert_eq!(answered.expect("well"), 7);
    for _ in 0..2 {
        let failed = breaker
            .call(|| async { Err::<(), _>(std::io::Error::other("lost")) })
            .await;
        assert!(matches!(failed, Err(Error::Inner(error)) if error.to_string() == "lost"));
    }
    let called = Cell::new(false);
    let rejected = breaker
        .call(|| {
            called.set(true);
            async { Ok::<_, std::io::Error>(()) }
        })
        .await;
    let Err(Error::Open(rejection)) = rejected else {
        panic!("{rejected:?}");
    };
    assert!(!called.get());
    assert!(rejection.retry_after().expect("known") >= Duration::from_secs(60));
    assert!(
        rejection
            .to_string()
            .starts_with("files: the circuit breaker"),
        "{rejection}"
    );
    // Requirement 1.06.
    let status = breaker.status();
    assert_eq!(
        (status.state, status.failed, status.rejected),
        (State::Open, 2, 1)
    );
    breaker.reset();
    assert_eq!(breaker.status().state, State::Closed);
    assert!(
        breaker
            .call(|| async { Ok::<_, std::io::Error>(()) })
            .await
            .is_ok()
    );
}
