use std::{
    future::{pending, ready},
    sync::atomic::Ordering,
};

use algedonic_transport::{BoxFuture, Error, ErrorKind, Lane, Message, Outcome, Transport};

use super::{Bug, Planted};

impl Planted {
    pub(super) fn send_wrongly(&self, mut message: Message) -> BoxFuture<Result<Outcome, Error>> {
        let number = 1 + self.sent.fetch_add(1, Ordering::SeqCst);
        self.traffic.sent[message.lane as usize].fetch_add(1, Ordering::SeqCst);
        let limit = self.capabilities().max_body_bytes;
        match self.bug {
            Bug::ForgetsEveryHundredth if number.is_multiple_of(100) => return confirmed(),
            Bug::NeverResolvesEveryFiftieth if number.is_multiple_of(50) => {
                return Box::pin(pending());
            }
            Bug::StallsBehindASlowReceiver if self.traffic.backlog(Lane::Event) > 600 => {
                return Box::pin(pending());
            }
            Bug::LanesWaitForEachOther if self.traffic.backlog_beside(message.lane) > 0 => {
                return Box::pin(pending());
            }
            Bug::BreaksOnTooLarge if message.body.len() > limit => {
                let error = Error::transient(ErrorKind::Unavailable, "send a message");
                return Box::pin(ready(Err(error)));
            }
            Bug::SendsWhenPolled => {
                let inner = self.inner.clone();
                return Box::pin(async move { inner.send(message).await });
            }
            Bug::SwapsNeighbours => return self.swap(message),
            Bug::HidesItsOwn => self.own.lock().expect("whole").push(message.metadata.id),
            Bug::ReplaysHistory => {
                let mut history = self.traffic.history.lock().expect("whole");
                history.push(message.clone());
            }
            Bug::LosesTheTrace => message.metadata.trace = None,
            Bug::MixesLanes => message.lane = Lane::Event,
            Bug::SendsWhatIsNotPersistent => message.persistent = false,
            _ => {}
        }
        let outcome = self.inner.send(message);
        let bug = self.bug;
        Box::pin(async move {
            match (bug, outcome.await) {
                (Bug::ConfirmsWhatNobodyWants, Ok(Outcome::NotRouted)) => Ok(Outcome::Confirmed),
                (Bug::ConfirmsDuringAnOutage, Err(error))
                    if error.kind() == ErrorKind::Unavailable =>
                {
                    Ok(Outcome::Confirmed)
                }
                (_, outcome) => outcome,
            }
        })
    }

    /// Lets every second message overtake the one before it.
    fn swap(&self, message: Message) -> BoxFuture<Result<Outcome, Error>> {
        let mut swapped = self.swapped.lock().expect("whole");
        let Some(before) = swapped.take() else {
            *swapped = Some(message);
            return confirmed();
        };
        let outcome = self.inner.send(message);
        drop(self.inner.send(before));
        outcome
    }
}

fn confirmed() -> BoxFuture<Result<Outcome, Error>> {
    Box::pin(ready(Ok(Outcome::Confirmed)))
}
