use std::time::Duration;

use algedonic::{Bus, ErrorKind, LinkState, Mirror, Outage, Remote, memory::Broker};

use super::{
    Fleeting, Kept, Shelf, link_is,
    patience::{until, within},
    receiver, sender,
};

#[tokio::test(start_paused = true)]
async fn events_of_an_outage_are_sent_later_in_order_if_their_type_is_kept() {
    let (broker, shelf) = (Broker::new(), Shelf::default());
    shelf.set_latency(Duration::from_millis(2));
    let (here, there) = (sender(&broker, &shelf), receiver(&broker));
    link_is(&here, LinkState::Up).await;
    link_is(&there, LinkState::Up).await;
    let mut kept = there.subscribe_with::<Kept>(algedonic::Buffer::block(10_000));
    let mut fleeting = there.subscribe::<Fleeting>();
    let mut receipts = Vec::new();
    for number in 0..3_000 {
        match number {
            1_000 => broker.stop(),
            2_000 => broker.start(),
            _ => {}
        }
        receipts.push(here.publish(Kept { number }).await.expect("open"));
        if number % 10 == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    for (number, receipt) in receipts.into_iter().enumerate() {
        let remote = within("the outcome", receipt.remote()).await;
        assert!(remote.is_safe(), "{number}: {remote}");
    }
    for number in 0..3_000 {
        let event = within("the event", kept.recv()).await;
        assert_eq!(event.expect("open").expect("no gap").number, number);
    }
    until("the disk is empty", || shelf.len() == 0).await;
    let counts = here.counts();
    assert!(counts.spooled >= 1_000, "{counts:?}");
    assert_eq!(counts.mirrored, counts.confirmed + counts.spooled);
    assert_eq!(counts.replayed, counts.spooled);
    // The breaker has closed again with the link; and the disk is out of the way.
    let before = shelf.appended();
    let receipt = here.publish(Kept { number: 3_000 }).await.expect("open");
    assert!(receipt.remote().await.is_confirmed());
    assert_eq!(shelf.appended(), before);

    broker.stop();
    link_is(&here, LinkState::Down).await;
    let receipt = here.publish(Fleeting { number: 1 }).await.expect("open");
    let remote = within("the outcome", receipt.remote()).await;
    assert!(remote.is_local_only(), "{remote}");
    assert_eq!(shelf.len(), 0);
    broker.start();
    link_is(&here, LinkState::Up).await;
    let receipt = here.publish(Fleeting { number: 2 }).await.expect("open");
    let _ = receipt.remote().await;
    let event = within("the event", fleeting.recv()).await;
    assert_eq!(event.expect("open").expect("no gap").number, 2);
}

/// An answer of the other side is not an outage.
#[tokio::test(start_paused = true)]
async fn an_event_that_is_refused_or_wanted_by_nobody_is_not_kept() {
    let (broker, shelf) = (Broker::new(), Shelf::default());
    let here = sender(&broker, &shelf);
    link_is(&here, LinkState::Up).await;
    let receipt = here.publish(Kept { number: 1 }).await.expect("open");
    assert!(matches!(receipt.remote().await, Remote::Unroutable));
    let there = receiver(&broker);
    link_is(&there, LinkState::Up).await;
    broker.reject_next(1);
    let receipt = here.publish(Kept { number: 2 }).await.expect("open");
    assert!(matches!(receipt.remote().await, Remote::Rejected { .. }));
    assert_eq!(shelf.appended(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_event_that_the_disk_does_not_take_is_told_so() {
    let (broker, shelf) = (Broker::new(), Shelf::default());
    let here = sender(&broker, &shelf);
    link_is(&here, LinkState::Up).await;
    broker.stop();
    link_is(&here, LinkState::Down).await;
    shelf.set_full(true);
    let receipt = here.publish(Kept { number: 1 }).await.expect("open");
    match within("the outcome", receipt.remote()).await {
        Remote::LocalOnly(algedonic::LocalOnly::NotSpooled(error)) => {
            assert_eq!(error.kind(), ErrorKind::Busy);
        }
        other => panic!("{other}"),
    }
    assert_eq!(here.counts().local_only, 1);
}

#[tokio::test]
async fn what_is_to_be_kept_needs_a_spool_and_a_type_that_is_sent() {
    let broker = Broker::new();
    let mirror = || Mirror::new(broker.transport("here"));
    let without = mirror().event::<Kept>().outage::<Kept>(Outage::Spool);
    let unsent = mirror()
        .spool(Shelf::default())
        .inbound::<Kept>()
        .outage::<Kept>(Outage::Spool);
    for (mirror, word) in [(without, "no spool"), (unsent, "is not sent")] {
        let error = Bus::builder().mirror(mirror).build().expect_err(word);
        assert_eq!(error.kind(), ErrorKind::Misconfigured);
        assert!(error.to_string().contains(word), "{error}");
    }
}
