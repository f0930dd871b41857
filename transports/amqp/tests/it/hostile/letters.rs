//! Dead letters whose confirms and returns come in an order that the broker chooses.

use std::sync::{Arc, Mutex};

use algedonic_amqp::Amqp;

use super::{
    answers::confirm,
    broker::{Broker, Lie, frame, method, returned},
    case::{CONSUME, PUBLISH, delivery},
};
use crate::{
    raw::short,
    support::{eventually, next, receive, up},
};

const ACK: (u16, u16) = (60, 80);
const REJECT: (u16, u16) = (60, 90);

/// lapin hands a return to whichever publish is answered next. A letter that came back must not count as arrived
/// because another one, whose confirm came first, was given its return: the original would be gone.
#[tokio::test(flavor = "multi_thread")]
async fn a_return_is_that_of_the_letter_that_it_holds_whichever_confirm_comes_next() {
    for numbers in [[1, 2], [2, 1]] {
        let settled = Arc::<Mutex<Vec<((u16, u16), u8)>>>::default();
        let (book, letters) = (settled.clone(), Mutex::new(0));
        let broker = Broker::start(move |asked| match asked.method {
            CONSUME if asked.arguments.windows(7).any(|part| part == b".events") => {
                let consuming = method(asked.channel, (60, 21), &short(b"consumer"));
                let deliveries = [delivery(asked.channel, 1), delivery(asked.channel, 2)];
                Some(Lie::of(&[consuming, deliveries.concat()]))
            }
            PUBLISH => {
                let mut letters = letters.lock().expect("whole");
                *letters += 1;
                if *letters == 1 {
                    return Some(Lie::default());
                }
                let content = frame(2, asked.channel, asked.content);
                let body = frame(3, asked.channel, b"body");
                let confirms = numbers.map(|number| confirm(asked.channel, 80, number, 0));
                let returned = [returned(asked.channel), content, body].concat();
                Some(Lie::of(&[returned, confirms.concat()]))
            }
            ACK | REJECT => {
                let tag = asked.arguments[7];
                book.lock().expect("whole").push((asked.method, tag));
                None
            }
            _ => None,
        })
        .await;
        let amqp = Amqp::new(broker.config()).expect("started");
        let mut arrivals = receive(&amqp);
        up(&amqp).await;
        for _ in 0..2 {
            next(&mut arrivals).await.dead_letter_because("no use");
        }
        let both = async || settled.lock().expect("whole").len() >= 2;
        eventually("both are settled", both).await;
        let mut settled = settled.lock().expect("whole").clone();
        settled.sort_unstable();
        assert_eq!(settled, [(ACK, 1), (REJECT, 2)], "{numbers:?}");
    }
}
