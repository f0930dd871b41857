use std::{any::Any, panic::AssertUnwindSafe};

use futures_util::{FutureExt, future};
use tower::{BoxError, Service, ServiceExt};

use super::{
    fail::{Fail, bounded},
    fate::Fate,
    taken::Taken,
};
use crate::event::{Envelope, Event};

/// How an attempt ended.
pub(super) enum Attempt {
    Handled,
    Failed { fate: Fate, reason: String },
    Panicked(String),
}

/// Waits until the service can be called; what goes wrong is a failed attempt.
pub(super) async fn ready<E, S>(service: &mut S) -> Result<(), Attempt>
where
    S: Service<Envelope<E>, Response = ()>,
    S::Error: Into<BoxError>,
{
    match AssertUnwindSafe(service.ready()).catch_unwind().await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(failed(error)),
        Err(panic) => Err(Attempt::Panicked(panic_message(&*panic))),
    }
}

/// Calls the service; the call itself may panic, and belongs to the cause, too.
pub(super) fn attempt<E, S>(
    taken: Taken<E>,
    service: &mut S,
) -> impl Future<Output = ()> + use<E, S>
where
    E: Event,
    S: Service<Envelope<E>, Response = ()>,
    S::Error: Into<BoxError>,
{
    let envelope = taken.job().envelope.clone();
    let cause = envelope.cause();
    let called = std::panic::catch_unwind(AssertUnwindSafe(|| {
        let call = cause
            .clone()
            .scope(future::lazy(|_| service.call(envelope)));
        call.now_or_never().expect("it awaits nothing")
    }));
    async move {
        let attempt = match called {
            Err(panic) => Err(panic),
            Ok(call) => {
                let outcome = cause.scope(async {
                    match call.await {
                        Ok(()) => Attempt::Handled,
                        Err(error) => failed(error),
                    }
                });
                AssertUnwindSafe(outcome).catch_unwind().await
            }
        };
        taken.end(attempt.unwrap_or_else(|panic| Attempt::Panicked(panic_message(&*panic))));
    }
}

fn failed(error: impl Into<BoxError>) -> Attempt {
    let fail = Fail::from(error.into());
    Attempt::Failed {
        fate: fail.fate(),
        reason: fail.reason(),
    }
}

/// What a panic said, if it was text.
pub(crate) fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    bounded(text.unwrap_or("a panic without a text").to_owned())
}
