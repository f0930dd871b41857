//! Load sheds around what is ready, and around what is not.

use std::task::{Context, Poll};

use algedonic::resilience::load_shed::{LoadShedConfig, LoadShedLayer};
use tower::{Layer, Service};

use crate::{
    call::Setting::OneThread,
    case::{Case, Contender, Target::OverBare},
    inner::{Answer, Nothing},
};

const TOWER: &str = "tower";

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case {
            name: "load-shed",
            contenders: vec![ours(Nothing), towers(Nothing)],
            // The research has no number for it; tower's costs 0.9 ns there.
            targets: &[(OneThread, OverBare(3.0))],
        },
        Case {
            name: "load-shed-refused",
            contenders: vec![ours(Full), towers(Full)],
            targets: &[],
        },
    ]
}

/// Never ready.
#[derive(Clone, Copy)]
struct Full;

impl Service<u64> for Full {
    type Response = u64;
    type Error = &'static str;
    type Future = std::future::Ready<Answer>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), &'static str>> {
        Poll::Pending
    }

    fn call(&mut self, _: u64) -> Self::Future {
        unreachable!("it is not ready")
    }
}

fn ours<S>(inner: S) -> Contender
where
    S: Service<u64, Error = &'static str> + Clone + Send + 'static,
    S::Future: Send,
{
    Contender::new("ours", move || {
        let layer = LoadShedLayer::new(LoadShedConfig::default()).expect("good");
        layer.layer(inner.clone())
    })
}

fn towers<S>(inner: S) -> Contender
where
    S: Service<u64, Error = &'static str> + Clone + Send + 'static,
    S::Future: Send,
{
    Contender::new(TOWER, move || {
        tower::load_shed::LoadShedLayer::new().layer(inner.clone())
    })
}
