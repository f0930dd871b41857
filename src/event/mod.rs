//! What an event is: its trait, its envelope, what caused it, how it is encoded.

mod cause;
pub(crate) mod codec;
mod envelope;

use algedonic_transport::{Key, KeyError};

pub(crate) use self::envelope::{Origin, Sealed};
pub use self::{
    cause::{Cause, Scoped},
    envelope::{AnyEnvelope, Envelope},
};

/// A type whose instances can be published.
///
/// Anything that can be shared between threads will do: within the process an event is never
/// copied or encoded, so it may hold channels, handles, locks. Only a type that is *mirrored* to
/// other processes needs serde (see [`Mirror::event`](crate::Mirror::event)).
///
/// ```
/// use algedonic::{Event, Key, KeyError};
///
/// struct StateChange { subsystem: String, new: String }
///
/// impl Event for StateChange {
///     const NAME: &'static str = "vsm.state_change";
///     const KEYS: &'static str = "*.state_change";
///
///     fn key(&self) -> Result<Key, KeyError> {
///         Key::new(format!("{}.state_change", self.subsystem))
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be published: it is no event",
    note = "write `impl Event for {Self} {{ const NAME: &'static str = \"some.name\"; }}`"
)]
pub trait Event: Send + Sync + 'static {
    /// The stable name of the type, in the form of a [`Key`]; what other processes know it by.
    ///
    /// Names that begin with `algedonic.` belong to the bus.
    const NAME: &'static str;

    /// The version of the type's shape. A receiver refuses a version newer than its own.
    const VERSION: u32 = 1;

    /// A pattern that covers every key of the type; a mirrored type receives by it.
    const KEYS: &'static str = Self::NAME;

    /// How many of the last events the bus keeps for subscribers that come late and ask for them
    /// ([`Bus::subscribe_retained`](crate::Bus::subscribe_retained)); 0 by default. They stay in memory until newer
    /// ones replace them, or the bus is shut down.
    const RETAINED: usize = 0;

    /// The routing key of this instance; by default [`NAME`](Self::NAME), which costs nothing.
    ///
    /// # Errors
    ///
    /// What [`Key::new`] says; `publish` passes it on.
    fn key(&self) -> Result<Key, KeyError> {
        Ok(const { Key::from_static(Self::NAME) })
    }
}
