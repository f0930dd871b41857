//! How calls are made, and what one costs.

use std::{
    future::poll_fn,
    hint::black_box,
    sync::{Arc, Barrier},
    time::Instant,
};

use tokio::runtime::{Builder, Runtime};
use tower::Service;

/// Who calls.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Setting {
    /// One task.
    OneThread,
    /// Two threads, each with a runtime and a clone of its own: what each of them waits for a call.
    TwoThreads,
    /// 64 tasks on two workers, each with a clone of its own: the time for all calls over their number.
    TwoWorkers,
}

const TASKS: u64 = 64;

impl Setting {
    pub(crate) const ALL: [(Self, &'static str); 3] = [
        (Self::OneThread, "one-thread"),
        (Self::TwoThreads, "two-threads"),
        (Self::TwoWorkers, "two-workers"),
    ];

    /// Nanoseconds for one of so many calls.
    pub(crate) fn time<S>(self, service: &S, calls: u64) -> f64
    where
        S: Service<u64> + Clone + Send + 'static,
        S::Future: Send,
    {
        match self {
            Self::OneThread => one_thread(service.clone(), calls),
            Self::TwoThreads => two_threads(service, calls),
            Self::TwoWorkers => two_workers(service, calls / TASKS + 1),
        }
    }
}

pub(crate) fn current_thread() -> Runtime {
    let mut builder = Builder::new_current_thread();
    builder.enable_time().build().expect("a runtime")
}

async fn call_again_and_again<S: Service<u64>>(mut service: S, calls: u64) {
    for request in 0..calls {
        // What comes of it is no matter: some contenders reject all.
        let _ = poll_fn(|cx| service.poll_ready(cx)).await;
        let _ = black_box(service.call(black_box(request)).await);
    }
}

fn one_thread<S: Service<u64>>(service: S, calls: u64) -> f64 {
    current_thread().block_on(async {
        let start = Instant::now();
        call_again_and_again(service, calls).await;
        start.elapsed().as_nanos() as f64 / calls as f64
    })
}

fn two_threads<S>(service: &S, calls: u64) -> f64
where
    S: Service<u64> + Clone + Send + 'static,
{
    let barrier = Arc::new(Barrier::new(2));
    let threads = [(); 2].map(|()| {
        let (service, barrier) = (service.clone(), Arc::clone(&barrier));
        std::thread::spawn(move || {
            let runtime = current_thread();
            barrier.wait();
            runtime.block_on(async {
                let start = Instant::now();
                call_again_and_again(service, calls).await;
                start.elapsed().as_nanos() as f64 / calls as f64
            })
        })
    });
    threads
        .map(|thread| thread.join().expect("no panic"))
        .iter()
        .sum::<f64>()
        / 2.0
}

fn two_workers<S>(service: &S, calls: u64) -> f64
where
    S: Service<u64> + Clone + Send + 'static,
    S::Future: Send,
{
    let mut builder = Builder::new_multi_thread();
    let runtime = builder
        .worker_threads(2)
        .enable_time()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let services: Vec<_> = (0..TASKS).map(|_| service.clone()).collect();
        let start = Instant::now();
        let tasks: Vec<_> = services
            .into_iter()
            .map(|service| tokio::spawn(call_again_and_again(service, calls)))
            .collect();
        for task in tasks {
            task.await.expect("no panic");
        }
        start.elapsed().as_nanos() as f64 / (TASKS * calls) as f64
    })
}
