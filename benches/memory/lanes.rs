//! What a lane holds, which is there as soon as somebody subscribes to its type, and stays.

use algedonic::{Bus, Event};
use tokio::runtime::Runtime;

use crate::{
    held,
    load::{CAPACITY, ours},
};

/// Sixteen types of 64 bytes.
struct Lane<const NUMBER: usize>([u64; 8]);

const NAMES: [&str; 16] = [
    "lane.0", "lane.1", "lane.2", "lane.3", "lane.4", "lane.5", "lane.6", "lane.7", "lane.8",
    "lane.9", "lane.10", "lane.11", "lane.12", "lane.13", "lane.14", "lane.15",
];

impl<const NUMBER: usize> Event for Lane<NUMBER> {
    const NAME: &'static str = NAMES[NUMBER];
}

macro_rules! each_lane {
    ($call:ident, $($number:literal)*) => { ($($call!($number),)*) };
    ($call:ident) => { each_lane!($call, 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15) };
}

/// With its one subscription, and alone when that is gone; before traffic, and after.
pub(crate) fn measure(bus: &Bus, runtime: &Runtime) {
    macro_rules! subscribe {
        ($number:literal) => {
            bus.subscribe::<Lane<$number>>()
        };
    }
    macro_rules! traffic {
        ($number:literal) => {
            runtime.block_on(traffic::<$number>(bus))
        };
    }
    let empty = held();
    let each = |bytes: usize| (bytes - empty) / NAMES.len();

    let subscriptions = each_lane!(subscribe);
    let with_subscription = each(held());
    drop(subscriptions);
    let alone = each(held());
    let _ = each_lane!(traffic);
    let after = each(held());
    println!(
        "lane with-its-subscription={with_subscription} alone={alone} alone-after-traffic={after}"
    );
}

async fn traffic<const NUMBER: usize>(bus: &Bus) {
    let mut subscription = bus.subscribe::<Lane<NUMBER>>();
    let publisher = ours::publisher(bus);
    for number in 0..CAPACITY {
        ours::publish(&publisher, Lane::<NUMBER>([number as u64; 8])).await;
    }
    for number in 0..CAPACITY {
        let read = ours::receive(&mut subscription, |lane: &Lane<NUMBER>| lane.0[7]).await;
        assert_eq!(read, number as u64);
    }
}
