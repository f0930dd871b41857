//! When a slot is free, and who has it then.

use super::*;

/// A call has its slot until its response is ready, not until that is dropped.
#[test]
fn bh_3_a_slot_is_free_as_soon_as_the_response_is_there() {
    let mut pair = one_slot();
    for was_ready in [true, false] {
        let held = (!was_ready).then(|| pair.handle.try_checkout());
        assert!(pair.rig.ready(0).is_ready());
        drop(held);
        let ask = Ask::new(1, Does::Answer(Answer::Works));
        let mut future = pin!(tower::Service::call(pair.rig.service(0), ask));
        assert_eq!(poll(future.as_mut()), Poll::Ready(Ok(1)));
        assert_eq!(pair.handle.status().running, 0);
    }
    let mut scope = pin!(pair.handle.call(|| async { Ok::<_, Failed>(7) }));
    assert_eq!(poll(scope.as_mut()), Poll::Ready(Ok(7)));
    assert_eq!(pair.handle.status().running, 0);
}

/// Served by another thread between its last look and the end of its wait.
#[tokio::test(start_paused = true)]
async fn bh_4_who_was_served_does_not_time_out() {
    let pair = one_slot();
    let slot = pair.handle.try_checkout().expect("a slot");
    let local = Local::new(&pair.handle.local().shared);
    let Entry::Queued(mut queued) = local.enter() else {
        panic!("it has to wait")
    };
    slot.checkin();
    let held = queued.give_up().expect("it has the slot");
    drop(queued);
    assert_eq!(pair.handle.status().running, 1);
    drop(held);
    assert_eq!(pair.handle.status().running, 0);
}

fn one_slot() -> Pair {
    Pair::new(&BulkheadConfig::default().size(1).overflow(0), usize::MAX)
}

/// It was woken because its time is up, and is served before it looks.
#[tokio::test(start_paused = true)]
async fn bh_4_a_slot_that_comes_with_the_end_of_the_wait_is_taken() {
    let mut pair = one_slot();
    let first = pair.rig.call(0, Does::Wait).expect("ready");
    let second = pair.rig.call(0, Does::Wait).expect("ready");
    advance(Duration::from_secs(5)).await;
    pair.dependency.answer(first, Answer::Works);
    // The first is asked first.
    pair.rig.settle();
    assert_eq!(pair.rig.end(second), None);
    assert_eq!(pair.dependency.running(), [second]);
}

/// It is served, and dropped before it looks: the next has the slot.
#[tokio::test(start_paused = true)]
async fn bh_4_a_slot_that_was_given_to_who_is_dropped_goes_to_the_next() {
    let pair = one_slot();
    let slot = pair.handle.try_checkout().expect("a slot");
    let mut second = Box::pin(pair.handle.checkout());
    let mut third = Box::pin(pair.handle.checkout());
    assert!(poll(second.as_mut()).is_pending() && poll(third.as_mut()).is_pending());
    slot.checkin();
    assert_eq!(pair.handle.status().running, 1);
    drop(second);
    let Poll::Ready(Ok(slot)) = poll(third.as_mut()) else {
        panic!("the slot was lost")
    };
    drop(slot);
    assert_eq!(pair.handle.status().running, 0);
}

/// Requirement 1.09: checked out and in, and the form that always returns it: when the work is done, fails, panics, and
/// when it is dropped.
#[tokio::test(start_paused = true)]
async fn a_slot_comes_back_whatever_happens() {
    let pair = one_slot();
    let free = || pair.handle.status().available;
    let slot = pair.handle.checkout().await.expect("a slot");
    assert_eq!(free(), 0);
    slot.checkin();
    assert_eq!(free(), 1);

    assert_eq!(
        pair.handle.call(|| async { Ok::<_, Failed>(7) }).await,
        Ok(7)
    );
    let fails = || async { Err::<(), _>(Failed::of(Kind::Timeout)) };
    let failed = pair.handle.call(fails).await;
    assert_eq!(failed, Err(Error::Inner(Failed::of(Kind::Timeout))));
    let panics = || async { panic!("planted") };
    let panicked = AssertUnwindSafe(pair.handle.call::<_, _, (), Failed>(panics));
    assert!(panicked.catch_unwind().await.is_err());
    let panics = || -> std::future::Ready<Result<(), Failed>> { panic!("planted") };
    let panicked = AssertUnwindSafe(pair.handle.call(panics));
    assert!(panicked.catch_unwind().await.is_err());
    assert_eq!(free(), 1);

    let mut hangs = Box::pin(pair.handle.call(std::future::pending::<Result<(), Failed>>));
    assert!(poll(hangs.as_mut()).is_pending());
    assert_eq!(free(), 0);
    let mut waits = Box::pin(pair.handle.call(|| async { Ok::<_, Failed>(8) }));
    assert!(poll(waits.as_mut()).is_pending());
    assert_eq!(pair.handle.status().waiting, 1);
    drop(hangs);
    assert_eq!(waits.await, Ok(8));

    assert_eq!(pair.handle.call_blocking(|| Ok::<_, Failed>(9)), Ok(9));
    let slot = pair.handle.try_checkout().expect("a slot");
    let full = pair.handle.call_blocking(|| Ok::<_, Failed>(9));
    assert!(full.is_err_and(|error| error.is_full()));
    drop(slot);
    assert_eq!(free(), 1);
}

/// Requirement 1.10: full and waited too long are two errors, and say so.
#[tokio::test(start_paused = true)]
async fn full_and_too_late_are_kept_apart() {
    let config = BulkheadConfig::llm_worker().size(1).overflow(0).queue(1);
    let llm = BulkheadLayer::named("llm_worker", config)
        .expect("good")
        .handle();
    let _slot = llm.try_checkout().expect("a slot");
    let start = tokio::time::Instant::now();
    let waits = tokio::spawn(llm.checkout());
    let full = llm.checkout().await.expect_err("nowhere to wait");
    assert_eq!(full.reason(), Reason::BulkheadFull);
    assert_eq!(
        full.to_string(),
        "llm_worker: the bulkhead and its queue are full"
    );
    assert!(start.elapsed().is_zero(), "at once");
    let late = waits.await.expect("no panic").expect_err("too late");
    assert_eq!(late.reason(), Reason::BulkheadTimeout);
    assert_eq!(
        late.to_string(),
        "llm_worker: no slot of the bulkhead became free in time"
    );
    assert_eq!(start.elapsed(), Duration::from_secs(30));
    assert_eq!(Error::<Failed>::rejected(full), Error::Full(full));
    assert_eq!(Error::<Failed>::rejected(late), Error::Timeout(late));
}

/// It goes when another takes its place, and what comes of that must not take the place in the queue with it.
#[tokio::test(start_paused = true)]
async fn bh_4_a_waker_that_panics_costs_no_slot() {
    struct Fragile;
    impl Wake for Fragile {
        fn wake(self: Arc<Self>) {}
    }
    impl Drop for Fragile {
        fn drop(&mut self) {
            panic!("planted");
        }
    }
    let pair = one_slot();
    let slot = pair.handle.try_checkout().expect("a slot");
    let local = Local::new(&pair.handle.local().shared);
    let Entry::Queued(mut queued) = local.enter() else {
        panic!("it has to wait")
    };
    let fragile = Waker::from(Arc::new(Fragile));
    let left = queued.poll(&mut Context::from_waker(&fragile));
    assert!(left.is_pending());
    // The queue has the last of it.
    drop(fragile);
    let mut next = Context::from_waker(Waker::noop());
    let panicked = catch_unwind(AssertUnwindSafe(|| queued.poll(&mut next).is_pending()));
    panicked.expect_err("planted");
    drop(queued);
    slot.checkin();
    let status = pair.handle.status();
    assert_eq!((status.running, status.waiting), (0, 0));
    drop(pair.handle.try_checkout().expect("free"));
}
