use algedonic::{
    Bus, Error, ErrorKind, Feeling, Level, LinkState, Mirror, memory::Broker, spool::Notice,
};

use super::{Shelf, link_is, next, numbered, patience::within, receiver, sender};

/// How many signals one holds unread.
const CAPACITY: u64 = 1024;

#[tokio::test(start_paused = true)]
async fn one_who_does_not_read_keeps_no_signal_of_another_process_from_the_others() {
    let (broker, shelf) = (Broker::new(), Shelf::default());
    let (here, there) = (sender(&broker, &shelf), receiver(&broker));
    link_is(&here, LinkState::Up).await;
    link_is(&there, LinkState::Up).await;
    let mut deaf = there.signals();
    let mut heard = there.signals_from(Level::Critical);
    let low = CAPACITY + 50;
    for number in 0..low {
        let receipt = here.signal(numbered(Level::Low, number)).await;
        assert!(receipt.expect("open").remote().await.is_safe());
    }
    for number in low..low + 10 {
        let critical = here.signal(numbered(Level::Critical, number)).await;
        assert!(critical.expect("open").remote().await.is_safe());
        assert_eq!(next(&mut heard).await, number);
    }
    // And it has all of them, in order, once it reads.
    for number in 0..low + 10 {
        assert_eq!(next(&mut deaf).await, number);
    }
}

#[tokio::test(start_paused = true)]
async fn one_who_does_not_read_keeps_nothing_that_the_bus_has_to_tell_from_the_others() {
    let (broker, shelf) = (Broker::new(), Shelf::default());
    let mirror = Mirror::new(broker.transport("here")).spool(shelf.clone());
    let here = Bus::builder().mirror(mirror).build().expect("good");
    link_is(&here, LinkState::Up).await;
    let _deaf = here.signals();
    for number in 0..CAPACITY {
        let receipt = here.signal(numbered(Level::Low, number)).await;
        drop(receipt.expect("open"));
    }
    let mut heard = here.signals_from(Level::Low);
    let error = Error::transient(ErrorKind::Unavailable, "write");
    shelf.tell(Notice::Broken(error));
    shelf.tell(Notice::Mended);
    for feeling in [Feeling::Pain, Feeling::Pleasure] {
        let told = within("the signal", heard.recv()).await;
        let told = told.expect("open").expect("no gap");
        assert_eq!((told.feeling, &*told.metric), (feeling, "spool.disk"));
    }
}
