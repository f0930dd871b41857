//! Retries around what succeeds at the first attempt.

use std::{sync::Arc, time::Duration};

use algedonic::resilience::retry::{Budget, RetryConfig, RetryLayer};
use tower::{
    Layer,
    retry::{
        Policy,
        budget::{Budget as _, TpsBudget},
    },
};
use tower_resilience_retry::{RetryBudgetBuilder, RetryLayer as TheirLayer};

use crate::{
    call::Setting::{OneThread, TwoThreads},
    case::{
        Case, Contender,
        Target::{Faster, OverBare},
    },
    inner::{Answer, Nothing},
};

const PEER: &str = "tower-resilience";
const TOWER: &str = "tower";

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case {
            name: "retry",
            contenders: vec![ours(Budget::Unlimited), theirs(false), towers(false)],
            targets: &[
                (OneThread, OverBare(3.0)),
                (OneThread, Faster(PEER, 8.0)),
                // At most 1.7 times as much.
                (OneThread, Faster(TOWER, 0.59)),
            ],
        },
        Case {
            name: "retry-with-a-budget",
            contenders: vec![ours(Budget::default()), theirs(true), towers(true)],
            targets: &[
                (OneThread, OverBare(12.0)),
                (OneThread, Faster(PEER, 8.0)),
                (OneThread, Faster(TOWER, 2.0)),
                (TwoThreads, Faster(TOWER, 3.0)),
            ],
        },
    ]
}

fn ours(budget: Budget) -> Contender {
    Contender::new("ours", move || {
        let config = RetryConfig::default().budget(budget.clone());
        RetryLayer::new(config).expect("good").layer(Nothing)
    })
}

fn theirs(with_budget: bool) -> Contender {
    Contender::new(PEER, move || {
        let mut builder = TheirLayer::<u64, u64, &'static str>::builder()
            .max_attempts(4)
            .exponential_backoff(Duration::from_millis(100));
        if with_budget {
            let budget = RetryBudgetBuilder::new().token_bucket().build();
            builder = builder.budget(budget.expect("good"));
        }
        builder.build().layer(Nothing)
    })
}

/// What the documentation of tower's retry shows.
#[derive(Clone)]
struct Attempts {
    left: u32,
    budget: Option<Arc<TpsBudget>>,
}

impl Policy<u64, u64, &'static str> for Attempts {
    type Future = std::future::Ready<()>;

    fn retry(&mut self, _: &mut u64, result: &mut Answer) -> Option<Self::Future> {
        if result.is_ok() {
            if let Some(budget) = &self.budget {
                budget.deposit();
            }
            return None;
        }
        let admitted = self.budget.as_ref().is_none_or(|budget| budget.withdraw());
        if self.left == 0 || !admitted {
            return None;
        }
        self.left -= 1;
        Some(std::future::ready(()))
    }

    fn clone_request(&mut self, request: &u64) -> Option<u64> {
        Some(*request)
    }
}

fn towers(with_budget: bool) -> Contender {
    Contender::new(TOWER, move || {
        let policy = Attempts {
            left: 3,
            budget: with_budget.then(Arc::default),
        };
        tower::retry::RetryLayer::new(policy).layer(Nothing)
    })
}
