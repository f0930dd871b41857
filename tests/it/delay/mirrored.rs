use algedonic::{
    Bus, ErrorKind, Event, Key, KeyError, LinkState, LocalOnly, Mirror, Remote, memory::Broker,
};
use futures_util::FutureExt;
use serde::{Deserialize, Serialize};

use super::{assert_balanced, ms};
use crate::{
    events::{StateChange, Tick},
    mirror::{bus, link_is},
    patience::{until, within},
};

#[tokio::test]
async fn a_mirrored_event_leaves_when_it_is_due() {
    let broker = Broker::new();
    let (here, there) = (bus(&broker, "here"), bus(&broker, "there"));
    link_is(&here, LinkState::Up).await;
    link_is(&there, LinkState::Up).await;
    let mut changes = there.subscribe::<StateChange>();
    let kept = here
        .publish_after(ms(50), StateChange::of("s3"))
        .expect("open");
    let cancelled = here
        .publish_after(ms(10), StateChange::of("s4"))
        .expect("open");
    cancelled.cancel().expect("not due");
    tokio::task::yield_now().await;
    assert!(changes.recv().now_or_never().is_none());
    let receipt = kept.await.expect("published");
    let id = receipt.id();
    assert!(receipt.remote().await.is_confirmed());
    let change = within("the event", changes.recv()).await;
    let change = change.expect("open").expect("no gap");
    assert_eq!((change.id(), &*change.subsystem), (id, "s3"));
    // What others send is delivered, and not delayed again.
    until("the echo", || here.counts().echoes == 1).await;
    assert_eq!((here.counts().delayed, there.counts().delayed), (1 + 1, 0));
    assert_balanced(&here);
}

/// Whether there is a broker matters when it is due, not before.
#[tokio::test]
async fn without_a_broker_it_stays_here_as_any_event() {
    let broker = Broker::new();
    let here = bus(&broker, "here");
    link_is(&here, LinkState::Up).await;
    let mut ticks = here.subscribe::<Tick>();
    let delayed = here.publish_after(ms(20), Tick::new(1)).expect("open");
    broker.stop();
    link_is(&here, LinkState::Down).await;
    let receipt = within("the publish", delayed).await.expect("published");
    let remote = within("the outcome", receipt.remote()).await;
    assert!(
        matches!(remote, Remote::LocalOnly(LocalOnly::Away(_))),
        "{remote}"
    );
    assert_eq!(ticks.recv().await.expect("open").expect("no gap").number, 1);
}

/// A key that other processes would not receive is refused by the call.
#[tokio::test]
async fn a_key_beyond_the_type_is_refused_by_the_call() {
    #[derive(Serialize, Deserialize)]
    struct Stray;
    impl Event for Stray {
        const NAME: &'static str = "test.stray";
        fn key(&self) -> Result<Key, KeyError> {
            Key::new("somewhere.else")
        }
    }
    let mirror = Mirror::new(Broker::new().transport("here")).outbound::<Stray>();
    let bus = Bus::builder()
        .mirror(mirror)
        .build()
        .expect("nothing wrong");
    let refused = bus.publish_after(ms(10), Stray).expect_err("uncovered");
    assert_eq!(refused.kind(), ErrorKind::Malformed);
    assert_eq!((bus.counts().refused, bus.counts().delayed), (1, 0));
}
