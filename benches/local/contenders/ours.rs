//! The bus: one event at a time, with its full metadata, books and a receipt.

use algedonic::{Buffer, Bus};

use crate::{
    case::Case,
    load::{CAPACITY, Reading, Round, ours},
};

pub(crate) fn ours(case: Case) -> Round {
    let bus = Bus::local();
    let publisher = |numbers| {
        let publisher = ours::publisher::<Reading>(&bus);
        async move {
            for number in numbers {
                ours::publish(&publisher, Reading::new(number)).await;
            }
        }
    };
    case.round(publisher, |mut tally| {
        let mut readings = bus.subscribe_with::<Reading>(Buffer::block(CAPACITY));
        async move {
            while tally.open() {
                ours::receive(&mut readings, |reading| tally.read(reading)).await;
            }
            tally.check();
        }
    })
}
