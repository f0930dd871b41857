use proptest::prelude::*;

use super::super::{channel::Channel, outgoing::Said};

/// A channel with this prefetch and one subscription, on which so many messages were published.
fn channel(prefetch: u16, published: u64) -> Channel {
    let mut channel = Channel::new();
    channel.told(Said::Qos { prefetch });
    channel.told(Said::Consume);
    channel.told(Said::Confirm);
    for _ in 0..published {
        channel.told(Said::Publish);
    }
    channel
}

/// A whole message for the consumer, without a body.
fn deliver(channel: &mut Channel, tag: u64) -> Result<(), String> {
    let arguments = [&[1, b'c'][..], &tag.to_be_bytes(), &[0, 0, 0]].concat();
    let delivered = channel.method((60, 60), &arguments);
    let header = delivered.and_then(|()| channel.header(0, false));
    header.map(drop).map_err(|broken| broken.to_string())
}

#[test]
fn deliveries_are_numbered_one_by_one_on_each_channel() {
    for tags in [
        &[0][..],
        &[2],
        &[1, 1],
        &[1, 3],
        &[1, 2, u64::MAX],
        &[1 << 63],
    ] {
        let mut channel = channel(10, 0);
        let (last, good) = tags.split_last().expect("one");
        for tag in good {
            deliver(&mut channel, *tag).expect("in order");
        }
        let error = deliver(&mut channel, *last).expect_err("out of order");
        assert!(error.contains("out of order"), "{error}");
    }
}

#[test]
fn returns_confirms_and_cancels_are_of_what_was_asked_for() {
    let returned = |channel: &mut Channel| {
        let method = channel.method((60, 50), &[]);
        method.and_then(|()| channel.header(0, false)).is_ok()
    };
    let mut channel = channel(1, 2);
    assert!(returned(&mut channel) && returned(&mut channel) && !returned(&mut channel));
    let mut channel = self::channel(1, 2);
    assert!(channel.method((60, 30), &[]).is_ok());
    assert!(channel.method((60, 30), &[]).is_err());
}

#[test]
fn what_was_published_is_confirmed_once() {
    for number in [80, 120] {
        let told = |channel: &mut Channel, (tag, multiple): (u64, bool)| {
            let arguments = [&tag.to_be_bytes()[..], &[multiple.into()]].concat();
            channel.method((60, number), &arguments).is_ok()
        };
        for (good, bad) in [
            (&[][..], (0, false)),
            (&[], (6, false)),
            (&[], (6, true)),
            (&[], (1 << 63, true)),
            (&[(1, false)], (1, false)),
            (&[(3, false), (1, false), (5, true)], (4, false)),
            (&[(3, true), (3, true), (1, true)], (3, false)),
            (&[(0, true), (0, true)], (5, false)),
        ] {
            let mut channel = channel(1, 5);
            assert!(good.iter().all(|tag| told(&mut channel, *tag)), "{good:?}");
            assert!(!told(&mut channel, bad), "{good:?}, then {bad:?}");
        }
    }
    let mut silent = Channel::new();
    silent.told(Said::Publish);
    assert!(
        silent
            .method((60, 80), &[0, 0, 0, 0, 0, 0, 0, 1, 0])
            .is_err()
    );
}

#[test]
fn flow_is_asked_for_again_when_the_answer_is_there() {
    let mut channel = channel(1, 0);
    for _ in 0..1000 {
        channel.method((20, 20), &[1]).expect("now and then");
        channel.told(Said::FlowOk);
    }
    assert!((0..17).any(|_| channel.method((20, 20), &[1]).is_err()));
}

#[test]
fn content_comes_in_its_order_and_no_more_of_it_than_was_announced() {
    let announced = || {
        let mut channel = channel(1, 1);
        channel.method((60, 50), &[]).expect("published");
        channel
    };
    assert!(channel(1, 0).header(0, false).is_err());
    assert!(channel(1, 0).body(0).is_err());
    assert!(announced().body(0).is_err());
    assert!(announced().method((60, 11), &[]).is_err());
    for (left_out, passes) in [(false, true), (true, false)] {
        let mut channel = announced();
        channel.header(3, left_out).expect("announced");
        assert!(channel.header(3, left_out).is_err());
        assert_eq!(channel.body(2).ok(), Some(passes));
        assert_eq!(channel.method((60, 11), &[]).is_ok(), left_out);
        let mut channel = announced();
        channel.header(3, left_out).expect("announced");
        assert!(channel.body(4).is_err());
        let mut channel = announced();
        channel.header(3, left_out).expect("announced");
        channel.body(3).expect("all of it");
        channel.method((60, 11), &[]).expect("it was whole");
    }
}

#[derive(Clone, Debug)]
enum Step {
    Deliver,
    Settle(prop::sample::Index, bool),
}

proptest! {
    /// A broker that keeps to its prefetch is never stopped, however it is answered; one that sends more than
    /// twice as much is.
    #[test]
    fn as_many_are_delivered_as_were_asked_for(
        prefetch in 1_u16..20,
        steps in prop::collection::vec(prop_oneof![
            3 => Just(Step::Deliver),
            2 => (any::<prop::sample::Index>(), any::<bool>()).prop_map(|(index, all)| Step::Settle(index, all)),
        ], 0..300),
    ) {
        let mut channel = channel(prefetch, 0);
        let mut open: Vec<u64> = Vec::new();
        let mut last = 0;
        for step in steps {
            match step {
                Step::Deliver if open.len() < prefetch.into() => {
                    last += 1;
                    open.push(last);
                    prop_assert_eq!(deliver(&mut channel, last), Ok(()));
                }
                Step::Settle(index, multiple) if !open.is_empty() => {
                    let index = index.index(open.len());
                    let tag = open[index];
                    channel.told(Said::Settle { tag, multiple });
                    if multiple {
                        open.drain(..=index);
                    } else {
                        open.remove(index);
                    }
                }
                _ => {}
            }
        }
        let more = (1..=u64::from(u32::MAX)).find(|more| deliver(&mut channel, last + more).is_err());
        prop_assert_eq!(more, Some(2 * u64::from(prefetch) - open.len() as u64 + 1));
    }
}
