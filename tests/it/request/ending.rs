use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use algedonic::{Bus, RequestError, Verdict};
use tokio::time::Instant;

use super::{Ask, How, balanced, obey, scene};
use crate::patience::{until, within};

#[tokio::test(start_paused = true)]
async fn a_shutdown_ends_what_waits_and_finishes_what_is_in_hand() {
    let scene = scene(How::Take(Duration::from_secs(2))).await;
    let shutdown = scene.bus.shutdown(Duration::from_secs(8));
    let (report, in_hand, queued) = tokio::join!(shutdown, scene.in_hand, scene.queued);
    assert_eq!(queued, Err(RequestError::Closing { begun: false }));
    assert_eq!(in_hand, Ok(1));
    assert_eq!((report.handlers_finished, report.handlers_aborted), (1, 0));
    let next = scene.bus.request(Ask::new(3, How::Answer)).await;
    assert_eq!(next, Err(RequestError::Closing { begun: false }));
    assert!(scene.bus.respond::<Ask>().with(obey).is_finished());
    assert!(balanced(&scene.bus));
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_cuts_off_what_takes_too_long() {
    let scene = scene(How::Hang).await;
    let start = Instant::now();
    let shutdown = scene.bus.shutdown(Duration::from_secs(4));
    let (report, in_hand) = tokio::join!(shutdown, scene.in_hand);
    let cut_off = RequestError::Closing { begun: true };
    assert_eq!(cut_off.verdict(), Verdict::Permanent);
    assert_eq!(in_hand, Err(cut_off));
    assert!(start.elapsed() <= Duration::from_secs(4));
    assert_eq!(report.handlers_aborted, 1);
    assert_eq!(report.counts.requests_lost, 1);
    scene.responder.detach();
}

/// The asker holds no bus, the responder does not either.
#[tokio::test]
async fn a_dropped_bus_answers_everyone_and_leaks_nothing() {
    let bus = Bus::local();
    let alive = Arc::new(());
    let leaked: Weak<()> = Arc::downgrade(&alive);
    let responder = bus.respond::<Ask>().capacity(1).with(move |asked| {
        let alive = Arc::clone(&alive);
        async move {
            let reply = obey(asked).await;
            drop(alive);
            reply
        }
    });
    responder.detach();
    let asked: Vec<_> = (0..3)
        .map(|number| tokio::spawn(bus.request(Ask::new(number, How::Hang)).into_future()))
        .collect();
    until("the first", || leaked.strong_count() == 2).await;
    drop(bus);
    let mut begun = 0;
    for asked in asked {
        match within("the answer", asked).await.expect("no panic") {
            Err(RequestError::Closing { begun: now }) => begun += u32::from(now),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(begun, 1);
    let metrics = tokio::runtime::Handle::current().metrics();
    until("the tasks to end", || metrics.num_alive_tasks() == 0).await;
    assert!(leaked.upgrade().is_none());
}
