//! Retries and requests of several threads, on one budget.

use loom::{sync::Arc, thread};

use crate::{
    models::check,
    resilience::retry::{BudgetConfig, core::budget::Budget},
};

fn budget(ratio: f64, per_second: u32, saved: u32) -> Arc<Budget> {
    let config = BudgetConfig::default()
        .ratio(ratio)
        .per_second(per_second)
        .saved(saved);
    Arc::new(Budget::new(&config))
}

/// Two retries that come at once; how many of them are admitted.
fn two_retries(budget: &Arc<Budget>, now: u64, meanwhile: impl FnOnce(&Budget)) -> u64 {
    let threads = [(); 2].map(|()| {
        let budget = Arc::clone(budget);
        thread::spawn(move || u64::from(budget.withdraw(|| now)))
    });
    meanwhile(budget);
    threads
        .map(|thread| thread.join().expect("no panic"))
        .iter()
        .sum()
}

/// L-5: nothing is spent twice, and no deposit is lost.
#[test]
fn two_retries_and_a_request_at_once_keep_the_books() {
    check(2, || {
        let budget = budget(1.0, 0, 9);
        budget.deposit();
        let retries = two_retries(&budget, 0, Budget::deposit);
        assert!((1..=2).contains(&retries), "one was saved before");
        assert_eq!(budget.saved(), 2 - retries);
    });
}

/// L-5: parts of a retry are kept as well.
#[test]
fn parts_of_a_retry_are_not_lost() {
    check(2, || {
        let budget = budget(0.5, 0, 9);
        budget.deposit();
        let other = {
            let budget = Arc::clone(&budget);
            thread::spawn(move || budget.deposit())
        };
        let retries = two_retries(&budget, 0, |_| ());
        other.join().expect("no panic");
        assert!(retries <= 1);
        assert_eq!(budget.saved(), 1 - retries);
    });
}

/// L-5: more than may be saved is not.
#[test]
fn a_full_budget_stays_so() {
    check(2, || {
        let budget = budget(0.75, 0, 1);
        budget.deposit();
        let threads = [(); 2].map(|()| {
            let budget = Arc::clone(&budget);
            thread::spawn(move || budget.deposit())
        });
        for thread in threads {
            thread.join().expect("no panic");
        }
        assert_eq!(two_retries(&budget, 0, |_| ()), 1);
        assert_eq!(budget.saved(), 0);
    });
}

/// L-5 and L-6: of the reserve of a second as many are given as there are, however many come.
#[test]
fn the_reserve_is_given_once() {
    check(2, || {
        let budget = budget(0.0, 2, 0);
        assert!(budget.withdraw(|| 7));
        let mut third = false;
        let retries = two_retries(&budget, 7, |budget| third = budget.withdraw(|| 7));
        assert_eq!(retries + u64::from(third), 1, "two in all");
        assert!(!budget.withdraw(|| 7));
    });
}
