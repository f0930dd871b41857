use std::{
    error::Error as StdError,
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use futures_util::FutureExt;
use proptest::prelude::*;
use tower::{Layer, Service, ServiceExt, limit::ConcurrencyLimit, service_fn};

use super::calls::KINDS;
use crate::resilience::{
    Classify, Kind,
    fallback::{Error, FallbackConfig, FallbackLayer},
    probe::{Answer, Ask, CASES, Dependency, Does, Failed},
};

fn builder() -> super::super::FallbackBuilder {
    FallbackLayer::builder(FallbackConfig::default().kinds(KINDS))
}

/// A request whose clones are counted.
#[derive(Debug)]
struct Letter {
    text: String,
    clones: Arc<AtomicU64>,
}

impl Clone for Letter {
    fn clone(&self) -> Self {
        self.clones.fetch_add(1, Ordering::Relaxed);
        Self {
            text: self.text.clone(),
            clones: Arc::clone(&self.clones),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(CASES))]

    #[test]
    fn fb_3_both_errors_are_told_that_of_the_service_first(first in 0..5_usize, second in 0..5_usize) {
        let (first, second) = (Failed::of(KINDS[first]), Failed::of(KINDS[second]));
        let dependency = Dependency::with_places(1);
        let layer = builder()
            .recover(move |ask: Ask, error: &Failed| {
                assert_eq!((ask.id, *error), (7, first));
                async move { Err::<u64, _>(second) }
            })
            .build()
            .expect("good");
        let ask = Ask::new(7, Does::Answer(Answer::Fails(first)));
        let both = layer.layer(dependency.service()).oneshot(ask).now_or_never().expect("at once");
        let both = both.expect_err("both have failed");
        prop_assert_eq!(both, Error::Both { primary: first, backup: second });
        prop_assert_eq!(both.class(), first.class());
        prop_assert_eq!((both.primary(), both.backup()), (&first, Some(&second)));
        prop_assert_eq!(both.to_string(), format!("{first}; then the fallback: {second}"));
        let source = both.source().and_then(|error| error.downcast_ref::<Failed>());
        prop_assert_eq!(source, Some(&first));
        prop_assert_eq!(layer.handle().status().failed, 1);
    }

    /// It is cloned once, and not at all for a function of the error.
    #[test]
    fn fb_5_the_request_is_the_one_that_was_sent(text in ".{0,20}", fails: bool, form in 0..3_u32) {
        let clones = Arc::new(AtomicU64::new(0));
        let letter = Letter { text: text.clone(), clones: Arc::clone(&clones) };
        let seen = Arc::new(Mutex::new(Vec::new()));
        let read = Arc::clone(&seen);
        let service = service_fn(move |mut letter: Letter| async move {
            letter.text.push_str(" was read");
            if fails { Err(io::Error::other("lost")) } else { Ok(letter.text) }
        });
        let answered = match form {
            0 => {
                let layer = builder().respond(|error: &io::Error| error.to_string()).build().expect("good");
                layer.layer(service).oneshot(letter).now_or_never().expect("at once").ok()
            }
            1 => {
                let recover = move |letter: Letter, error: &io::Error| {
                    read.lock().expect("no panic").push(letter.text);
                    std::future::ready(Ok::<_, Failed>(error.to_string()))
                };
                let layer = builder().recover(recover).build().expect("good");
                layer.layer(service).oneshot(letter).now_or_never().expect("at once").ok()
            }
            _ => {
                let backup = service_fn(move |letter: Letter| {
                    read.lock().expect("no panic").push(letter.text);
                    std::future::ready(Ok::<_, Failed>("lost".to_owned()))
                });
                let layer = builder().service(backup).build().expect("good");
                layer.layer(service).oneshot(letter).now_or_never().expect("at once").ok()
            }
        };
        let expected = if fails { "lost".to_owned() } else { format!("{text} was read") };
        prop_assert_eq!(answered, Some(expected));
        prop_assert_eq!(clones.load(Ordering::Relaxed), u64::from(form > 0));
        let seen = seen.lock().expect("no panic").clone();
        prop_assert_eq!(seen, if fails && form > 0 { vec![text] } else { Vec::new() });
    }

    /// The fallback needs the only place that the call has held, and gets it; so does the next call.
    #[test]
    fn fb_6_what_the_service_held_is_free_before_the_fallback_begins(calls in prop::collection::vec(any::<bool>(), 1..20)) {
        let dependency = Dependency::with_places(1);
        let limit = tower::limit::GlobalConcurrencyLimitLayer::new(1);
        let works = service_fn(|ask: Ask| std::future::ready(Ok::<_, Failed>(ask.id)));
        let held = limit.layer(dependency.service());
        let mut service = builder().service(limit.layer(works)).build().expect("good").layer(held);
        for (id, fails) in (1..).zip(calls) {
            let answer = if fails { Answer::FAILS } else { Answer::Works };
            let ready = ServiceExt::<Ask>::ready(&mut service).now_or_never().expect("a place is free");
            let answered = ready.expect("it works").call(Ask::new(id, Does::Answer(answer)));
            prop_assert_eq!(answered.now_or_never(), Some(Ok(id)));
        }
        drop(service);
        dependency.assert_clean();
    }

    /// What a broker does not take goes to the bus of this process, once, and so does one event of that failure.
    #[test]
    fn fb_7_what_a_broker_does_not_take_is_published_here_once(works in prop::collection::vec(any::<bool>(), 1..20)) {
        let bus = Arc::new(Mutex::new(Vec::new()));
        let failures = Arc::new(AtomicU64::new(0));
        let (here, counted) = (Arc::clone(&bus), Arc::clone(&failures));
        let broker = service_fn(|works: (usize, bool)| async move {
            if works.1 { Ok("confirmed") } else { Err(Failed::of(Kind::Timeout)) }
        });
        let local = service_fn(move |event: (usize, bool)| {
            here.lock().expect("no panic").push(event.0);
            std::future::ready(Ok::<_, Failed>("here only"))
        });
        let layer = FallbackLayer::builder(FallbackConfig::default())
            .service(local)
            .inspect(move |_: &Failed| {
                counted.fetch_add(1, Ordering::Relaxed);
            })
            .build()
            .expect("good");
        let mut publisher = layer.layer(broker);
        for event in works.iter().copied().enumerate() {
            let answer = publisher.call(event).now_or_never().expect("at once");
            prop_assert_eq!(answer, Ok(if event.1 { "confirmed" } else { "here only" }));
        }
        let lost: Vec<_> = (0..works.len()).filter(|event| !works[*event]).collect();
        prop_assert_eq!(failures.load(Ordering::Relaxed), lost.len() as u64);
        prop_assert_eq!(&*bus.lock().expect("no panic"), &lost);
    }
}

/// Requirement 1.23: an answer while protection is active.
#[tokio::test(start_paused = true)]
async fn what_layers_inside_refuse_is_answered() {
    use crate::resilience::breaker::{BreakerConfig, BreakerLayer};
    let breaker = BreakerLayer::new(BreakerConfig::default()).expect("good");
    breaker.handle().force_open();
    let fallback = FallbackLayer::builder(FallbackConfig::default())
        .respond(|error: &crate::resilience::breaker::Error<Failed>| {
            assert!(error.is_open());
            0
        })
        .build()
        .expect("good");
    let dependency = Dependency::with_places(1);
    let mut service = fallback.layer(breaker.layer(dependency.service()));
    let ready = ServiceExt::<Ask>::ready(&mut service).await.expect("ready");
    assert_eq!(ready.call(Ask::new(1, Does::Wait)).await, Ok(0));
    assert_eq!(dependency.asked(), 0);
}

/// A service that is not `Sync` will do, and futures can go to another thread.
#[test]
fn any_service_that_can_be_sent_is_a_fallback() {
    fn is_send<T: Send>(_: &T) {}
    let works = service_fn(|id: u64| std::future::ready(Ok::<_, Failed>(id)));
    let boxed = tower::util::BoxCloneService::new(works);
    let layer = builder().service(boxed).build().expect("good");
    let fails = service_fn(|_: u64| std::future::ready(Err(Failed::of(Kind::Dependency))));
    let mut service = layer.layer(ConcurrencyLimit::new(fails, 1));
    is_send(&service);
    let ready = ServiceExt::<u64>::ready(&mut service).now_or_never();
    let future = ready.expect("at once").expect("ready").call(7);
    is_send(&future);
    assert_eq!(future.now_or_never(), Some(Ok(7)));
}

/// A rule of one's own, and each error that is taken is seen in its own type.
#[test]
fn errors_are_taken_by_a_rule_and_seen() {
    let seen = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&seen);
    let layer = builder()
        .respond(|_: &u64| "small")
        .when(|error: &u64| *error < 10)
        .inspect(move |error: &u64| {
            counted.fetch_add(*error, Ordering::Relaxed);
        })
        .build()
        .expect("good");
    let mut service = layer.layer(service_fn(|error: u64| std::future::ready(Err(error))));
    let mut call = |error| service.call(error).now_or_never().expect("at once");
    assert_eq!(call(7), Ok("small"));
    assert_eq!(call(70), Err(Error::Inner(70)));
    assert_eq!(call(8), Ok("small"));
    assert_eq!(seen.load(Ordering::Relaxed), 15);
}
