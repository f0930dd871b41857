use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use algedonic::testing::{Faults, SendFault, TestBus, TestNet, Which};
use futures_util::FutureExt;

use crate::app::{Ordered, Shipped, order, run_stock, shop_and_stock};

/// What a future says when it panics.
async fn panics(future: impl Future) -> String {
    let panic = AssertUnwindSafe(future).catch_unwind().await;
    message(panic.err())
}

fn message(panic: Option<Box<dyn std::any::Any + Send>>) -> String {
    let panic = panic.expect("it does not panic");
    let text = panic.downcast::<String>().expect("a text");
    *text
}

#[tokio::test(start_paused = true)]
async fn a_delivery_that_does_not_come_says_what_came_and_where_it_was_awaited() {
    let net = TestNet::new().patience(Duration::from_secs(3));
    let (shop, _stock) = shop_and_stock(&net);
    shop.publish(order(1)).await.expect("open");
    let said = panics(shop.delivered::<Shipped>(|it| it.order == 2)).await;
    for part in [
        "failing.rs:",
        "stock.shipped",
        "3s",
        "1 shop.ordered, 1 stock.shipped",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let said = panics(shop.felt(|_| true)).await;
    assert!(said.contains("algedonic.signal"), "{said}");
    let said = panics(shop.wait_until("pigs fly", || false)).await;
    assert!(said.contains("3s until pigs fly"), "{said}");
}

#[tokio::test(start_paused = true)]
async fn a_bus_that_ends_says_so_at_once() {
    let bus = TestBus::local();
    bus.shutdown(Duration::from_secs(1)).await;
    let said = panics(bus.delivered::<Ordered>(|_| true)).await;
    assert!(said.contains("the bus has ended"), "{said}");
}

#[tokio::test(start_paused = true)]
async fn what_does_not_settle_is_named() {
    let net = TestNet::new().patience(Duration::from_secs(3));
    let (shop, stock) = shop_and_stock(&net);
    let _handler = stock.on::<Shipped>().handle(|_| async {
        std::future::pending::<()>().await;
        Ok::<_, std::io::Error>(())
    });
    shop.publish(order(1)).await.expect("open");
    let left = net.try_settle().await.expect_err("stuck");
    assert_eq!(left.left, ["stock: handlers have 1 stock.shipped"]);
    let said = panics(net.settle()).await;
    assert!(said.contains("not settled after 3s"), "{said}");
    assert!(said.contains("failing.rs:"), "{said}");
}

#[tokio::test(start_paused = true)]
async fn what_waits_at_the_broker_is_named() {
    let net = TestNet::new().patience(Duration::from_secs(3));
    let (shop, _stock) = shop_and_stock(&net);
    let hour = Duration::from_secs(3600);
    let slow = Faults::new().sending(Which::all(), SendFault::DelayArrival(hour));
    net.broker().inject(slow);
    shop.publish(order(1)).await.expect("open");
    let left = net.try_settle().await.expect_err("on its way");
    assert_eq!(left.left, ["the broker: 1 messages, or faults that end"]);
}

#[tokio::test(start_paused = true)]
async fn a_loss_is_named_with_the_books() {
    let bus = TestBus::local();
    run_stock(&bus);
    bus.assert_nothing_lost();
    let nothing = Ordered {
        order: 1,
        pieces: 0,
    };
    bus.publish(nothing).await.expect("open");
    bus.settle().await;
    let lost = catch_unwind(AssertUnwindSafe(|| bus.assert_nothing_lost()));
    let said = message(lost.err());
    for part in [
        "1 events dead-lettered",
        "shop.ordered handler",
        "1 published",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_fault_that_did_not_happen_is_named() {
    let net = TestNet::new();
    let (shop, _stock) = shop_and_stock(&net);
    let script = Faults::new().sending(Which::nth(2).of("shop"), SendFault::Reject);
    net.broker().inject(script);
    shop.publish(order(1)).await.expect("open");
    net.settle().await;
    let unused = catch_unwind(AssertUnwindSafe(|| net.assert_faults_happened()));
    let said = message(unused.err());
    assert!(
        said.contains("Reject") && said.contains("1 counted"),
        "{said}"
    );
    shop.publish(order(2)).await.expect("open");
    net.settle().await;
    net.assert_faults_happened();
}
