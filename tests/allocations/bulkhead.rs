use std::time::Duration;

use algedonic::resilience::{
    Notice,
    bulkhead::{BulkheadConfig, BulkheadLayer},
};
use futures_util::FutureExt;
use tower::Layer;

use crate::{
    Case,
    inner::{AtOnce, Never, call},
};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        admitted(),
        overflow(),
        refused(),
        waiting(),
        served(),
        too_late(),
        dropped(),
        function(),
    ]
}

fn admitted() -> Case {
    let layer = BulkheadLayer::new(BulkheadConfig::default()).expect("good");
    let mut service = layer.layer(AtOnce);
    Case::new("bulkhead: admitted", move || {
        assert_eq!(call(&mut service, Ok(())), Some(Ok(())));
        assert!(call(&mut service, Err("lost")).expect("at once").is_err());
    })
}

fn one_slot() -> BulkheadConfig {
    BulkheadConfig::default().size(1).overflow(0).queue(0)
}

/// Told of.
fn overflow() -> Case {
    let layer = BulkheadLayer::builder(one_slot().overflow(1)).observer(|_: Notice| ());
    let layer = layer.build().expect("good");
    let slot = layer.handle().try_checkout().expect("free");
    let mut service = layer.layer(AtOnce);
    Case::new("bulkhead: in the overflow", move || {
        let _held = &slot;
        assert_eq!(call(&mut service, Ok(())), Some(Ok(())));
    })
}

fn refused() -> Case {
    let layer = BulkheadLayer::builder(one_slot()).observer(|_: Notice| ());
    let layer = layer.build().expect("good");
    let slot = layer.handle().try_checkout().expect("free");
    let mut service = layer.layer(AtOnce);
    Case::new("bulkhead: full", move || {
        let _held = &slot;
        let refused = call(&mut service, Ok(())).expect("at once");
        assert!(refused.is_err_and(|error| error.is_full()));
    })
}

fn runtime() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_time().build().expect("a runtime")
}

/// With its place and its timer; dropped, it leaves them.
fn waiting() -> Case {
    let layer = BulkheadLayer::new(one_slot().queue(1)).expect("good");
    let slot = layer.handle().try_checkout().expect("free");
    let mut service = layer.layer(AtOnce);
    let runtime = runtime();
    Case::new("bulkhead: waiting", move || {
        let (_inside, _held) = (runtime.enter(), &slot);
        assert!(call(&mut service, Ok(())).is_none());
    })
}

/// The slot is handed to who waits for it.
fn served() -> Case {
    let handle = BulkheadLayer::new(one_slot().queue(1))
        .expect("good")
        .handle();
    let runtime = runtime();
    Case::new("bulkhead: served after a wait", move || {
        let _inside = runtime.enter();
        let slot = handle.try_checkout().expect("free");
        let mut next = std::pin::pin!(handle.checkout());
        assert!((&mut next).now_or_never().is_none());
        slot.checkin();
        assert!(next.now_or_never().is_some_and(|slot| slot.is_ok()));
    })
}

fn too_late() -> Case {
    let config = one_slot().queue(1).max_wait(Duration::from_nanos(1));
    let layer = BulkheadLayer::builder(config).observer(|_: Notice| ());
    let handle = layer.build().expect("good").handle();
    let slot = handle.try_checkout().expect("free");
    let runtime = runtime();
    Case::new("bulkhead: too late", move || {
        let _held = &slot;
        let late = runtime.block_on(handle.checkout());
        assert!(late.is_err());
    })
}

fn dropped() -> Case {
    let layer = BulkheadLayer::new(BulkheadConfig::default()).expect("good");
    let mut service = layer.layer(Never);
    Case::new("bulkhead: dropped", move || {
        assert!(call(&mut service, Ok(())).is_none());
    })
}

/// What is no service.
fn function() -> Case {
    let layer = BulkheadLayer::new(BulkheadConfig::default()).expect("good");
    let handle = layer.handle();
    Case::new("bulkhead: a function", move || {
        assert_eq!(handle.call_blocking(|| Ok::<_, &str>(7)), Ok(7));
        let answered = handle.call(|| std::future::ready(Ok::<_, &str>(7)));
        assert_eq!(answered.now_or_never(), Some(Ok(7)));
    })
}
