use std::task::{Context, Poll};

use algedonic::resilience::{
    Notice,
    load_shed::{LoadShedConfig, LoadShedLayer},
};
use tower::{Layer, Service};

use crate::{
    Case,
    inner::{Answer, AtOnce, call},
};

pub(crate) fn cases() -> Vec<Case> {
    vec![admitted(), shed()]
}

fn admitted() -> Case {
    let layer = LoadShedLayer::new(LoadShedConfig::default()).expect("good");
    let mut service = layer.layer(AtOnce);
    Case::new("load shed: admitted", move || {
        assert_eq!(call(&mut service, Ok(())), Some(Ok(())));
        assert!(call(&mut service, Err("lost")).expect("at once").is_err());
    })
}

/// Never ready.
#[derive(Clone, Copy, Debug)]
struct Full;

impl Service<Answer> for Full {
    type Response = ();
    type Error = &'static str;
    type Future = std::future::Ready<Answer>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Answer> {
        Poll::Pending
    }

    fn call(&mut self, _: Answer) -> Self::Future {
        unreachable!("it is not ready")
    }
}

/// Refused, and exempt: that waits, and is dropped.
fn shed() -> Case {
    let layer = LoadShedLayer::builder(LoadShedConfig::default())
        .observer(|_: Notice| ())
        .exempt_if(|answer: &Answer| answer.is_err())
        .build()
        .expect("good");
    let mut service = layer.layer(Full);
    Case::new("load shed: refused, and exempt", move || {
        let refused = call(&mut service, Ok(())).expect("at once");
        assert!(refused.is_err_and(|error| error.is_shed()));
        assert!(call(&mut service, Err("signal")).is_none());
    })
}
