//! A channel for each subscriber; the publisher goes from one to the next.
//!
//! `TRY_SEND` and `TRY_RECEIVE`: first without waiting, and only then with.

use std::ops::Range;

use tokio::sync::mpsc;

use crate::{
    case::Case,
    load::{CAPACITY, Round},
    payload::Payload,
};

// A macro, so that the channels' own futures are awaited, with nothing around them.
macro_rules! fan_out {
    ($name:ident, $channel:path, $send:ident, $sent:pat, $receive:ident, $event:ident, $received:pat) => {
        pub(crate) fn $name<P: Payload, const TRY_SEND: bool, const TRY_RECEIVE: bool>(
            case: Case,
        ) -> Round {
            let (senders, receivers): (Vec<_>, Vec<_>) =
                (0..case.subscribers).map(|_| $channel(CAPACITY)).unzip();
            let maker = P::maker();
            let publisher = |numbers: Range<u64>| {
                let (senders, maker) = (senders.clone(), maker.clone());
                async move {
                    for number in numbers {
                        let event = P::make(&maker, number);
                        for sender in &senders {
                            if TRY_SEND && matches!(sender.try_send(event.clone()), $sent) {
                                continue;
                            }
                            assert!(sender.$send(event.clone()).await.is_ok(), "open");
                        }
                    }
                }
            };
            let mut receivers = receivers.into_iter();
            case.round(publisher, |mut tally| {
                #[allow(unused_mut, reason = "only tokio's is received from by `&mut`")]
                let mut receiver = receivers.next().expect("one for each subscriber");
                async move {
                    while tally.open() {
                        if TRY_RECEIVE && let $received = receiver.try_recv() {
                            tally.read($event.reading());
                            continue;
                        }
                        let $event = receiver.$receive().await.expect("open");
                        tally.read($event.reading());
                    }
                    tally.check();
                }
            })
        }
    };
}

fan_out!(
    tokio_mpsc,
    mpsc::channel,
    send,
    Ok(()),
    recv,
    event,
    Ok(event)
);
fan_out!(
    flume,
    flume::bounded,
    send_async,
    Ok(()),
    recv_async,
    event,
    Ok(event)
);
fan_out!(
    kanal,
    kanal::bounded_async,
    send,
    Ok(true),
    recv,
    event,
    Ok(Some(event))
);
