use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use proptest::prelude::*;
use tokio::time::{Instant, sleep};
use tower::{Layer, ServiceExt, service_fn};

use super::model::{Attempt, Model, Outcome};
use crate::resilience::{
    Class, Kind, Notice, What,
    probe::{Answer, CASES, Failed, paused},
    retry::{
        Budget, ByVerdict, Classifier, GaveUp, Jitter, RejectionsToo, Retry, RetryConfig,
        RetryLayer,
    },
    timeout::{Error, TimeoutConfig, TimeoutLayer},
};

const MOST: u32 = 6;

fn millis(number: u64) -> Duration {
    Duration::from_millis(number)
}

pub(super) fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![
        6 => Just(Kind::Dependency),
        3 => Just(Kind::Timeout),
        1 => Just(Kind::LocalRejection),
        1 => Just(Kind::Invalid),
        1 => Just(Kind::Cancelled),
    ]
}

fn attempt() -> impl Strategy<Value = Attempt> {
    let least = prop::option::weighted(0.3, 0_u64..40);
    let fails = (kind(), least).prop_map(|(kind, least)| {
        let class = Class::of(kind);
        let class = least.map_or(class, |least| class.with_retry_after(millis(least)));
        Answer::Fails(Failed(class))
    });
    let answer = prop_oneof![1 => Just(Answer::Works), 9 => fails];
    let takes = prop_oneof![Just(0), 0_u64..10];
    (takes, answer).prop_map(|(takes, answer)| Attempt { takes, answer })
}

fn attempts() -> impl Strategy<Value = Vec<Attempt>> {
    prop::collection::vec(attempt(), (MOST + 1) as usize)
}

fn model() -> impl Strategy<Value = Model> {
    let time = || prop::option::weighted(0.5, 1_u64..80);
    (
        0..=MOST,
        1_u64..6,
        0_u64..20,
        1_u64..4,
        1_u64..40,
        time(),
        time(),
        any::<bool>(),
    )
        .prop_map(
            |(max_retries, first, more, multiplier, after, elapsed, timeout, rejections)| Model {
                max_retries,
                first,
                longest: first + more,
                multiplier,
                max_retry_after: after,
                max_elapsed: elapsed,
                timeout,
                rejections_too: rejections,
            },
        )
}

fn config(model: &Model) -> RetryConfig {
    #[expect(clippy::cast_precision_loss, reason = "1 to 3")]
    let multiplier = model.multiplier as f64;
    let mut config = RetryConfig::default()
        .max_retries(model.max_retries)
        .delays(millis(model.first), millis(model.longest))
        .multiplier(multiplier)
        .jitter(Jitter::None)
        .max_retry_after(millis(model.max_retry_after))
        .budget(Budget::Unlimited);
    config.max_elapsed = model.max_elapsed.map(millis);
    config
}

/// Does one attempt after another as it is told.
async fn play<C>(model: &Model, classifier: C, attempts: &[Attempt]) -> (Outcome, Vec<Notice>)
where
    C: Classifier<u64, Failed> + Clone,
{
    let start = Instant::now();
    let since = move || u64::try_from(start.elapsed().as_millis()).expect("short");
    let began = Arc::new(Mutex::new(Vec::new()));
    let (script, log): (Arc<[Attempt]>, _) = (attempts.into(), Arc::clone(&began));
    let service = service_fn(move |id: u64| {
        let attempt = {
            let mut began = log.lock().expect("no panic");
            began.push(since());
            script[began.len() - 1]
        };
        async move {
            if attempt.takes > 0 {
                sleep(millis(attempt.takes)).await;
            }
            match attempt.answer {
                Answer::Fails(failed) => Err(failed),
                Answer::Panics | Answer::Works => Ok(id),
            }
        }
    });
    let notices = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&notices);
    let layer = RetryLayer::builder(config(model))
        .classifier(classifier)
        .observer(move |notice| told.lock().expect("no panic").push(notice))
        .build()
        .expect("good");
    let handle = layer.handle();
    let retry: Retry<_, C> = layer.layer(service);
    let answer = match model.timeout {
        None => Some(retry.oneshot(7).await),
        Some(limit) => {
            let timeout = TimeoutLayer::new(TimeoutConfig::total(millis(limit))).expect("good");
            match timeout.layer(retry).oneshot(7).await {
                Ok(id) => Some(Ok(id)),
                Err(Error::Inner(failed)) => Some(Err(failed)),
                Err(Error::Elapsed(_)) => None,
            }
        }
    };
    let ended = since();
    // Whatever was dropped or has ended makes no other attempt.
    tokio::time::advance(millis(10_000)).await;
    let began = began.lock().expect("no panic").clone();
    let status = handle.status();
    assert_eq!(status.saved, None);
    let counts = [
        (GaveUp::Attempts, status.out_of_attempts),
        (GaveUp::Budget, status.out_of_budget),
        (GaveUp::RetryAfter, status.asked_to_wait),
        (GaveUp::Time, status.out_of_time),
    ];
    let gave_up = counts.iter().filter(|(_, count)| *count > 0);
    let gave_up: Vec<_> = gave_up.map(|(why, _)| *why).collect();
    assert!(gave_up.len() <= 1, "{counts:?}");
    assert!(status.retries <= u64::from(model.max_retries));
    let answer = answer.map(|answer| match answer {
        Ok(id) => {
            assert_eq!(id, 7);
            Answer::Works
        }
        Err(failed) => Answer::Fails(failed),
    });
    let outcome = Outcome {
        began,
        ended,
        answer,
        gave_up: gave_up.first().copied(),
    };
    let notices = notices.lock().expect("no panic").clone();
    (outcome, notices)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(CASES))]

    /// When each attempt begins, what the call ends with and when, and why there was no other: RT-1, RT-5, RT-7.
    #[test]
    fn rt_1_the_layer_and_the_model_agree(model in model(), attempts in attempts()) {
        paused().block_on(async {
            let (outcome, notices) = if model.rejections_too {
                play(&model, RejectionsToo, &attempts).await
            } else {
                play(&model, ByVerdict, &attempts).await
            };
            assert_eq!(outcome, model.call(&attempts));
            assert!(outcome.began.len() <= 1 + model.max_retries as usize);
            let told: Vec<_> = notices.iter().map(|notice| (notice.what, notice.count)).collect();
            let expected: Vec<_> = outcome.gave_up.map(|why| (What::GaveUp(why), 1)).into_iter().collect();
            assert_eq!(told, expected);
        });
    }

    /// Open, full, too long in a queue: whoever refused in this process is left alone, unless it is asked for; then not
    /// before it said.
    #[test]
    fn rt_5_what_a_layer_refused_is_not_tried_again_unless_asked(
        least in prop::option::of(0_u64..40), jitter in super::backoff::jitter(), asked: bool,
    ) {
        paused().block_on(async {
            let class = Class::of(Kind::LocalRejection);
            let failed = Failed(least.map_or(class, |least| class.with_retry_after(millis(least))));
            let began = Arc::new(Mutex::new(Vec::new()));
            let log = Arc::clone(&began);
            let service = service_fn(move |_: u64| {
                log.lock().expect("no panic").push(Instant::now());
                std::future::ready(Err::<u64, _>(failed))
            });
            let config = RetryConfig::default().jitter(jitter).delays(millis(1), millis(3));
            let said = if asked {
                let layer = RetryLayer::builder(config).rejections_too().build().expect("good");
                layer.layer(service).oneshot(1).await
            } else {
                RetryLayer::new(config).expect("good").layer(service).oneshot(1).await
            };
            assert_eq!(said, Err(failed));
            let began = began.lock().expect("no panic").clone();
            assert_eq!(began.len(), if asked { 4 } else { 1 });
            for pair in began.windows(2) {
                assert!(pair[1] - pair[0] >= millis(least.unwrap_or(0)));
            }
        });
    }

    /// The longest delay does not shorten what a dependency asks for; it is waited for whole, or not at all.
    #[test]
    fn rt_5_retry_after_is_a_lower_bound(
        least in 0_u64..10_000, longest in 1_u64..20, most in 1_u64..10_000, jitter in super::backoff::jitter(),
    ) {
        paused().block_on(async {
            let config = RetryConfig::default()
                .max_retries(1)
                .jitter(jitter)
                .delays(millis(1), millis(longest))
                .max_retry_after(millis(most));
            let busy = Failed(Class::of(Kind::Dependency).with_retry_after(millis(least)));
            let began = Arc::new(Mutex::new(Vec::new()));
            let log = Arc::clone(&began);
            let service = service_fn(move |_: u64| {
                log.lock().expect("no panic").push(Instant::now());
                std::future::ready(Err::<u64, _>(busy))
            });
            let layer = RetryLayer::new(config).expect("good");
            let handle = layer.handle();
            assert_eq!(layer.layer(service).oneshot(1).await, Err(busy));
            let began = began.lock().expect("no panic").clone();
            if least > most {
                assert_eq!(began.len(), 1);
                assert_eq!(handle.status().asked_to_wait, 1);
            } else {
                let waited = began[1] - began[0];
                // A tick of the timer more, where the delay is no whole number of milliseconds.
                assert!(waited >= millis(least) && waited <= millis(least + longest + 1), "{waited:?}");
            }
        });
    }

    /// The service inside becomes ready after the delay, too late for an attempt: the call ends with what the last one
    /// said, when the time is up.
    #[test]
    fn rt_7_no_attempt_begins_after_the_time_however_long_readiness_takes(
        elapsed in 5_u64..40, unready in 0_u64..80, delay in 1_u64..5,
    ) {
        paused().block_on(async {
            let start = Instant::now();
            let ready_at = start + millis(unready);
            let began = Arc::new(Mutex::new(Vec::new()));
            let service = Slow { ready_at, first: true, timer: None, began: Arc::clone(&began) };
            let config = RetryConfig::default()
                .max_retries(1)
                .jitter(Jitter::None)
                .delays(millis(delay), millis(delay))
                .max_elapsed(millis(elapsed));
            let layer = RetryLayer::new(config).expect("good");
            let handle = layer.handle();
            let failed = Failed::of(Kind::Dependency);
            let said = layer.layer(service).oneshot(()).await;
            assert_eq!(said, Err(failed));
            let ready = unready.max(delay);
            let began: Vec<_> = began.lock().expect("no panic").iter().map(|at| *at - start).collect();
            if ready <= elapsed {
                assert_eq!(began, [millis(0), millis(ready)]);
            } else {
                assert_eq!(began, [millis(0)]);
                assert_eq!(start.elapsed(), millis(elapsed));
                assert_eq!(handle.status().out_of_time, 1);
            }
        });
    }
}

/// Ready at once the first time, and later only from some time on; fails.
struct Slow {
    ready_at: Instant,
    first: bool,
    timer: Option<std::pin::Pin<Box<tokio::time::Sleep>>>,
    began: Arc<Mutex<Vec<Instant>>>,
}

impl Clone for Slow {
    fn clone(&self) -> Self {
        Self {
            ready_at: self.ready_at,
            first: false,
            timer: None,
            began: Arc::clone(&self.began),
        }
    }
}

impl tower::Service<()> for Slow {
    type Response = u64;
    type Error = Failed;
    type Future = std::future::Ready<Result<u64, Failed>>;

    fn poll_ready(
        &mut self,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), Failed>> {
        if self.first {
            return std::task::Poll::Ready(Ok(()));
        }
        let at = self.ready_at;
        let timer = self
            .timer
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(at)));
        timer.as_mut().poll(cx).map(Ok)
    }

    fn call(&mut self, (): ()) -> Self::Future {
        self.began.lock().expect("no panic").push(Instant::now());
        std::future::ready(Err(Failed::of(Kind::Dependency)))
    }
}
