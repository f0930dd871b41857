use std::{sync::Arc, time::Duration};

use proptest::prelude::*;
use tower::{Layer, Service, ServiceExt, util::BoxCloneService};

use super::checked::{Books, Checked};
use crate::resilience::{
    Classify,
    acts::{Act, acts},
    breaker::{BreakerConfig, BreakerHandle, BreakerLayer, Trip},
    bulkhead::{BulkheadConfig, BulkheadHandle, BulkheadLayer},
    contract,
    fallback::{FallbackConfig, FallbackLayer},
    load_shed::{LoadShedConfig, LoadShedLayer},
    probe::{Answer, Ask, CASES, Dependency, Failed, paused},
    rate_limit::{RateLimitConfig, RateLimitHandle, RateLimitLayer},
    retry::{BudgetConfig, RetryConfig, RetryHandle, RetryLayer},
    rig::Rig,
    steps::answer,
    timeout::{Covers, TimeoutConfig, TimeoutLayer},
};

/// Any service, with any layers around it.
type Stack<Request> = BoxCloneService<Request, u64, Failed>;

/// A layer, and what it is told. Times are in milliseconds.
#[derive(Clone, Copy, Debug)]
enum Around {
    /// Failures in a row, probes at a time, and for how long it is open.
    Breaker(u32, u32, u64),
    /// Slots, places to wait, and for how long.
    Bulkhead(u32, u32, u64),
    /// To what is inside of it.
    Fallback,
    /// But for every third request.
    LoadShed,
    /// From call to call, how many at once, and the longest wait.
    RateLimit(u64, u32, u64),
    /// How often, and until when.
    Retry(u32, Option<u64>),
    Timeout(Covers, u64),
}

fn one_of_each() -> [BoxedStrategy<Around>; 7] {
    let covers = prop_oneof![Just(Covers::Attempt), Just(Covers::Total)];
    [
        (1_u32..4, 1_u32..3, 1_u64..6)
            .prop_map(|(failures, probes, open)| Around::Breaker(failures, probes, open))
            .boxed(),
        (1_u32..4, 0_u32..4, 1_u64..8)
            .prop_map(|(slots, queue, wait)| Around::Bulkhead(slots, queue, wait))
            .boxed(),
        Just(Around::Fallback).boxed(),
        Just(Around::LoadShed).boxed(),
        (1_u64..4, 1_u32..4, 0_u64..10)
            .prop_map(|(interval, burst, wait)| Around::RateLimit(interval, burst, wait))
            .boxed(),
        (0_u32..3, prop::option::of(1_u64..20))
            .prop_map(|(retries, elapsed)| Around::Retry(retries, elapsed))
            .boxed(),
        (covers, 1_u64..12)
            .prop_map(|(covers, limit)| Around::Timeout(covers, limit))
            .boxed(),
    ]
}

/// From the inside to the outside: one of each kind in any order, or any at all.
fn stacks() -> impl Strategy<Value = Vec<Around>> {
    let any = proptest::strategy::Union::new(one_of_each());
    prop_oneof![
        one_of_each().to_vec().prop_shuffle(),
        prop::collection::vec(any, 1..7),
    ]
}

/// What there is to see of the layers of a stack.
#[derive(Debug, Default)]
struct Handles {
    books: Vec<Arc<Books>>,
    breakers: Vec<BreakerHandle>,
    bulkheads: Vec<BulkheadHandle>,
    limits: Vec<RateLimitHandle>,
    /// And the calls that came to it.
    retries: Vec<(RetryHandle, Arc<Books>)>,
}

impl Handles {
    fn assert_right(&self) {
        self.books.iter().for_each(|books| books.assert_right());
    }

    /// No probe, slot, place or time is held, and of the budget is gone what was used.
    fn assert_clean(&self) {
        for breaker in &self.breakers {
            assert_eq!(breaker.status().probes, 0, "{breaker:?}");
        }
        for bulkhead in &self.bulkheads {
            let status = bulkhead.status();
            assert_eq!((status.running, status.waiting), (0, 0), "{bulkhead:?}");
        }
        for limit in &self.limits {
            assert_eq!(limit.status().waiting, 0, "{limit:?}");
        }
        for (retry, books) in &self.retries {
            let status = retry.status();
            if let Some(saved) = status.saved {
                assert_eq!(saved + status.retries, books.calls(), "{retry:?}");
            }
        }
    }

    /// Puts one more around a stack.
    fn put<Request>(&mut self, around: Around, stack: Stack<Request>) -> Stack<Request>
    where
        Request: Number,
    {
        let millis = Duration::from_millis;
        match around {
            Around::Breaker(failures, probes, open) => {
                let config = BreakerConfig::default()
                    .trip(Trip::Consecutive {
                        failure_threshold: failures,
                    })
                    .half_open_permits(probes)
                    .success_threshold(2)
                    .half_open_timeout(millis(10))
                    .reset_timeout(millis(open));
                let layer = BreakerLayer::new(config).expect("good");
                self.breakers.push(layer.handle());
                self.check(layer.layer(stack)).0
            }
            Around::Bulkhead(slots, queue, wait) => {
                let config = BulkheadConfig::default().size(slots).overflow(0);
                let config = config.queue(queue).max_wait(millis(wait));
                let layer = BulkheadLayer::new(config).expect("good");
                self.bulkheads.push(layer.handle());
                self.check(layer.layer(stack)).0
            }
            Around::Fallback => {
                let builder = FallbackLayer::builder(FallbackConfig::default());
                let layer = builder.service(stack.clone()).build().expect("good");
                self.check(layer.layer(stack)).0
            }
            Around::LoadShed => {
                let builder = LoadShedLayer::builder(LoadShedConfig::default());
                let builder =
                    builder.exempt_if(|request: &Request| request.number().is_multiple_of(3));
                self.check(builder.build().expect("good").layer(stack)).0
            }
            Around::RateLimit(interval, burst, wait) => {
                let config = RateLimitConfig::default().limit(1).period(millis(interval));
                let config = config.burst(burst).max_wait(millis(wait));
                let layer = RateLimitLayer::new(config).expect("good");
                self.limits.push(layer.handle());
                self.check(layer.layer(stack)).0
            }
            Around::Retry(retries, elapsed) => {
                let budget = BudgetConfig::default().ratio(1.0).per_second(0);
                let mut config = RetryConfig::default()
                    .max_retries(retries)
                    .delays(millis(1), millis(5))
                    .budget(budget.saved(1_000_000).into());
                config.max_elapsed = elapsed.map(millis);
                let layer = RetryLayer::new(config).expect("good");
                let handle = layer.handle();
                let (stack, books) = self.check(layer.layer(stack));
                self.retries.push((handle, books));
                stack
            }
            Around::Timeout(covers, limit) => {
                let config = match covers {
                    Covers::Attempt => TimeoutConfig::attempt(millis(limit)),
                    Covers::Total => TimeoutConfig::total(millis(limit)),
                };
                self.check(TimeoutLayer::new(config).expect("good").layer(stack))
                    .0
            }
        }
    }

    /// As a stack, with somebody before it who checks both sides.
    fn check<S, Request>(&mut self, service: S) -> (Stack<Request>, Arc<Books>)
    where
        S: Service<Request, Response = u64, Error: Classify> + Clone + Send + 'static,
        S::Future: Send,
        Request: 'static,
    {
        let books = Arc::<Books>::default();
        self.books.push(Arc::clone(&books));
        let service = service.map_err(|error: S::Error| Failed(error.class()));
        let checked = Checked::new(service, Arc::clone(&books));
        (BoxCloneService::new(checked), books)
    }
}

/// A request, by its number.
trait Number: Clone + Send + 'static {
    fn number(&self) -> u64;
}

impl Number for Ask {
    fn number(&self) -> u64 {
        self.id
    }
}

impl Number for u64 {
    fn number(&self) -> u64 {
        *self
    }
}

/// Services of one stack, around a dependency of few places.
struct World {
    rig: Rig<Stack<Ask>>,
    handles: Handles,
    dependency: Dependency,
}

impl World {
    fn new(stack: &[Around], places: usize) -> Self {
        let mut handles = Handles::default();
        let dependency = Dependency::with_places(places);
        let mut service = BoxCloneService::new(dependency.service());
        for &around in stack {
            service = handles.put(around, service);
        }
        Self {
            rig: Rig::new(vec![service; 3]),
            handles,
            dependency,
        }
    }

    async fn act(&mut self, act: Act) {
        self.rig.act(act, &self.dependency).await;
        self.dependency.assert_right();
        self.handles.assert_right();
    }

    fn assert_nothing_is_left(mut self) {
        self.rig.close();
        self.dependency.assert_clean();
        self.handles.assert_clean();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(CASES))]

    /// TC-1 between any two of them, and TC-2: whatever is dropped whenever.
    #[test]
    fn co_2_in_any_order_layers_keep_the_contract_and_nothing_is_left(
        stack in stacks(), places in 0_usize..4, acts in acts(answer()), order: usize,
    ) {
        paused().block_on(async {
            let mut world = World::new(&stack, places);
            for act in acts {
                world.act(act).await;
            }
            world.rig.forget_all(order);
            world.assert_nothing_is_left();
        });
    }

    /// TC-5: who waits is woken. Asked only then, every call ends, once there are places and answers.
    #[test]
    fn co_2_in_any_order_every_call_ends(stack in stacks(), places in 0_usize..4, acts in acts(answer())) {
        paused().block_on(async {
            let mut world = World::new(&stack, places);
            for act in acts {
                world.act(act).await;
            }
            world.act(Act::Places(usize::MAX)).await;
            for _ in 0..1_000 {
                if world.rig.under_way() == 0 {
                    break;
                }
                world.act(Act::Answer(0, Answer::Works)).await;
                world.act(Act::Tick(1)).await;
            }
            assert_eq!(world.rig.under_way(), 0, "calls that nobody ends");
            world.assert_nothing_is_left();
        });
    }

    /// The same contract, by the probes of tower-resilience.
    #[test]
    fn co_2_in_any_order_the_contract_is_kept(stack in stacks(), acts in contract::acts()) {
        let mut handles = Handles::default();
        paused().block_on(contract::is_kept(|inner| {
            let inner = ServiceExt::<u64>::map_err(inner, |_| unreachable!("it is not closed"));
            stack.iter().fold(BoxCloneService::new(inner), |inner, &around| handles.put(around, inner))
        }, acts));
        handles.assert_right();
        handles.assert_clean();
    }
}
