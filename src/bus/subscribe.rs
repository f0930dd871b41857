use algedonic_transport::{Error, ErrorKind, Pattern};

use super::{Bus, PatternSubscription};
use crate::{
    event::Event,
    handler::HandlerBuilder,
    local::{Buffer, Subscription},
    signal::{Level, SignalHandlerBuilder, SignalSubscription},
};

impl Bus {
    /// Receives events of type `E` published from now on, here or, if the type is mirrored, in
    /// other processes. With the default [`Buffer`]: 1,024 events, then the oldest is dropped.
    ///
    /// After [`shutdown`](Self::shutdown) the subscription ends at once.
    pub fn subscribe<E: Event>(&self) -> Subscription<E> {
        self.subscribe_with(Buffer::default())
    }

    /// As [`subscribe`](Self::subscribe), with a buffer of the subscriber's choice.
    pub fn subscribe_with<E: Event>(&self, buffer: Buffer) -> Subscription<E> {
        self.shared.local.subscribe(buffer, false)
    }

    /// As [`subscribe_with`](Self::subscribe_with), beginning with the last events that were published
    /// before: as many as [`Event::RETAINED`] says, or fewer if there were not so many. They take no
    /// room in the buffer.
    pub fn subscribe_retained<E: Event>(&self, buffer: Buffer) -> Subscription<E> {
        self.shared.local.subscribe(buffer, true)
    }

    /// Receives events of any type, and signals, whose keys the pattern selects: `s3.*`,
    /// `#.critical`. With the default [`Buffer`].
    ///
    /// Of other processes' events it receives the types that are mirrored here.
    ///
    /// # Errors
    ///
    /// `Malformed` for a text that is no [`Pattern`].
    pub fn subscribe_pattern(&self, pattern: &str) -> Result<PatternSubscription, Error> {
        self.subscribe_pattern_with(pattern, Buffer::default())
    }

    /// As [`subscribe_pattern`](Self::subscribe_pattern), with a buffer of the subscriber's choice.
    pub fn subscribe_pattern_with(
        &self,
        pattern: &str,
        buffer: Buffer,
    ) -> Result<PatternSubscription, Error> {
        let pattern = Pattern::new(pattern).map_err(|error| {
            Error::permanent(ErrorKind::Malformed, "subscribe to a pattern")
                .with_detail(error.to_string())
        })?;
        let signals = self.shared.signals.subscribe_pattern(pattern.clone());
        let events = self.shared.local.subscribe_pattern(&pattern, buffer);
        Ok(PatternSubscription::new(pattern, signals, events))
    }

    /// Receives every signal, from here and from other processes.
    pub fn signals(&self) -> SignalSubscription {
        self.signals_from(Level::Low)
    }

    /// Receives the signals of this level and above.
    ///
    /// They wait in a buffer of 1,024; then raising one waits for this subscriber, because a signal
    /// is not dropped.
    pub fn signals_from(&self, level: Level) -> SignalSubscription {
        self.shared.signals.subscribe(level)
    }

    /// Sets up a handler of events of type `E`: a function, or a tower service,
    /// that the bus calls.
    ///
    /// ```
    /// # use algedonic::{Bus, Event};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// # struct Ordered; impl Event for Ordered { const NAME: &'static str = "ordered"; }
    /// # let bus = Bus::local();
    /// let handler = bus.on::<Ordered>().handle(|event| async move {
    ///     println!("{} ordered", event.id());
    ///     Ok::<_, std::io::Error>(())
    /// });
    /// # drop(handler); }
    /// ```
    pub fn on<E: Event>(&self) -> HandlerBuilder<'_, E> {
        HandlerBuilder::new(
            &self.shared.local,
            &self.shared.handlers,
            &self.shared.ledger,
        )
    }

    /// Sets up a handler of the signals of this level and above: a function that the bus calls, with a bulkhead of its own.
    /// No event, and no handler of events, holds it up.
    ///
    /// ```
    /// # use algedonic::{Bus, Level, Signal};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), algedonic::Error> {
    /// # let bus = Bus::local();
    /// let handler = bus.on_signals(Level::High).handle(|signal| async move {
    ///     println!("{} {}: {}", signal.level, signal.feeling, signal.metric);
    ///     Ok::<_, std::io::Error>(())
    /// });
    /// bus.signal(Signal::pain(Level::Critical, "response_time")).await?;
    /// # drop(handler); Ok(()) }
    /// ```
    pub fn on_signals(&self, level: Level) -> SignalHandlerBuilder<'_> {
        let shared = &self.shared;
        SignalHandlerBuilder::new(
            &shared.signals,
            &shared.signal_handlers,
            &shared.ledger,
            level,
        )
    }
}
