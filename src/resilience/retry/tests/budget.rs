use std::time::Duration;

use proptest::prelude::*;
use tower::{Layer, Service, ServiceExt, service_fn};

use crate::resilience::{
    Kind,
    probe::{CASES, Failed, paused},
    retry::{BudgetConfig, GaveUp, RetryConfig, RetryLayer, core::budget::Budget},
};

const SECOND: u64 = 1_000_000_000;

#[derive(Clone, Copy, Debug)]
enum Step {
    Request,
    Retry,
    /// Nanoseconds.
    Tick(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => Just(Step::Request),
        5 => Just(Step::Retry),
        1 => (0..SECOND).prop_map(Step::Tick),
    ];
    prop::collection::vec(step, 1..150)
}

/// The ratio in millionths, so that what is expected is reckoned in whole numbers.
fn configs() -> impl Strategy<Value = (u64, BudgetConfig)> {
    let ratio = prop_oneof![
        0_u32..=1_000_000,
        0_u32..=5_000_000,
        Just(600_000),
        Just(333_333)
    ];
    (ratio, 0_u32..6, 1_u32..10).prop_map(|(ratio, per_second, saved)| {
        let config = BudgetConfig::default()
            .ratio(f64::from(ratio) / 1e6)
            .per_second(per_second)
            .saved(saved);
        (u64::from(ratio), config)
    })
}

/// A budget as plain as can be: a purse in millionths of a retry, and a bucket that fills by the nanosecond.
struct Model {
    ratio: u64,
    purse: u64,
    largest_purse: u64,
    /// What a retry takes from the bucket.
    interval: u64,
    bucket: u64,
    largest_bucket: u64,
}

impl Model {
    fn new(ratio: u64, config: &BudgetConfig) -> Self {
        let per_second = u64::from(config.per_second);
        let interval = if per_second == 0 {
            1
        } else {
            SECOND.div_ceil(per_second)
        };
        Self {
            ratio,
            purse: 0,
            largest_purse: u64::from(config.saved) * 1_000_000,
            interval,
            bucket: interval * per_second,
            largest_bucket: interval * per_second,
        }
    }

    fn request(&mut self) {
        self.purse = (self.purse + self.ratio).min(self.largest_purse);
    }

    fn retry(&mut self) -> bool {
        if self.purse >= 1_000_000 {
            self.purse -= 1_000_000;
        } else if self.bucket >= self.interval {
            self.bucket -= self.interval;
        } else {
            return false;
        }
        true
    }

    fn pass(&mut self, nanos: u64) {
        self.bucket = (self.bucket + nanos).min(self.largest_bucket);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(CASES))]

    #[test]
    fn rt_4_the_budget_and_the_model_agree((ratio, config) in configs(), steps in steps()) {
        let (budget, mut model) = (Budget::new(&config), Model::new(ratio, &config));
        let mut now = 0;
        for step in steps {
            match step {
                Step::Request => {
                    budget.deposit();
                    model.request();
                }
                Step::Retry => prop_assert_eq!(budget.withdraw(|| now), model.retry()),
                Step::Tick(nanos) => {
                    now += nanos;
                    model.pass(nanos);
                }
            }
            prop_assert_eq!(budget.saved(), model.purse / 1_000_000);
        }
    }

    /// Over every part of every history, as its documentation says.
    #[test]
    fn rt_4_retries_are_bounded_in_every_window((ratio, config) in configs(), steps in steps()) {
        let budget = Budget::new(&config);
        let mut now = 0;
        // What happened, when: a request, or a retry that was admitted.
        let mut history = Vec::new();
        for step in steps {
            match step {
                Step::Request => {
                    budget.deposit();
                    history.push((now, true));
                }
                Step::Retry => history.extend(budget.withdraw(|| now).then_some((now, false))),
                Step::Tick(nanos) => now += nanos,
            }
        }
        let (per_second, saved) = (u128::from(config.per_second), u128::from(config.saved));
        for begin in 0..history.len() {
            let (mut requests, mut retries) = (0_u128, 0_u128);
            for (at, is_request) in &history[begin..] {
                *(if *is_request { &mut requests } else { &mut retries }) += 1;
                let nanos = u128::from(at - history[begin].0) + u128::from(SECOND);
                // In millionths of a retry.
                let most = u128::from(ratio) * requests + saved * 1_000_000 + per_second * nanos / 1_000;
                prop_assert!(retries * 1_000_000 <= most, "{retries} of {requests} in {nanos} ns");
            }
        }
    }

    /// Over clones of services, and services of clones of a layer: each retry that one has no other has.
    #[test]
    fn rt_4_all_clones_share_one_budget(ratio in 0_u32..=1_500_000, calls in 1_u32..60, saved in 1_u32..20) {
        paused().block_on(async {
            let budget = BudgetConfig::default().ratio(f64::from(ratio) / 1e6).per_second(0).saved(saved);
            let mut model = Model::new(ratio.into(), &budget);
            let config = RetryConfig::default()
                .max_retries(2)
                .delays(Duration::from_millis(1), Duration::from_millis(1))
                .budget(budget.into());
            let layer = RetryLayer::new(config).expect("good");
            let service = service_fn(|_: u64| std::future::ready(Err::<u64, _>(Failed::of(Kind::Dependency))));
            let one = layer.layer(service);
            let mut services = [one.clone(), one, layer.clone().layer(service)];
            let (mut retries, mut refused) = (0, 0);
            for index in 0..calls {
                let service = services[index as usize % 3].ready().await.expect("ready");
                service.call(7).await.expect_err("it fails");
                model.request();
                for _ in 0..2 {
                    if !model.retry() {
                        refused += 1;
                        break;
                    }
                    retries += 1;
                }
            }
            let status = layer.handle().status();
            assert_eq!((status.retries, status.out_of_budget), (retries, refused));
            assert_eq!(status.saved, Some(model.purse / 1_000_000));
            assert_eq!(status.out_of_attempts, u64::from(calls) - refused);
        });
    }
}

/// tower's budget gives 1,000 retries for 1,000 requests at 0.6, and 333 at 0.3 (tower#857).
#[test]
fn rt_4_a_ratio_is_neither_rounded_up_nor_down() {
    for (ratio, expected) in [
        (0.6, 600),
        (0.3, 300),
        (1.0 / 3.0, 333),
        (0.2, 200),
        (1.5, 1_500),
    ] {
        let config = BudgetConfig::default()
            .ratio(ratio)
            .per_second(0)
            .saved(100_000);
        let budget = Budget::new(&config);
        (0..1_000).for_each(|_| budget.deposit());
        let mut retries = 0;
        while budget.withdraw(|| panic!("there is no reserve")) {
            retries += 1;
        }
        assert_eq!(retries, expected, "{ratio}");
    }
}

/// Time that stands still or goes back gives nothing.
#[test]
fn rt_4_a_reserve_is_not_filled_by_a_clock_that_goes_back() {
    let config = BudgetConfig::default().ratio(0.0).saved(0).per_second(4);
    let budget = Budget::new(&config);
    let mut taken = 0;
    for now in [SECOND, SECOND, 0, SECOND, SECOND / 2, SECOND, 0, SECOND] {
        taken += u32::from(budget.withdraw(|| now));
    }
    assert_eq!(taken, 4);
    assert!(!budget.withdraw(|| SECOND + SECOND / 4 - 1));
    assert!(budget.withdraw(|| SECOND + SECOND / 4));
    assert_eq!(GaveUp::ALL.len(), 4);
}
