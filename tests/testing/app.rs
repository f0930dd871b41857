use std::time::Duration;

use algedonic::{
    Bus, Event, Fail, Level, Retry, Signal,
    testing::{TestBus, TestNet},
};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Ordered {
    pub(crate) order: u32,
    pub(crate) pieces: u32,
}

impl Event for Ordered {
    const NAME: &'static str = "shop.ordered";
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Packed {
    pub(crate) order: u32,
}

impl Event for Packed {
    const NAME: &'static str = "stock.packed";
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Shipped {
    pub(crate) order: u32,
}

impl Event for Shipped {
    const NAME: &'static str = "stock.shipped";
}

pub(crate) fn order(order: u32) -> Ordered {
    Ordered { order, pieces: 1 }
}

/// Packs what is ordered, and ships what is packed. An order of nothing hurts. The first attempt at order 13 fails.
pub(crate) fn run_stock(bus: &Bus) {
    let out = bus.clone();
    let mut unlucky = true;
    let retry = Retry::attempts(3).delays(Duration::from_secs(20), Duration::from_secs(20));
    bus.on::<Ordered>()
        .retry(retry)
        .handle(move |ordered| {
            let bus = out.clone();
            let fails = ordered.order == 13 && std::mem::take(&mut unlucky);
            async move {
                if fails {
                    return Err(Fail::from(std::io::Error::other("the belt tore")));
                }
                if ordered.pieces == 0 {
                    let pain = Signal::pain(Level::High, "empty_order");
                    bus.signal(pain).await?;
                    return Err(Fail::dead_letter("nothing to pack"));
                }
                bus.publish(Packed {
                    order: ordered.order,
                })
                .await?;
                Ok(())
            }
        })
        .detach();
    let out = bus.clone();
    bus.on::<Packed>()
        .handle(move |packed| {
            let bus = out.clone();
            async move {
                // The belt takes its time.
                tokio::time::sleep(Duration::from_millis(500)).await;
                let order = packed.order;
                bus.publish(Shipped { order }).await.map(drop)
            }
        })
        .detach();
}

/// A shop that orders, and a stock that ships, joined.
pub(crate) fn shop_and_stock(net: &TestNet) -> (TestBus, TestBus) {
    let shop = net.bus("shop", |mirror| {
        mirror.outbound::<Ordered>().inbound::<Shipped>()
    });
    let stock = net.bus("stock", |mirror| {
        mirror.inbound::<Ordered>().outbound::<Shipped>()
    });
    run_stock(&stock);
    (shop, stock)
}

pub(crate) fn shipped(bus: &TestBus) -> Vec<u32> {
    let shipped = bus.events::<Shipped>();
    shipped.iter().map(|shipped| shipped.order).collect()
}
