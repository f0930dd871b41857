/// What a transport promises. The bus and the conformance suite go by it, never by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a promise of its own"
)]
pub struct Capabilities {
    /// [`Outcome::Confirmed`](crate::Outcome::Confirmed) means that the other side took responsibility.
    pub confirms: bool,
    /// A message that nobody wants is told apart, as [`Outcome::NotRouted`](crate::Outcome::NotRouted).
    pub reports_unroutable: bool,
    /// Messages from one sender on one lane arrive at each receiver in the order of their sending,
    /// as long as none is delivered a second time. One of a higher priority may overtake others.
    pub ordered: bool,
    /// A message that was not acknowledged comes again, to this or a later receiver of the same name.
    pub redelivers: bool,
    /// [`Delivery::attempt`](crate::Delivery::attempt) counts: every delivery by this transport, and
    /// those by others of its name where the other side tells of them.
    pub counts_attempts: bool,
    /// A confirmed persistent message survives a restart of the other side.
    pub durable: bool,
    /// Dead-lettered messages are kept where an operator can find them.
    pub dead_letters: bool,
    /// The largest body, in bytes.
    pub max_body_bytes: usize,
    /// How many messages may await their outcome at once on each lane; more are refused as
    /// [`ErrorKind::Busy`](crate::ErrorKind::Busy).
    pub window: usize,
    /// How many bytes of bodies may await their outcome at once on each lane; more are refused as
    /// [`ErrorKind::Busy`](crate::ErrorKind::Busy). No less than `max_body_bytes`.
    pub window_bytes: usize,
}

impl Capabilities {
    /// No promise, and these limits.
    pub const fn new(max_body_bytes: usize, window: usize) -> Self {
        Self {
            confirms: false,
            reports_unroutable: false,
            ordered: false,
            redelivers: false,
            counts_attempts: false,
            durable: false,
            dead_letters: false,
            max_body_bytes,
            window,
            window_bytes: usize::MAX,
        }
    }
}
