use std::collections::BTreeSet;

use algedonic::{
    Remote,
    testing::{Faults, TestNet},
};

use crate::app::{Ordered, order, shop_and_stock};

/// Orders under the faults of a seed; what was shipped of those whose receipt said confirmed, and of all.
async fn trade(faults: Faults) -> (Vec<u32>, Vec<u32>) {
    let net = TestNet::new();
    let (shop, stock) = shop_and_stock(&net);
    net.broker().inject(faults);
    let mut confirmed = BTreeSet::new();
    for number in 100..140 {
        let receipt = shop.publish(order(number)).await.expect("open");
        if let Remote::Confirmed = receipt.remote().await {
            confirmed.insert(number);
        }
    }
    net.broker().inject(Faults::new());
    net.settle().await;
    let arrived: Vec<u32> = stock
        .events::<Ordered>()
        .iter()
        .map(|it| it.order)
        .collect();
    let once: BTreeSet<u32> = arrived.iter().copied().collect();
    assert_eq!(once.len(), arrived.len(), "each once: {arrived:?}");
    assert!(arrived.is_sorted(), "{arrived:?}");
    assert!(confirmed.is_subset(&once), "{confirmed:?} of {once:?}");
    net.assert_balanced();
    (confirmed.into_iter().collect(), arrived)
}

#[tokio::test(start_paused = true)]
async fn what_is_confirmed_arrives_once_whatever_goes_wrong() {
    trade(Faults::random()).await;
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_goes_the_same_way() {
    for seed in 0..8 {
        let faults = || Faults::seeded(seed).one_in(4);
        assert_eq!(trade(faults()).await, trade(faults()).await, "seed {seed}");
    }
}
