//! Who calls a handler of signals?

use std::{num::NonZeroUsize, panic::AssertUnwindSafe, sync::Arc};

use futures_util::{FutureExt, StreamExt, stream::FuturesUnordered};
use tower::BoxError;
use tracing::warn;

use super::in_hand::{InHand, Waiting};
use crate::{
    event::Envelope,
    observe::Ledger,
    signal::{Signal, SignalSubscription},
};

/// Until there are no more signals, and all are finished.
///
/// All calls are made in this one task: so the bus knows a shutdown that is called inside one.
pub(super) async fn drive<F, Fut, Err>(
    signals: SignalSubscription,
    handler: F,
    concurrency: NonZeroUsize,
    name: Arc<str>,
    ledger: Arc<Ledger>,
) where
    F: Fn(Envelope<Signal>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<(), Err>> + Send + 'static,
    Err: Into<BoxError> + 'static,
{
    let mut waiting = Waiting {
        signals,
        ledger: Arc::clone(&ledger),
    };
    let (handler, name) = (&handler, &*name);
    let mut hands = FuturesUnordered::new();
    let mut is_open = true;
    while is_open || !hands.is_empty() {
        let has_free_hand = is_open && hands.len() < concurrency.get();
        tokio::select! {
            Some(()) = hands.next(), if !hands.is_empty() => {}
            next = waiting.signals.recv(), if has_free_hand => match next {
                Some(Ok(signal)) => {
                    let in_hand = InHand::new(Arc::clone(&ledger));
                    hands.push(async move {
                        // The call itself may panic, and belongs to the cause, too.
                        let call = signal.cause().scope(async { handler(signal).await });
                        let outcome = AssertUnwindSafe(call).catch_unwind().await;
                        in_hand.settle(name, outcome);
                    });
                }
                Some(Err(gap)) => warn!(handler = name, %gap, "signals did not reach a handler"),
                None => is_open = false,
            },
        }
    }
}
