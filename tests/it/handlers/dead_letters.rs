use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};

use algedonic::{
    Bus, DeadLetterKind, ErrorKind, Event, Fail, Handler, HandlerBuilder, RedriveError, Retry,
};
use tokio::sync::mpsc;

use crate::{events::Tick, patience::until};

/// A handler that fails until it is told otherwise, and says what it handled.
struct Mended {
    works: Arc<AtomicBool>,
    done: mpsc::UnboundedSender<u64>,
}

impl Mended {
    fn handle(&self, builder: HandlerBuilder<'_, Tick>) -> Handler {
        let (works, done) = (Arc::clone(&self.works), self.done.clone());
        builder.handle(move |tick| {
            let works = works.load(Ordering::SeqCst);
            if works {
                done.send(tick.number).expect("the test is listening");
            }
            async move {
                if works {
                    Ok(())
                } else {
                    Err(Fail::retry("planted"))
                }
            }
        })
    }
}

fn mended() -> (Mended, mpsc::UnboundedReceiver<u64>) {
    let (done, handled) = mpsc::unbounded_channel();
    let works = Arc::new(AtomicBool::new(false));
    (Mended { works, done }, handled)
}

/// Requirements 0.16, 3.14.
#[tokio::test]
async fn a_letter_says_what_failed_where_and_why() {
    let bus = Bus::local();
    let before = SystemTime::now();
    let handler = bus
        .on::<Tick>()
        .named("invoices")
        .group("billing")
        .handle(|tick| async move {
            assert!(tick.number != 1, "a planted panic, number {}", tick.number);
            let cause = io::Error::other("the disk is full");
            let error = algedonic::Error::permanent(ErrorKind::Denied, "write the invoice");
            Err::<(), _>(error.with_source(cause))
        });
    let receipt = bus.publish(Tick::new(0)).await.expect("open");
    bus.publish(Tick::new(1)).await.expect("open");
    handler.drain().await;
    let letters = bus.dead_letters().list();
    let [failed, panicked] = &letters[..] else {
        panic!("{letters:?}");
    };
    assert_eq!(failed.event.id(), receipt.id());
    assert_eq!(failed.event.downcast::<Tick>().expect("a tick").number, 0);
    assert_eq!((failed.name, &*failed.handler), (Tick::NAME, "invoices"));
    assert_eq!(failed.group.as_deref(), Some("billing"));
    assert_eq!((failed.kind, failed.attempts), (DeadLetterKind::Failed, 1));
    assert_eq!(
        &*failed.reason,
        "failed to write the invoice: denied: the disk is full"
    );
    assert!(failed.time >= before && failed.id < panicked.id);
    assert_eq!(panicked.kind, DeadLetterKind::Panicked);
    assert_eq!(&*panicked.reason, "a planted panic, number 1");
    assert_eq!((bus.counts().panicked, bus.counts().dead_lettered), (1, 2));
}

#[tokio::test]
async fn a_full_store_loses_the_oldest_and_counts_it() {
    let bus = Bus::builder()
        .dead_letter_capacity(2)
        .build()
        .expect("no mirror");
    let handler = bus.on::<Tick>().handle(|_| async { Err("planted") });
    for number in 0..5 {
        bus.publish(Tick::new(number)).await.expect("open");
    }
    handler.drain().await;
    let letters = bus.dead_letters();
    let numbers = letters.list();
    let numbers = numbers
        .iter()
        .map(|letter| letter.event.downcast::<Tick>().expect("a tick").number);
    assert_eq!(numbers.collect::<Vec<_>>(), [3, 4]);
    assert_eq!(
        (bus.counts().dead_lettered, bus.counts().dead_letters_lost),
        (5, 3)
    );
    let id = letters.list()[0].id;
    assert_eq!(letters.remove(id).expect("there").id, id);
    assert!(letters.remove(id).is_none());
    assert_eq!(letters.redrive(id), Err(RedriveError::NotFound));
    assert_eq!(letters.len(), 1);
}

/// Requirement 4.16: back to the one that failed, and to nobody else.
#[tokio::test(start_paused = true)]
async fn a_redriven_event_goes_back_to_its_handler_alone_and_begins_anew() {
    let (bus, (mended, mut handled)) = (Bus::local(), mended());
    let mut subscriber = bus.subscribe::<Tick>();
    let _handler = mended.handle(
        bus.on()
            .keyed(|tick: &Tick| tick.number)
            .retry(Retry::attempts(2)),
    );
    bus.publish(Tick::new(7)).await.expect("open");
    subscriber.recv().await.expect("open").expect("no gap");
    let letters = bus.dead_letters();
    until("the letter", || letters.len() == 1).await;
    // Still broken: it comes back, with as many attempts as at first.
    letters
        .redrive(letters.list()[0].id)
        .expect("the handler runs");
    assert_eq!(letters.len(), 0);
    until("the letter", || letters.len() == 1).await;
    assert_eq!((letters.list()[0].attempts, bus.counts().failed), (2, 4));
    mended.works.store(true, Ordering::SeqCst);
    let done = letters.redrive_where(|letter| letter.kind == DeadLetterKind::Exhausted);
    assert_eq!((done.redriven, done.refused), (1, 0));
    assert_eq!(handled.recv().await, Some(7));
    assert_eq!(subscriber.unread(), 0);
    until("the books", || bus.counts().handled == 1).await;
    let counts = bus.counts();
    // Taken once, and redriven twice.
    assert_eq!(
        (counts.redriven, counts.handled + counts.dead_lettered),
        (2, 3)
    );
}

#[tokio::test(start_paused = true)]
async fn without_its_handler_a_letter_stays() {
    let (bus, (mended, mut handled)) = (Bus::local(), mended());
    let alone = mended.handle(bus.on());
    let grouped = mended.handle(bus.on().group("g"));
    bus.publish(Tick::new(1)).await.expect("open");
    alone.drain().await;
    grouped.drain().await;
    let letters = bus.dead_letters();
    let done = letters.redrive_where(|_| true);
    assert_eq!((done.redriven, done.refused, letters.len()), (0, 2, 2));
    for letter in letters.list() {
        assert_eq!(letters.redrive(letter.id), Err(RedriveError::HandlerEnded));
    }
    // A group that begins again is the same; another handler is not.
    mended.works.store(true, Ordering::SeqCst);
    let _others = (mended.handle(bus.on()), mended.handle(bus.on().group("g")));
    assert_eq!(letters.redrive_where(|_| true).redriven, 1);
    assert_eq!(handled.recv().await, Some(1));
    assert_eq!(letters.len(), 1);
    bus.shutdown(Duration::from_secs(1)).await;
    assert_eq!(letters.redrive_where(|_| true).refused, 1);
}
