use std::{
    sync::atomic::{AtomicBool, Ordering::SeqCst},
    thread,
    time::{Duration, Instant},
};

use algedonic::{Buffer, Bus, ErrorKind};
use futures_util::FutureExt;

use crate::{events::Tick, wakers::Held};

/// Waits for the end, in this thread.
fn ends<T>(mut recv: Held<'_, Option<T>>, what: &str) {
    let start = Instant::now();
    loop {
        if let Some(item) = recv.poll() {
            assert!(item.is_none(), "{what}: an event after the end");
            return;
        }
        loop {
            assert!(start.elapsed() < Duration::from_secs(10), "{what} hangs");
            if recv.is_woken() {
                break;
            }
            thread::yield_now();
        }
    }
}

/// Somebody goes on publishing, and is refused: whoever reads comes to the end all the same.
#[test]
fn a_publisher_that_does_not_stop_keeps_nobody_from_the_end() {
    for buffer in [Buffer::error(4), Buffer::block(4)] {
        let bus = Bus::local();
        let mut typed = bus.subscribe_with::<Tick>(buffer);
        let pattern = bus.subscribe_pattern_with("#", buffer);
        let mut pattern = pattern.expect("a pattern");
        // Others, to be looked at in between.
        let _typed: Vec<_> = (0..40)
            .map(|_| bus.subscribe_with::<Tick>(buffer))
            .collect();
        let _patterns: Vec<_> = (0..40)
            .map(|_| bus.subscribe_pattern_with("#", buffer))
            .collect();
        shut_down(&bus);
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !stop.load(SeqCst) {
                    let refused = bus.publish(Tick::new(0)).now_or_never();
                    let refused = refused.expect("at once").expect_err("closed");
                    assert_eq!(refused.kind(), ErrorKind::Closed);
                }
            });
            let reads = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                for _ in 0..2_000 {
                    ends(Held::new(typed.recv()), "a subscriber of the type");
                    ends(Held::new(pattern.recv()), "a subscriber of a pattern");
                }
            }));
            stop.store(true, SeqCst);
            if let Err(panic) = reads {
                std::panic::resume_unwind(panic);
            }
        });
    }
}

/// After the end the bus is closed, also where somebody is full who has publishing fail.
#[test]
fn a_closed_bus_is_closed_also_where_it_is_full() {
    let bus = Bus::local();
    let _typed = bus.subscribe_with::<Tick>(Buffer::error(1));
    let _pattern = bus.subscribe_pattern_with("#", Buffer::error(1));
    let publish = bus.publish(Tick::new(0)).now_or_never();
    publish.expect("room").expect("open");
    shut_down(&bus);
    let refused = bus.publish(Tick::new(1)).now_or_never();
    let refused = refused.expect("at once").expect_err("closed");
    assert_eq!(refused.kind(), ErrorKind::Closed);
}

/// Beside a runtime only this: what is polled by hand in a task has to give way.
fn shut_down(bus: &Bus) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime");
    runtime.block_on(bus.shutdown(Duration::ZERO));
}
