use std::{
    convert::Infallible,
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Poll, ready},
    time::Duration,
};

use algedonic_transport::{Capabilities, Error, ErrorKind, EventId, Message};
use futures_util::{FutureExt, StreamExt, stream::FuturesUnordered};
use tokio::time::{Instant, Sleep, sleep_until, timeout_at};
use tower::{Layer, Service, ServiceExt};

use super::{
    Boxed, Reply,
    failed::{About, Failures},
    fallback::{Fallback, FallbackLayer},
    intake::{Intake, Outgoing},
    service::InDoubt,
    spooling::{Keeper, Ticket},
};
use crate::{
    observe::{LocalOnly, Remote},
    resilience::Inside,
};

/// Sends what it takes in, in order, with up to `window` awaiting their outcome.
pub(super) struct Pump {
    service: Fallback<Boxed>,
    window: Window,
    timeout: Duration,
    in_doubt: Arc<InDoubt>,
    /// None where nothing is to be kept.
    pub(super) keeper: Option<Keeper>,
    /// None where nobody is to be told of them.
    pub(super) failures: Option<Failures>,
    pub(super) in_flight: Arc<AtomicUsize>,
}

/// What may await its outcome at once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    pub(super) messages: usize,
    pub(super) bytes: usize,
}

impl Window {
    /// What the transport takes, or fewer messages if so configured.
    pub(super) fn of(capabilities: &Capabilities, in_flight: Option<u32>) -> Self {
        let most = in_flight.map_or(usize::MAX, |most| most.try_into().unwrap_or(usize::MAX));
        Self {
            messages: capabilities.window.clamp(1, most.max(1)),
            bytes: capabilities.window_bytes,
        }
    }
}

impl Pump {
    pub(super) fn new(
        stack: Boxed,
        window: Window,
        timeout: Duration,
        in_doubt: Arc<InDoubt>,
    ) -> Self {
        Self {
            service: FallbackLayer.layer(stack),
            window,
            timeout,
            in_doubt,
            keeper: None,
            failures: None,
            in_flight: Arc::default(),
        }
    }

    /// Runs until nothing comes any more. Aborted earlier, every reply still resolves.
    pub(super) async fn run(mut self, mut intake: impl Intake) {
        let mut awaited = Awaited::new(self.timeout);
        loop {
            self.in_flight.store(awaited.len(), Ordering::Relaxed);
            if awaited.len() >= self.window.messages {
                awaited.next(&mut intake).await;
                continue;
            }
            let next = tokio::select! {
                biased;
                Some(done) = awaited.calls.next() => {
                    awaited.settle(done, &mut intake);
                    continue;
                }
                next = poll_fn(|cx| intake.poll_next(cx)) => next,
            };
            let Some(outgoing) = next else {
                break;
            };
            let Outgoing {
                message,
                mut reply,
                due,
            } = outgoing;
            let message = match message {
                Ok(message) => message,
                Err(error) => {
                    reply.send(Remote::LocalOnly(LocalOnly::Refused(error)));
                    continue;
                }
            };
            let about = self.failures.as_ref();
            let about = about.map(|failures| failures.about(&message.metadata));
            let keeper = self.keeper.as_ref();
            if let Err(error) = keeper.map_or(Ok(()), |keeper| keeper.check(&message)) {
                tell(reply, about, Remote::LocalOnly(LocalOnly::Refused(error)));
                continue;
            }
            let ticket = keeper.and_then(|keeper| keeper.admit(&message));
            let size = message.body.len();
            let may_call = || ticket.as_ref().is_none_or(Ticket::is_direct);
            let mut in_time = false;
            if may_call() {
                while awaited.bytes.saturating_add(size) > self.window.bytes && awaited.len() > 0 {
                    awaited.next(&mut intake).await;
                }
                // Answers go on coming in while a layer makes us wait.
                in_time = tokio::select! {
                    biased;
                    ready = is_ready(&mut self.service, due) => ready,
                    never = awaited.all(&mut intake) => match never {},
                };
            }
            // Meanwhile another may have gone to the disk.
            let (size, call) = if may_call() {
                let call = self.call(message, &mut reply, due, in_time);
                (size, call)
            } else {
                (0, Call::Over(Remote::LocalOnly(LocalOnly::QueueFull)))
            };
            let call = match call {
                Call::Over(remote) if ticket.is_none() => {
                    tell(reply, about, remote);
                    continue;
                }
                call => call,
            };
            if ticket.is_some() {
                // Cut off now, it may be on the disk.
                reply.hand_over();
            }
            let tell = move |remote| tell(reply, about, remote);
            let settled = settle(call, due, ticket, tell);
            awaited.push(size, settled.map(move |away| (size, away)));
        }
        while awaited.calls.next().await.is_some() {
            self.in_flight.store(awaited.len(), Ordering::Relaxed);
        }
    }

    /// Calls the stack with one message, if its turn came in time.
    fn call(
        &mut self,
        message: Message,
        reply: &mut Reply,
        due: Instant,
        in_time: bool,
    ) -> Call<<Fallback<Boxed> as Service<Message>>::Future> {
        if !in_time || Instant::now() >= due {
            let late = Error::transient(ErrorKind::TimedOut, "send")
                .with_detail("its turn did not come by the mirror's timeout");
            return Call::Over(Remote::LocalOnly(LocalOnly::Away(late)));
        }
        reply.hand_over();
        let id = message.metadata.id;
        // The place in the order is taken by the call.
        match catch_unwind(AssertUnwindSafe(|| self.service.call(message))) {
            Ok(outcome) => Call::Begun(outcome, id, Arc::clone(&self.in_doubt)),
            Err(_) => Call::Over(panicked()),
        }
    }
}

/// Calls whose outcome is not known yet.
struct Awaited<F> {
    calls: FuturesUnordered<F>,
    /// What their messages hold.
    bytes: usize,
    rounds: Rounds,
}

impl<F: Future<Output = (usize, bool)>> Awaited<F> {
    fn new(timeout: Duration) -> Self {
        Self {
            calls: FuturesUnordered::new(),
            bytes: 0,
            rounds: Rounds::new(timeout),
        }
    }

    fn len(&self) -> usize {
        self.calls.len()
    }

    fn push(&mut self, size: usize, call: F) {
        self.bytes += size;
        self.calls.push(call);
    }

    /// Waits for one outcome, or until it is time to look what has come.
    async fn next(&mut self, intake: &mut impl Intake) {
        tokio::select! {
            biased;
            Some(done) = self.calls.next() => self.settle(done, intake),
            () = self.rounds.next(intake) => intake.look(),
        }
    }

    /// The same, again and again.
    async fn all(&mut self, intake: &mut impl Intake) -> Infallible {
        loop {
            self.next(intake).await;
        }
    }

    /// What a message held is free, now that its outcome is said. While what is to be sent stays here anyway, publishers are
    /// not to be troubled with it.
    fn settle(&mut self, (size, away): (usize, bool), intake: &mut impl Intake) {
        self.bytes -= size;
        intake.set_lingering(away);
    }
}

/// When a pump that can take nothing looks how far publishers have come: so it knows when they published, and does not
/// leave too much in the lanes. At a bell, and every sixteenth of the timeout, at least every 100 ms.
struct Rounds {
    every: Duration,
    next: Option<Pin<Box<Sleep>>>,
}

impl Rounds {
    fn new(timeout: Duration) -> Self {
        let every = (timeout / 16).clamp(Duration::from_millis(1), Duration::from_millis(100));
        Self { every, next: None }
    }

    /// Waits until it is time for the next look.
    async fn next(&mut self, intake: &mut impl Intake) {
        let next = self
            .next
            .get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + self.every)));
        poll_fn(|cx| {
            let timer = next.as_mut().poll(cx);
            if timer.is_pending() {
                ready!(intake.poll_rung(cx));
            }
            Poll::Ready(())
        })
        .await;
        next.as_mut().reset(Instant::now() + self.every);
    }
}

/// Whether the stack takes a message before it is due.
async fn is_ready(service: &mut Fallback<Boxed>, due: Instant) -> bool {
    // A panic is told by the call that follows.
    let ready = AssertUnwindSafe(service.ready()).catch_unwind();
    timeout_at(due, ready).await.is_ok()
}

/// The call of the stack with one message.
enum Call<F> {
    /// Its outcome is to be waited for; of which message, and whether an attempt with it may have left.
    Begun(F, EventId, Arc<InDoubt>),
    /// It was not made, or has failed.
    Over(Remote),
}

/// Waits for the outcome of one message, and says it. Gives whether the transport does not take any.
async fn settle<F>(
    call: Call<F>,
    due: Instant,
    ticket: Option<Ticket>,
    tell: impl FnOnce(Remote),
) -> bool
where
    F: Future<Output = Result<Remote, Infallible>> + Send + 'static,
{
    let remote = match ticket {
        None => outcome(call, due).await,
        Some(ticket) => ticket.secure(Box::pin(outcome(call, due)), due).await,
    };
    let away = matches!(remote, Remote::LocalOnly(LocalOnly::Away(_)));
    tell(remote);
    away
}

/// What becomes of one message, known when it is due.
async fn outcome<F>(call: Call<F>, due: Instant) -> Remote
where
    F: Future<Output = Result<Remote, Infallible>>,
{
    let (outcome, id, in_doubt) = match call {
        Call::Begun(outcome, id, in_doubt) => (outcome, id, in_doubt),
        Call::Over(remote) => return remote,
    };
    let mut outcome = pin!(AssertUnwindSafe(outcome).catch_unwind());
    let outcome = poll_fn(|cx| {
        // A layer that tries again knows until when.
        let _inside = Inside::until(due);
        outcome.as_mut().poll(cx)
    });
    let remote = match timeout_at(due, outcome).await {
        Ok(Ok(Ok(remote))) => remote,
        Ok(Err(_)) => panicked(),
        Err(_) => Remote::unknown("no outcome within the mirror's timeout"),
    };
    match remote {
        // The last attempt did not leave; an earlier one may have.
        Remote::LocalOnly(why) if in_doubt.contains(id) => {
            Remote::unknown(format!("an earlier attempt may have left; the last: {why}"))
        }
        remote => remote,
    }
}

/// Says what became of one message, to who asked, and to all if it failed.
fn tell(reply: Reply, about: Option<About>, remote: Remote) {
    if let Some(about) = about {
        about.tell(&remote);
    }
    reply.send(remote);
}

fn panicked() -> Remote {
    Remote::unknown("a layer of the mirror panicked")
}
