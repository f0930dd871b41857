use std::{
    collections::HashMap,
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use algedonic::{Buffer, Bus, Retry};
use tokio::sync::{Semaphore, mpsc};

use crate::{events::Tick, patience::until};

/// A tick of a key.
fn tick(key: u32, number: u64) -> Tick {
    Tick {
        publisher: key,
        number,
    }
}

/// Requirement 4.20, for one process: a retried event holds up its key, and only its key.
#[tokio::test(start_paused = true)]
async fn a_retried_event_holds_up_its_key_and_no_other() {
    let (bus, (done, mut handled)) = (Bus::local(), mpsc::unbounded_channel());
    let mut fails = true;
    let delay = Duration::from_secs(60);
    let _handler = bus
        .on::<Tick>()
        .keyed(|tick| tick.publisher)
        .retry(Retry::attempts(2))
        .handle(move |tick| {
            let failure = (tick.publisher == 1 && std::mem::take(&mut fails))
                .then(|| algedonic::Fail::retry_after(delay, "planted"));
            if failure.is_none() {
                done.send((tick.publisher, tick.number))
                    .expect("the test is listening");
            }
            async move { failure.map_or(Ok(()), Err) }
        });
    for number in 0..3 {
        for key in [1, 2] {
            bus.publish(tick(key, number)).await.expect("open");
        }
    }
    for number in 0..3 {
        assert_eq!(
            handled.recv().await,
            Some((2, number)),
            "with one hand only"
        );
    }
    for number in 0..3 {
        assert_eq!(handled.recv().await, Some((1, number)));
    }
}

/// Parked events are bounded: then publishers wait.
#[tokio::test(start_paused = true)]
async fn a_key_that_is_stuck_makes_publishers_wait_in_the_end() {
    let bus = Bus::local();
    let _handler = bus
        .on::<Tick>()
        .buffer(Buffer::block(4))
        .keyed(|tick| tick.publisher)
        .concurrency(8)
        .handle(|_| std::future::pending::<Result<(), io::Error>>());
    let mut taken = 0;
    while tokio::time::timeout(Duration::from_secs(1), bus.publish(tick(1, taken)))
        .await
        .is_ok()
    {
        taken += 1;
    }
    assert_eq!(taken, 1 + 4 + 4, "in hand, parked, buffered");
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_the_key_function_makes_a_dead_letter() {
    let bus = Bus::local();
    let handler = bus
        .on::<Tick>()
        .keyed(|tick| {
            assert!(tick.number != 1, "a planted panic");
            tick.publisher
        })
        .handle(|_| async { Ok::<_, io::Error>(()) });
    for number in 0..3 {
        bus.publish(Tick::new(number)).await.expect("open");
    }
    assert_eq!(handler.drain().await.finished, 3);
    let letters = bus.dead_letters().list();
    assert_eq!((letters.len(), letters[0].attempts), (1, 0));
    assert!(
        letters[0].reason.contains("a planted panic"),
        "{}",
        letters[0].reason
    );
    assert_eq!((bus.counts().handled, bus.counts().panicked), (2, 1));
}

/// On several threads: no member overtakes another with a later event of a key.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn members_on_several_threads_keep_the_order_of_each_key() {
    type Handled = Arc<Mutex<HashMap<u32, Vec<u64>>>>;
    let (bus, handled) = (Bus::local(), Handled::default());
    let members: Vec<_> = (0..4)
        .map(|_| {
            let handled = Arc::clone(&handled);
            let builder = bus.on::<Tick>().group("g").keyed(|tick| tick.publisher);
            builder.concurrency(2).handle(move |tick| {
                let handled = Arc::clone(&handled);
                async move {
                    if tick.number % 5 == 0 {
                        tokio::task::yield_now().await;
                    }
                    let mut handled = handled.lock().expect("whole");
                    handled.entry(tick.publisher).or_default().push(tick.number);
                    Ok::<_, io::Error>(())
                }
            })
        })
        .collect();
    for number in 0..20_000 {
        let key = u32::try_from(number % 7).expect("small");
        bus.publish(tick(key, number)).await.expect("open");
    }
    for member in members {
        assert_eq!(member.drain().await.abandoned, 0);
    }
    assert_eq!(bus.counts().handled, 20_000);
    for (key, numbers) in &*handled.lock().expect("whole") {
        assert!(numbers.is_sorted(), "key {key}");
    }
}

/// A redriven event waits behind its key like any other.
#[tokio::test(start_paused = true)]
async fn a_redriven_event_takes_its_place_behind_its_key() {
    let (bus, (done, mut handled)) = (Bus::local(), mpsc::unbounded_channel());
    let gate = Arc::new(Semaphore::new(0));
    let opened = Arc::clone(&gate);
    let mut first = true;
    let _handler = bus
        .on::<Tick>()
        .keyed(|_| "one")
        .concurrency(4)
        .handle(move |tick| {
            let (done, gate) = (done.clone(), Arc::clone(&opened));
            let fails = std::mem::take(&mut first);
            async move {
                if fails {
                    return Err("planted");
                }
                gate.acquire().await.expect("open").forget();
                done.send(tick.number).expect("the test is listening");
                Ok(())
            }
        });
    for number in 0..3 {
        bus.publish(Tick::new(number)).await.expect("open");
    }
    let letters = bus.dead_letters();
    until("the letter", || letters.len() == 1).await;
    letters
        .redrive(letters.list()[0].id)
        .expect("the handler runs");
    gate.add_permits(3);
    for number in [1, 2, 0] {
        assert_eq!(handled.recv().await, Some(number));
    }
}
