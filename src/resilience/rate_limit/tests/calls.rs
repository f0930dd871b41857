use std::time::Duration;

use futures_util::FutureExt;
use proptest::prelude::*;
use tower::{Layer, Service, ServiceExt};

use super::{
    model::assert_within,
    pair::{Act, Pair, acts, config, limits},
};
use crate::resilience::{
    Classify, Kind, Reason, What, contract,
    probe::{Answer, Ask, CASES, Dependency, Does, Failed, MILLI, paused},
    rate_limit::{Error, RateLimitConfig, RateLimitLayer},
    rig::{End, Rig},
};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(CASES))]

    /// Over clones and a handle (TC-4); who waits is called in its time, and in order. Who is not woken is not asked
    /// again (TC-5), and nothing is left (TC-2).
    #[test]
    fn rl_1_the_layer_and_the_model_agree(limits in limits(), acts in acts(), order: usize) {
        paused().block_on(async {
            let mut pair = Pair::new(limits);
            for act in acts {
                pair.act(act).await;
                pair.check();
            }
            assert_within(&pair.model.times, limits.0 * MILLI, limits.1);
            // To begin with, in its time, and when it is answered.
            assert!(pair.rig.polls <= 3 * pair.made, "{} polls of {} calls", pair.rig.polls, pair.made);
            let notices = pair.notices.lock().expect("no panic").clone();
            let told: u64 = notices.iter().map(|notice| notice.count).sum();
            let rejected = pair.handle.status().rejected;
            assert!(told <= rejected && (told > 0) == (rejected > 0), "told of {told} of {rejected}");
            assert!(notices.iter().all(|notice| notice.what == What::Rejected(Reason::RateLimited)));
            pair.rig.forget_all(order);
            pair.rig.close();
            pair.dependency.assert_clean();
            assert_eq!(pair.handle.status().waiting, 0);
        });
    }

    /// At the very time that a refusal has said, or a nanosecond before; with intervals that are no whole milliseconds.
    #[test]
    fn rl_3_a_call_at_the_time_that_a_refusal_says_is_admitted(
        limit in 1_u32..2_000, burst in 1_u32..4, calls in 4_u32..10, early: bool,
    ) {
        paused().block_on(async {
            let layer = RateLimitLayer::new(RateLimitConfig::default().limit(limit).burst(burst)).expect("good");
            let handle = layer.handle();
            let taken = (0..calls).filter(|_| handle.try_acquire().is_ok()).count();
            assert_eq!(taken, burst as usize);
            let wait = handle.try_acquire().expect_err("nothing is left").retry_after().expect("a time");
            tokio::time::advance(wait.saturating_sub(Duration::from_nanos(early.into()))).await;
            assert_eq!(handle.try_acquire().is_ok(), !early);
        });
    }

    #[test]
    fn rl_5_readiness_takes_nothing(limits in limits(), clones in 1_usize..20, calls: bool) {
        paused().block_on(async {
            let mut pair = Pair::new(limits);
            for clone in 0..clones {
                pair.rig.ready_and_forget(clone);
                assert!(pair.rig.ready(clone).is_ready());
            }
            assert_eq!(pair.handle.status().available, u64::from(limits.1));
            if calls {
                pair.rig.call(0, Does::Wait).expect("ready");
                assert_eq!(pair.handle.status().available, u64::from(limits.1) - 1);
            }
        });
    }

    /// The newest who leave give their times back, in turn; an older one does not. Those who stay keep theirs.
    #[test]
    fn rl_5_who_leaves_gives_back_what_is_the_newest(waiting in 1_usize..8, leaves in 0_usize..8, newest: bool) {
        paused().block_on(async {
            let limits = (2, 1, 100);
            let mut pair = Pair::new(limits);
            for _ in 0..=waiting {
                pair.act(Act::Call(0, Does::Wait)).await;
            }
            // The first runs.
            let leaves = leaves.min(waiting);
            for _ in 0..leaves {
                let last = pair.waiting.len();
                pair.act(Act::Forget(if newest { last } else { 1 })).await;
                pair.check();
            }
            let kept = match (newest, leaves == waiting) {
                (true, _) => waiting - leaves + 1,
                // The last of them was the newest when it left.
                (false, true) => waiting,
                (false, false) => waiting + 1,
            };
            assert_eq!(pair.model.times.len(), kept);
        });
    }

    /// A place of the service inside is free for others while calls wait for their times.
    #[test]
    fn rl_6_who_waits_holds_nothing_of_the_service_inside(burst in 1_u32..4, waiting in 1_usize..6) {
        paused().block_on(async {
            let layer = RateLimitLayer::new(config((5, burst, 1_000))).expect("good");
            let dependency = Dependency::with_places(1);
            let mut rig = Rig::new(vec![layer.layer(dependency.service()); 3]);
            // One that was ready before the others came.
            assert!(rig.ready(2).is_ready());
            for _ in 0..burst {
                layer.handle().try_acquire().expect("a burst");
            }
            let held = rig.start(2, Does::Wait).expect("it was ready");
            for _ in 0..waiting {
                rig.call(0, Does::Wait).expect("ready");
            }
            assert_eq!((dependency.reserved(), dependency.asleep()), (0, 0));
            assert_eq!(layer.handle().status().waiting, waiting as u64 + 1);
            let mut other = dependency.service();
            assert!(ServiceExt::<Ask>::ready(&mut other).now_or_never().is_some());
            drop(other);
            rig.advance(5 * MILLI).await;
            assert_eq!(dependency.running(), [held], "who came first");
        });
    }

    #[test]
    fn tc_4_all_services_of_a_layer_share_its_state(limits in limits(), acts in contract::shared_acts()) {
        paused().block_on(contract::is_shared(|inner| {
            let layer = RateLimitLayer::new(config(limits)).expect("good");
            inner.into_iter().map(|inner| layer.layer(inner)).collect()
        }, acts));
    }

    #[test]
    fn tc_5_who_waits_is_woken_and_nobody_spins(limits in limits(), acts in contract::shared_acts(), places in 0_usize..4) {
        paused().block_on(contract::every_call_ends(|inner| {
            let layer = RateLimitLayer::new(config(limits)).expect("good");
            layer.layer(inner)
        }, acts, places));
    }

    #[test]
    fn tc_1_and_2_the_contract_is_kept(limits in limits(), acts in contract::acts()) {
        let layer = RateLimitLayer::new(config(limits)).expect("good");
        paused().block_on(contract::is_kept(|inner| layer.layer(inner), acts));
    }

    /// While it refuses, or calls wait, the service inside is not asked; it may be one that is never ready.
    #[test]
    fn tc_3_while_there_is_no_room_the_service_inside_is_not_asked(
        max_wait in prop_oneof![Just(0), Just(1_000_u64)], burst in 1_u32..4, polls in 1_u32..4,
    ) {
        paused().block_on(async {
            let layer = RateLimitLayer::new(config((5, burst, max_wait))).expect("good");
            let dependency = Dependency::with_places(0);
            let mut service = layer.layer(dependency.service());
            for _ in 0..burst {
                layer.handle().try_acquire().expect("a burst");
            }
            for _ in 0..polls {
                assert!(ServiceExt::<Ask>::ready(&mut service).now_or_never().is_some());
            }
            let called = service.call(Ask::new(1, Does::Wait)).now_or_never();
            assert_eq!(called.is_some(), max_wait == 0);
            assert_eq!(dependency.asked(), 0);
        });
    }

    /// A call that is refused after all gives back what readiness has reserved.
    #[test]
    fn tc_3_a_refused_call_frees_what_was_reserved(burst in 1_u32..4, again: bool) {
        paused().block_on(async {
            let mut pair = Pair::new((5, burst, 0));
            assert!(pair.rig.ready(0).is_ready());
            assert_eq!(pair.dependency.reserved(), 1);
            for _ in 0..burst {
                pair.handle.try_acquire().expect("a burst");
            }
            if again {
                assert!(pair.rig.ready(0).is_ready());
            } else {
                let id = pair.rig.call(0, Does::Wait).expect("ready");
                assert!(matches!(pair.rig.end(id), Some(End::Result(Err(Error::Limited(_))))));
            }
            assert_eq!(pair.dependency.reserved(), 0);
        });
    }

    #[test]
    fn tc_6_responses_and_errors_pass_unchanged(limits in limits(), kind in 0..5_usize, unready: bool) {
        let kinds = [Kind::Cancelled, Kind::Dependency, Kind::Invalid, Kind::LocalRejection, Kind::Timeout];
        let failed = Failed::of(kinds[kind]);
        let mut pair = Pair::new(limits);
        if unready {
            pair.dependency.set_unready(Some(failed));
            for _ in 0..2 {
                let id = pair.rig.call(0, Does::Wait).expect("an error");
                assert_eq!(pair.rig.end(id), Some(&End::Unready(Error::Inner(failed))));
            }
            assert_eq!(pair.handle.status().available, u64::from(limits.1));
        } else {
            let id = pair.rig.call(0, Does::Answer(Answer::Fails(failed))).expect("ready");
            assert_eq!(pair.rig.end(id), Some(&End::Result(Err(Error::Inner(failed)))));
            assert_eq!(Error::Inner(failed).class(), failed.class());
        }
    }
}

/// Requirement 1.12, and what is no service.
#[tokio::test(start_paused = true)]
async fn ten_in_a_second_one_after_another() {
    let config = RateLimitConfig::llm_worker().max_wait(Duration::from_secs(60));
    let limit = RateLimitLayer::named("llm_worker", config)
        .expect("good")
        .handle();
    let start = tokio::time::Instant::now();
    for _ in 0..30 {
        limit.acquire().await.expect("it waits");
    }
    assert_eq!(start.elapsed(), Duration::from_secs(2));
    assert_eq!(limit.status().admitted, 30);
    let error = limit.try_acquire().expect_err("nothing is left");
    assert_eq!(
        error.to_string(),
        "llm_worker: there were too many calls, try again in 0.100 s"
    );
    assert_eq!(error.class().kind(), Kind::LocalRejection);
    // Who leaves takes nothing.
    drop(limit.acquire());
    limit.acquire().await.expect("it waits");
    assert_eq!(start.elapsed(), Duration::from_millis(2_100));
}
