//! The bus: one event at a time, with its full metadata, books and a receipt.

use algedonic::{Buffer, Bus};

use crate::{
    case::Case,
    load::{CAPACITY, Reading, Round},
};

pub(crate) fn ours(case: Case) -> Round {
    let bus = Bus::local();
    let publisher = |numbers| {
        let publisher = bus.publisher::<Reading>();
        async move {
            for number in numbers {
                publisher.publish(Reading::new(number)).await.expect("open");
            }
        }
    };
    case.round(publisher, |mut tally| {
        let mut readings = bus.subscribe_with::<Reading>(Buffer::block(CAPACITY));
        async move {
            while tally.open() {
                let reading = readings.recv_ref().await.expect("open");
                tally.read(&reading.expect("no gap"));
            }
            tally.check();
        }
    })
}
