use std::time::Duration;

use algedonic::{Bus, Event, LinkState, Mirror, PublishOptions, memory::Broker};
use serde::{Deserialize, Serialize};

use super::{receiver, sender, told};
use crate::{
    events::{StateChange, Tick},
    mirror::{bus, link_is},
    patience::{until, within},
};

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Kept(u64);

impl Event for Kept {
    const NAME: &'static str = "test.kept";
    const RETAINED: usize = 2;
}

/// Whatever way a publish takes, its receipt tells the outcome.
#[tokio::test]
async fn every_kind_of_publish_has_its_outcome() {
    let broker = Broker::new();
    let mirror = |name| {
        Mirror::new(broker.transport(name))
            .event::<Tick>()
            .event::<StateChange>()
            .event::<Kept>()
    };
    let bus = |name| Bus::builder().mirror(mirror(name)).build().expect("good");
    let (here, there) = (bus("here"), bus("there"));
    link_is(&there, LinkState::Up).await;
    let mut receipts = vec![
        here.publish(Tick::new(0)).await,
        here.publish_with(
            Tick::new(1),
            PublishOptions::new().ttl(Duration::from_secs(60)),
        )
        .await,
        here.publish(StateChange::of("s1")).await,
        here.publish(Kept(1)).await,
        here.publisher::<Tick>().try_publish(Tick::new(2)),
        here.publish_after(Duration::from_millis(1), Tick::new(3))
            .expect("open")
            .await,
    ];
    // An inbox, a pattern, a log: all at once.
    let _newest = here.subscribe_with::<Tick>(algedonic::Buffer::drop_newest(4));
    let _pattern = here.subscribe_pattern("#").expect("a pattern");
    let _all = here.subscribe::<Tick>();
    let receipt = here.publish(Tick::new(4)).await;
    assert_eq!(receipt.as_ref().expect("open").local().subscribers, 3);
    receipts.push(receipt);
    let count = receipts.len() as u64;
    for receipt in receipts {
        let remote = within("the outcome", receipt.expect("open").remote()).await;
        assert!(remote.is_confirmed(), "{remote}");
    }
    let counts = here.counts();
    assert_eq!((counts.mirrored, told(&counts)), (count, count));
}

#[tokio::test]
async fn the_mirror_is_no_subscriber() {
    let broker = Broker::new();
    let (here, there) = (sender::<Tick>(&broker), receiver::<Tick>(&broker));
    link_is(&there, LinkState::Up).await;
    assert!(here.books().types.is_empty(), "nothing has happened yet");
    let receipt = here.publish(Tick::new(1)).await.expect("open");
    assert_eq!(receipt.local().subscribers, 0);
    assert!(within("the outcome", receipt.remote()).await.is_confirmed());
    let books = here.books();
    let ticks = books.of(Tick::NAME).expect("published");
    assert_eq!((ticks.published, ticks.received), (1, 0));
    assert!(ticks.subscribers.is_empty());
    assert_eq!(books.total(), algedonic::Account::default());
    let mut subscription = here.subscribe::<Tick>();
    let receipt = here.publish(Tick::new(2)).await.expect("open");
    assert_eq!(receipt.local().subscribers, 1);
    assert!(subscription.recv().await.expect("open").is_ok());
    drop(subscription);
    let receipt = here.publish(Tick::new(3)).await.expect("open");
    assert_eq!(receipt.local().subscribers, 0);
    let report = here.shutdown(Duration::from_secs(5)).await;
    assert!(report.is_clean(), "{report}");
    assert_eq!((report.unread, report.counts.confirmed), (0, 3));
}

/// What came from elsewhere is not sent back, though it lies between others.
#[tokio::test]
async fn what_came_from_elsewhere_leaves_no_more() {
    let broker = Broker::new();
    let (here, there) = (bus(&broker, "here"), bus(&broker, "there"));
    link_is(&here, LinkState::Up).await;
    link_is(&there, LinkState::Up).await;
    let mut ticks = here.subscribe::<Tick>();
    for number in 0..200 {
        let receipt = there.publish(Tick::new(number)).await.expect("open");
        assert!(within("the outcome", receipt.remote()).await.is_confirmed());
        let arrived = within("the event", ticks.recv()).await;
        assert_eq!(arrived.expect("open").expect("no gap").number, number);
        if number % 3 == 0 {
            let receipt = here.publish(Tick::new(1_000 + number)).await.expect("open");
            assert!(within("the outcome", receipt.remote()).await.is_confirmed());
            let own = within("the event", ticks.recv()).await;
            assert_eq!(own.expect("open").expect("no gap").number, 1_000 + number);
        }
    }
    until("ours to arrive", || there.counts().received == 67).await;
    let (ours, theirs) = (here.counts(), there.counts());
    assert_eq!((ours.mirrored, ours.received), (67, 200));
    assert_eq!((theirs.mirrored, theirs.received), (200, 67));
    assert_eq!((told(&ours), told(&theirs)), (67, 200));
}

/// Events of every size that the engine treats in its own way: 64, 16, 4 or one side by side.
#[tokio::test]
async fn large_events_have_their_outcomes_too() {
    #[derive(Serialize, Deserialize)]
    struct Large<const LONGS: usize> {
        #[serde(skip, default = "zeros")]
        _longs: [u64; LONGS],
        number: u64,
    }
    fn zeros<const LONGS: usize>() -> [u64; LONGS] {
        [0; LONGS]
    }
    impl Event for Large<64> {
        const NAME: &'static str = "test.large.64";
    }
    impl Event for Large<512> {
        const NAME: &'static str = "test.large.512";
    }
    impl Event for Large<2048> {
        const NAME: &'static str = "test.large.2048";
    }
    async fn publish<const LONGS: usize>(bus: &Bus) -> Vec<algedonic::Receipt>
    where
        Large<LONGS>: Event,
    {
        let mut receipts = Vec::new();
        for number in 0..70 {
            let event = Large::<LONGS> {
                _longs: zeros(),
                number,
            };
            receipts.push(bus.publish(event).await.expect("open"));
        }
        receipts
    }
    let broker = Broker::new();
    let mirror = Mirror::new(broker.transport("sender"))
        .outbound::<Large<64>>()
        .outbound::<Large<512>>()
        .outbound::<Large<2048>>();
    let here = Bus::builder().mirror(mirror).build().expect("good");
    link_is(&here, LinkState::Up).await;
    let mut receipts = publish::<64>(&here).await;
    receipts.extend(publish::<512>(&here).await);
    receipts.extend(Box::pin(publish::<2048>(&here)).await);
    for receipt in receipts {
        let remote = within("the outcome", receipt.remote()).await;
        assert!(matches!(remote, algedonic::Remote::Unroutable), "{remote}");
    }
    assert_eq!(here.counts().unroutable, 210);
}
