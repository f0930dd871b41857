use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

/// Something that is published, or waits for ever; it holds a count of its kind.
struct Something(Arc<AtomicUsize>);

impl Due for Something {
    fn publish(self: Box<Self>) -> Work {
        Box::pin(async move {
            self.0.fetch_add(1, Ordering::Relaxed);
            std::future::pending::<()>().await;
        })
    }
}

const LINE: Duration = Duration::from_secs(1);

fn delays(capacity: usize) -> Delays {
    Delays::new(capacity, &Arc::default())
}

/// What is cancelled is gone at once, whether it was due or not, and not only when it is due.
#[tokio::test(start_paused = true)]
async fn what_is_cancelled_leaves_nothing_behind() {
    let delays = delays(usize::MAX);
    let count = Arc::<AtomicUsize>::default();
    let schedule = |delay| {
        let make = |_: &Arc<Books>| Something(Arc::clone(&count));
        let ticket = delays.schedule(delay, TypeId::of::<Something>(), make);
        ticket.expect("room")
    };
    let tickets: Vec<_> = (0..100_000).map(|n| schedule(LINE * (n % 100))).collect();
    assert_eq!(Arc::strong_count(&count), 100_001);
    let (gone, kept) = tickets.split_at(99_000);
    gone.iter().for_each(Ticket::leave);
    assert_eq!(Arc::strong_count(&count), 1001);
    // The first begins and waits for ever; the others are due and wait behind it.
    tokio::time::sleep(LINE * 100).await;
    assert_eq!(count.load(Ordering::Relaxed), 1);
    kept.iter().for_each(Ticket::leave);
    assert_eq!(Arc::strong_count(&count), 2);
    // Again and again, while the line does not move.
    for _ in 0..1000 {
        let ticket = schedule(Duration::ZERO);
        tokio::task::yield_now().await;
        ticket.leave();
    }
    assert_eq!((Arc::strong_count(&count), delays.0.waiting()), (2, 0));
    drop(delays);
    tokio::task::yield_now().await;
    assert_eq!(Arc::strong_count(&count), 1);
}

/// A place is not given twice, also after a runtime has ended with everything in it.
#[test]
fn an_old_ticket_removes_nothing_new() {
    let delays = delays(10);
    let make = |_: &Arc<Books>| Something(Arc::default());
    let line = TypeId::of::<Something>();
    let runtime = || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build();
        runtime.expect("a runtime")
    };
    let first = runtime();
    let ticket = |runtime: &tokio::runtime::Runtime| {
        let _inside = runtime.enter();
        delays.schedule(LONGEST, line, make).expect("room")
    };
    let old = ticket(&first);
    drop(first);
    assert_eq!(delays.0.waiting(), 0);
    let second = runtime();
    let new = ticket(&second);
    assert_ne!(old.place, new.place);
    old.leave();
    assert_eq!(delays.0.waiting(), 1);
    delays.close();
    assert_eq!(delays.0.waiting(), 0);
    second.block_on(async {
        assert!(delays.schedule(LINE, line, make).is_err());
        delays.end_by(Instant::now() + LINE).await;
    });
}
