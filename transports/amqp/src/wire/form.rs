/// How messages are written for the broker ([`AmqpConfig::wire_form`](crate::AmqpConfig::wire_form)).
/// All forms are read, whatever is written: instances of one system may differ.
///
/// All carry the same. What each looks like, byte by byte, and what it costs is in `WIRE.md`, which
/// is the documentation of [`wire`](crate::wire).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WireForm {
    /// The body is the event alone; all else is in AMQP's properties and in headers, for any client
    /// to read. The default.
    #[default]
    Open,
    /// As [`Open`](Self::Open), with the attributes of `CloudEvents` 1.0 in binary mode beside it.
    CloudEvents,
    /// The properties take 63 bytes; all else stands before the event, in the body. For systems whose
    /// receivers are all buses of this kind, on classic queues: those take fewer messages per second
    /// once the properties of a message exceed 64 bytes.
    Compact,
}
