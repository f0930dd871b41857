use std::{
    collections::BTreeSet,
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use algedonic::{Asked, Bus, CorrelationId, Event, Request};
use futures_util::future::join_all;
use tokio::sync::{Barrier, Semaphore};

use super::{Ask, How, balanced, obey};
use crate::patience::within;

/// A request that can be moved only: neither `Clone` nor `Sync`, and its reply not either.
struct Take(std::cell::Cell<u64>);

impl Request for Take {
    const NAME: &'static str = "test.take";
    type Reply = std::cell::Cell<u64>;
    type Error = Infallible;
}

/// Requirements 2.01 and 2.16: asked, and a typed reply.
#[tokio::test]
async fn a_request_gets_its_reply() {
    let bus = Bus::local();
    let _responder = bus.respond::<Ask>().with(obey);
    assert_eq!(bus.request(Ask::new(7, How::Answer)).await, Ok(7));
    bus.respond::<Take>()
        .with(|asked: Asked<Take>| async { Ok(asked.into_request().0) })
        .detach();
    let taken = bus.request(Take(9.into())).await.expect("a reply");
    assert_eq!(taken.get(), 9);
    assert_eq!(bus.counts().requests_answered, 2);
    assert!(balanced(&bus));
}

/// Requirement 2.16, second half: or a typed error.
#[tokio::test]
async fn or_the_error_of_its_responder() {
    let bus = Bus::local();
    let _responder = bus.respond::<Ask>().with(obey);
    let failed = bus.request(Ask::new(7, How::Fail)).await;
    assert_eq!(
        failed,
        Err(algedonic::RequestError::Failed(super::Refused(7)))
    );
    assert_eq!(bus.counts().requests_declined, 1);
    assert!(balanced(&bus));
}

struct Reaction;

impl Event for Reaction {
    const NAME: &'static str = "test.request.reaction";
}

struct Outer;

impl Request for Outer {
    const NAME: &'static str = "test.outer";
    type Reply = ();
    type Error = algedonic::Error;
}

/// Requirements 3.12 and 3.13: over several steps, without the steps' doing.
#[tokio::test]
async fn what_is_published_and_asked_inside_carries_the_request_as_its_cause() {
    let bus = Bus::local();
    let mut reactions = bus.subscribe::<Reaction>();
    let (outer, inner) = (bus.clone(), bus.clone());
    let _outer = bus.respond::<Outer>().with(move |asked| {
        let bus = outer.clone();
        async move {
            let request = bus.request(Ask::new(1, How::Answer));
            assert_eq!(asked.metadata().correlation.to_string(), "workflow-7");
            request.await.expect("a reply");
            Ok(())
        }
    });
    let (told, mut inner_id) = tokio::sync::mpsc::unbounded_channel();
    let _inner = bus.respond::<Ask>().with(move |asked| {
        let (bus, told) = (inner.clone(), told.clone());
        async move {
            told.send((asked.id(), asked.metadata().causation))
                .expect("the test is listening");
            bus.publish(Reaction).await.expect("open");
            Ok(0)
        }
    });
    let conversation = CorrelationId::from_text("workflow-7");
    let asking = bus.request(Outer).correlation(conversation.clone());
    let outer_id = asking.id();
    asking.await.expect("a reply");
    let (inner_id, caused_by) = inner_id.recv().await.expect("told");
    assert_eq!(caused_by, Some(outer_id));
    let reaction = reactions.recv().await.expect("open").expect("no gap");
    assert_eq!(reaction.metadata().causation, Some(inner_id));
    assert_eq!(reaction.metadata().correlation, conversation);
}

/// Requirement 2.06: each request to one, each answer to who asked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn responders_compete_and_each_request_goes_to_exactly_one() {
    const REQUESTS: u64 = 2_000;
    let bus = Bus::local();
    let seen: Vec<_> = (0..3).map(|_| Arc::new(AtomicUsize::new(0))).collect();
    for seen in &seen {
        let seen = Arc::clone(seen);
        bus.respond::<Ask>()
            .capacity(4)
            .concurrency(2)
            .with(move |asked| {
                seen.fetch_add(1, Ordering::Relaxed);
                async move {
                    tokio::task::yield_now().await;
                    obey(asked).await
                }
            })
            .detach();
    }
    let asked = (0..REQUESTS).map(|number| {
        let bus = bus.clone();
        tokio::spawn(async move { bus.request(Ask::new(number, How::Answer)).await })
    });
    let replies = within("the replies", join_all(asked)).await;
    let replies: BTreeSet<u64> = replies
        .into_iter()
        .map(|reply| reply.expect("no panic").expect("a reply"))
        .collect();
    assert!(replies.into_iter().eq(0..REQUESTS));
    let each: Vec<_> = seen
        .iter()
        .map(|seen| seen.load(Ordering::Relaxed))
        .collect();
    assert_eq!(each.iter().sum::<usize>() as u64, REQUESTS);
    assert!(each.iter().all(|count| *count > 0), "{each:?}");
    assert!(balanced(&bus));
}

#[tokio::test]
async fn a_responder_has_as_many_in_hand_as_it_chose() {
    let bus = Bus::local();
    let (barrier, most) = (Arc::new(Barrier::new(3)), Arc::new(Semaphore::new(3)));
    let _responder = bus.respond::<Ask>().concurrency(3).with(move |asked| {
        let (barrier, most) = (Arc::clone(&barrier), Arc::clone(&most));
        async move {
            let _one = most.try_acquire().expect("no more than three at once");
            barrier.wait().await;
            obey(asked).await
        }
    });
    let asked = (0..9).map(|number| bus.request(Ask::new(number, How::Answer)).into_future());
    let replies = within("three at once, three times", join_all(asked)).await;
    assert!(replies.into_iter().map(Result::unwrap).eq(0..9));
}
