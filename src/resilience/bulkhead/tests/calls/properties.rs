//! Whatever callers and services do.

use super::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(CASES))]

    /// Over all services of the layer and their clones; and who is not woken is not asked again (TC-4, TC-5).
    #[test]
    fn bh_1_the_layer_and_the_model_agree(config in configs(), acts in acts(), order: usize) {
        paused().block_on(async {
            let mut pair = Pair::new(&config, usize::MAX);
            for act in acts {
                pair.act(act).await;
                pair.check();
            }
            // Once to begin with, when it is served, when it is answered.
            assert!(pair.rig.polls <= 3 * pair.made, "{} polls of {} calls", pair.rig.polls, pair.made);
            // What is told of is never more than what happened, and what comes first is told at once.
            for (what, happened) in [
                (What::Rejected(Reason::BulkheadTimeout), pair.handle.status().timed_out),
                (What::Rejected(Reason::BulkheadFull), pair.handle.status().rejected),
                (What::Overflow, pair.overflowed),
            ] {
                let told = pair.told(what);
                assert!(told <= happened && (told > 0) == (happened > 0), "{what:?}: {told} of {happened}");
            }
            pair.rig.forget_all(order);
            pair.slots.clear();
            let status = pair.handle.status();
            assert_eq!((status.running, status.waiting), (0, 0));
            pair.rig.close();
            pair.dependency.assert_clean();
        });
    }

    /// The service inside has few places itself. Whatever is dropped whenever: nothing is left (TC-1, TC-2).
    #[test]
    fn bh_2_nothing_is_left_in_a_service_that_is_seldom_ready(
        config in configs(), places in 0_usize..4, acts in acts(), order: usize,
    ) {
        paused().block_on(async {
            let mut pair = Pair::new(&config, places);
            for act in acts {
                match act {
                    Act::Call(service, does) => {
                        pair.rig.call(service, does);
                    }
                    Act::Answer(call, answer) => {
                        let running = pair.dependency.running();
                        if !running.is_empty() {
                            pair.dependency.answer(running[call % running.len()], answer);
                            pair.rig.settle();
                        }
                    }
                    Act::Forget(call) => drop(pair.rig.forget(call)),
                    Act::Ready(service) => {
                        // It may let go of a place that another waits for.
                        let _ = pair.rig.ready(service);
                        pair.rig.settle();
                    }
                    Act::ReadyAndForget(service) => pair.rig.ready_and_forget(service),
                    Act::Tick(millis) => pair.rig.advance(millis * MILLI).await,
                    Act::Resize(places, _) => {
                        pair.dependency.set_places(places as usize);
                        pair.rig.settle();
                    }
                    Act::Checkout | Act::Checkin(_) | Act::Clone(_) => {}
                }
                let status = pair.handle.status();
                assert!(status.running <= u64::from(config.slots()));
                assert!(status.waiting <= u64::from(config.queue));
                let called = pair.dependency.running().len() as u64;
                assert!(called <= status.running);
                // Those with a slot wait for the service inside, each in its own place, and nobody else does but
                // the services themselves.
                let late = status.running - called;
                let asleep = pair.dependency.asleep() as u64;
                assert!((late..=late + pair.rig.services() as u64).contains(&asleep));
                pair.dependency.assert_right();
            }
            pair.rig.forget_all(order);
            let status = pair.handle.status();
            assert_eq!((status.running, status.waiting), (0, 0));
            pair.rig.close();
            pair.dependency.assert_clean();
        });
    }

    /// Who waits is served or rejected at the time that it was told, and not before.
    #[test]
    fn bh_5_a_wait_ends_at_its_time(nanos in 1_u64..20 * MILLI, at in 0_u64..3 * MILLI) {
        paused().block_on(async {
            let config = BulkheadConfig::default().size(1).overflow(0).max_wait(Duration::from_nanos(nanos));
            let mut pair = Pair::new(&config, usize::MAX);
            pair.rig.advance(at).await;
            pair.rig.call(0, Does::Wait);
            let id = pair.rig.call(1, Does::Wait).expect("ready");
            let mut waited = 0;
            while pair.rig.end(id).is_none() {
                assert!(waited <= nanos + MILLI, "too late");
                waited += MILLI / 4;
                pair.rig.advance(MILLI / 4).await;
            }
            assert!(waited >= nanos, "after {waited} of {nanos}");
            assert_eq!(Outcome::of(id, &pair.rig.ends[&id]), Outcome::TimedOut);
        });
    }

    /// There is no runtime, so that a timer would panic, and a clock is not asked either.
    #[test]
    fn bh_5_without_a_queue_it_is_decided_in_the_call(size in 1_u32..5, more in 1_usize..5) {
        let config = BulkheadConfig::default().size(size).overflow(0).queue(0);
        let mut pair = Pair::new(&config, usize::MAX);
        for _ in 0..size {
            pair.rig.call(0, Does::Wait);
        }
        for _ in 0..more {
            let asked = pair.dependency.asked();
            let ask = Ask::new(0, Does::Wait);
            let Poll::Ready(Ok(future)) = call(pair.rig.service(1), ask) else {
                panic!("it is ready to reject");
            };
            assert_eq!(pair.handle.status().waiting, 0);
            let error = future.now_or_never().expect("at once").expect_err("rejected");
            assert!(error.is_full() && error.class().kind() == Kind::LocalRejection);
            assert_eq!(pair.dependency.asked(), asked, "TC-3: the service inside was not asked");
        }
    }

    /// A service inside with one place: who waits here does not keep others from it (BH-6, TC-3).
    #[test]
    fn bh_6_who_waits_holds_nothing_of_the_service_inside(waiting in 1_usize..5, was_ready: bool) {
        paused().block_on(async {
            let config = BulkheadConfig::default().size(1).overflow(0);
            let mut pair = Pair::new(&config, 2);
            // Ready before the bulkhead is full, or only when it is.
            if was_ready {
                assert!(pair.rig.ready(1).is_ready());
                assert_eq!(pair.dependency.reserved(), 1);
            }
            pair.rig.call(0, Does::Wait);
            for _ in 0..waiting {
                // Without asking for readiness again, which would free it, too.
                let future = tower::Service::call(pair.rig.service(1), Ask::new(9, Does::Wait));
                assert_eq!(pair.dependency.reserved(), 0);
                let mut future = pin!(future);
                assert!(poll(future.as_mut()).is_pending());
                assert_eq!((pair.dependency.reserved(), pair.dependency.asleep()), (0, 0));
            }
            // Somebody else, beside the bulkhead, who needs the second place.
            let mut other = pair.dependency.service();
            assert!(call(&mut other, Ask::new(10, Does::Answer(Answer::Works))).is_ready());
        });
    }

    #[test]
    fn tc_4_all_services_of_a_layer_share_its_state(config in configs(), acts in contract::shared_acts()) {
        paused().block_on(contract::is_shared(|inner| {
            let layer = BulkheadLayer::new(config.clone()).expect("good");
            inner.into_iter().map(|inner| layer.layer(inner)).collect()
        }, acts));
    }

    #[test]
    fn tc_5_who_waits_is_woken_and_nobody_spins(config in configs(), acts in contract::shared_acts(), places in 0_usize..4) {
        paused().block_on(contract::every_call_ends(|inner| {
            let layer = BulkheadLayer::new(config.clone()).expect("good");
            layer.layer(inner)
        }, acts, places));
    }

    #[test]
    fn tc_1_and_2_the_contract_is_kept(config in configs(), acts in contract::acts()) {
        let layer = BulkheadLayer::new(config).expect("good");
        let handle = layer.handle();
        paused().block_on(contract::is_kept(|inner| layer.layer(inner), acts));
        let status = handle.status();
        assert_eq!((status.running, status.waiting), (0, 0));
    }

    #[test]
    fn tc_6_responses_and_errors_pass_unchanged(kind in 0..5_usize, unready: bool) {
        let kinds = [Kind::Cancelled, Kind::Dependency, Kind::Invalid, Kind::LocalRejection, Kind::Timeout];
        let failed = Failed::of(kinds[kind]);
        let mut pair = Pair::new(&BulkheadConfig::default(), usize::MAX);
        if unready {
            pair.dependency.set_unready(Some(failed));
            for _ in 0..2 {
                let id = pair.rig.call(0, Does::Wait).expect("an error");
                assert_eq!(pair.rig.end(id), Some(&End::Unready(Error::Inner(failed))));
            }
        } else {
            let id = pair.rig.call(0, Does::Answer(Answer::Fails(failed))).expect("ready");
            assert_eq!(pair.rig.end(id), Some(&End::Result(Err(Error::Inner(failed)))));
            assert_eq!(Error::Inner(failed).class(), failed.class());
        }
        assert_eq!(pair.handle.status().running, 0);
    }
}
