use std::time::Duration;

use algedonic::{
    Bus, Level, Mirror, Remote, Signal,
    testing::{DeliveryFault, Faults, Limits, SendFault, TestNet, Which},
};
use tokio::time::Instant;

use crate::app::{Ordered, Shipped, order, shipped, shop_and_stock};

#[tokio::test(start_paused = true)]
async fn a_cascade_over_two_buses_is_settled_as_one() {
    let net = TestNet::new();
    let (shop, stock) = shop_and_stock(&net);
    for number in 1..=3 {
        shop.publish(order(number)).await.expect("open");
    }
    net.settle().await;
    assert_eq!(shipped(&shop), [1, 2, 3]);
    assert_eq!(shop.received::<Shipped>().len(), 3);
    assert!(shop.published::<Shipped>().is_empty());
    assert_eq!(stock.received::<Ordered>().len(), 3);
    net.assert_balanced();
    shop.assert_nothing_lost();
    stock.assert_nothing_lost();
}

#[tokio::test(start_paused = true)]
async fn pain_is_felt_in_both() {
    let net = TestNet::new();
    let (shop, stock) = shop_and_stock(&net);
    let nothing = Ordered {
        order: 1,
        pieces: 0,
    };
    shop.publish(nothing).await.expect("open");
    let pain = shop.felt(|signal| signal.level == Level::High).await;
    assert_eq!(pain.source, "stock");
    net.settle().await;
    assert_eq!((shop.signalled().len(), stock.signalled().len()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn an_order_cut_before_its_confirm_is_shipped_all_the_same() {
    let net = TestNet::new();
    let (shop, _stock) = shop_and_stock(&net);
    let cut = Faults::new().sending(Which::nth(2).of("shop"), SendFault::CutBeforeConfirm);
    net.broker().inject(cut.downtime(Duration::from_secs(1)));
    let mut remotes = Vec::new();
    for number in 1..=3 {
        let receipt = shop.publish(order(number)).await.expect("open");
        remotes.push(receipt.remote().await);
    }
    assert!(matches!(remotes[0], Remote::Confirmed));
    assert!(matches!(remotes[1], Remote::Unknown { .. }));
    assert!(
        matches!(remotes[2], Remote::LocalOnly(_)),
        "away for a second"
    );
    net.settle().await;
    assert_eq!(shipped(&shop), [1, 2]);
    assert!(shop.health().to_string().contains("up"));
    net.assert_faults_happened();
    net.assert_balanced();
}

#[tokio::test(start_paused = true)]
async fn an_order_whose_ack_is_cut_off_is_shipped_once() {
    let net = TestNet::new();
    let (shop, stock) = shop_and_stock(&net);
    let cut = Faults::new().delivering(Which::nth(1).of("stock"), DeliveryFault::CutBeforeAck);
    net.broker().inject(cut);
    shop.publish(order(1)).await.expect("open");
    net.settle().await;
    assert_eq!((shipped(&shop), stock.counts().duplicates), (vec![1], 1));
    net.assert_faults_happened();
}

#[tokio::test(start_paused = true)]
async fn late_messages_and_confirms_are_waited_for() {
    let net = TestNet::new();
    let (shop, _stock) = shop_and_stock(&net);
    let slow = Faults::new()
        .sending(
            Which::nth(1).of("shop"),
            SendFault::DelayArrival(Duration::from_secs(9)),
        )
        .sending(
            Which::nth(1).of("stock"),
            SendFault::DelayConfirm(Duration::from_secs(3)),
        );
    net.broker().inject(slow);
    let start = Instant::now();
    shop.publish(order(1)).await.expect("open");
    net.settle().await;
    assert!(start.elapsed() >= Duration::from_millis(12_500));
    assert_eq!(shipped(&shop), [1]);
    shop.assert_nothing_lost();
}

#[tokio::test(start_paused = true)]
async fn without_the_broker_all_is_local_and_settled() {
    let net = TestNet::new();
    let (shop, stock) = shop_and_stock(&net);
    shop.publish(order(1)).await.expect("open");
    net.settle().await;
    net.broker().stop();
    shop.publish(order(2)).await.expect("open");
    net.settle().await;
    assert_eq!(shop.counts().local_only, 1);
    assert_eq!(shipped(&stock), [1]);
    net.assert_balanced();
    net.broker().start();
    shop.publish(order(3)).await.expect("open");
    net.settle().await;
    assert_eq!(shipped(&shop), [1, 3]);
}

#[tokio::test(start_paused = true)]
async fn a_bus_that_the_application_built_can_join() {
    let net = TestNet::with_limits(Limits {
        prefetch: 1,
        ..Limits::default()
    });
    let mirror = Mirror::new(net.broker().transport("log")).inbound::<Ordered>();
    let built = Bus::builder().source("log").mirror(mirror).build();
    let log = net.join(built.expect("good"));
    let (shop, _stock) = shop_and_stock(&net);
    shop.publish(order(1)).await.expect("open");
    shop.signal(Signal::pain(Level::Low, "alone"))
        .await
        .expect("open");
    net.settle().await;
    assert_eq!(
        (log.events::<Ordered>().len(), log.signalled().len()),
        (1, 1)
    );
    assert_eq!(format!("{net:?}").matches("buses: 3").count(), 1);
}
