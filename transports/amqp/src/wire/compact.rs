//! The compact form: properties within 64 bytes, and all else in front of the event, in the body.
//!
//! | bytes | what |
//! |---|---|
//! | 1 | the version of this layout: 1 |
//! | 2 | how many bytes the fields take together |
//! | … | fields, each a tag of 1 byte, a length of 2, and so many bytes |
//! | … | the event |
//!
//! Numbers are big-endian. A reader skips a tag that it does not know: that is how the layout grows.

use std::{
    borrow::Cow,
    time::{Duration, SystemTime},
};

use algedonic_transport::{BusId, CorrelationId, Error, ErrorKind, EventId, Metadata, Priority};
use lapin::{BasicProperties, types::ShortString};

use super::{
    MAX_SHORT, USUAL, cut, id, key, key_of, malformed, media_type,
    moment::{at, since_epoch},
    read_error, short, too_long, trace,
};

/// The media type of the whole, by which a reader knows the form.
pub(super) const CONTENT_TYPE: &str = "application/vnd.algedonic";
const LAYOUT: u8 = 1;
const HEAD: usize = 3;
/// The most that can stand before the event.
pub(super) const MAX_ENVELOPE: usize = HEAD + u16::MAX as usize;

mod tag {
    pub(super) const NAME: u8 = 1;
    pub(super) const CONTENT_TYPE: u8 = 2;
    pub(super) const SOURCE: u8 = 3;
    pub(super) const TIME: u8 = 4;
    pub(super) const VERSION: u8 = 5;
    pub(super) const ORIGIN: u8 = 6;
    pub(super) const CORRELATION: u8 = 7;
    pub(super) const CAUSATION: u8 = 8;
    pub(super) const TRACE_PARENT: u8 = 9;
    pub(super) const TRACE_STATE: u8 = 10;
    pub(super) const EXPIRES: u8 = 11;
    /// One more than the last.
    pub(super) const END: usize = 12;
}

/// Whether a body of this media type is in this form; parameters are ignored, as is case.
pub(super) fn is_form(content_type: &str) -> bool {
    // What most are, one look says.
    match content_type {
        USUAL => return false,
        CONTENT_TYPE => return true,
        _ => {}
    }
    let essence = content_type.split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case(CONTENT_TYPE)
}

/// The properties but those that all forms have, and the whole body.
pub(super) fn write(
    properties: BasicProperties,
    metadata: &Metadata,
    content_type: &str,
    event: &[u8],
) -> Result<(BasicProperties, Vec<u8>), Error> {
    let properties = properties
        .with_message_id(short("message id", digits(metadata.id.as_u128()))?)
        .with_content_type(ShortString::from(CONTENT_TYPE));

    let correlation = (metadata.correlation != CorrelationId::from(metadata.id))
        .then(|| metadata.correlation.to_string());
    for (field, text) in [
        ("content type", Some(content_type)),
        ("correlation id", correlation.as_deref()),
    ] {
        if let Some(text) = text.filter(|text| text.len() > MAX_SHORT) {
            return Err(too_long(field, text.len()));
        }
    }

    let mut body = Vec::with_capacity(192 + event.len());
    body.extend([LAYOUT, 0, 0]);
    let mut field = |tag: u8, value: &[u8]| {
        // No text here is longer than the 2048 bytes of a tracestate.
        let length = u16::try_from(value.len()).unwrap_or(u16::MAX);
        body.push(tag);
        body.extend(length.to_be_bytes());
        body.extend(&value[..length.into()]);
    };
    field(tag::NAME, metadata.name.as_bytes());
    // Not said of most.
    if content_type != USUAL {
        field(tag::CONTENT_TYPE, content_type.as_bytes());
    }
    field(tag::SOURCE, cut(&metadata.source).as_bytes());
    let micros = since_epoch(metadata.time, Duration::as_micros);
    field(tag::TIME, &micros.to_be_bytes());
    if metadata.version != 1 {
        field(tag::VERSION, &metadata.version.to_be_bytes());
    }
    if let Some(origin) = metadata.origin {
        field(tag::ORIGIN, &origin.as_u128().to_be_bytes());
    }
    if let Some(correlation) = correlation {
        field(tag::CORRELATION, correlation.as_bytes());
    }
    if let Some(causation) = metadata.causation {
        field(tag::CAUSATION, &causation.as_u128().to_be_bytes());
    }
    if let Some((parent, state)) = metadata.trace.as_ref().and_then(trace::write) {
        field(tag::TRACE_PARENT, parent.as_bytes());
        if let Some(state) = state {
            field(tag::TRACE_STATE, state.as_bytes());
        }
    }
    if let Some(expires) = metadata.expires {
        let millis = since_epoch(expires, Duration::as_millis);
        field(tag::EXPIRES, &millis.to_be_bytes());
    }
    // Eleven fields, none of more than 2048 bytes, are fewer than 2^16.
    let length = u16::try_from(body.len() - HEAD).unwrap_or(u16::MAX);
    body[1..HEAD].copy_from_slice(&length.to_be_bytes());
    body.extend_from_slice(event);
    Ok((properties, body))
}

/// What a message says, the media type of its event, and where in the body that begins.
pub(super) fn read(
    routing_key: &str,
    properties: &BasicProperties,
    body: &[u8],
    now: SystemTime,
) -> Result<(Metadata, Cow<'static, str>, usize), Error> {
    let (fields, begins) = fields(body)?;
    let text = |tag: u8, most| fields[usize::from(tag)].map(|value| text(tag, value, most));
    let text = |tag, most| text(tag, most).transpose();

    let name = text(tag::NAME, MAX_SHORT)?
        .ok_or_else(|| malformed("envelope", &"field 1 is missing; it holds the event's name"))?;
    let id = id(properties);
    let time = number(&fields, tag::TIME)?
        .map(i64::from_be_bytes)
        .and_then(|micros| at(micros, Duration::from_micros));
    let source = text(tag::SOURCE, MAX_SHORT)?.unwrap_or("unknown");
    let name = key_of("field 1 of the envelope", name)?;
    let mut metadata = Metadata::of(id, time.unwrap_or(now), name, source);
    metadata.key = key(routing_key, &metadata.name)?;
    if let Some(version) = number(&fields, tag::VERSION)? {
        metadata.version = u32::from_be_bytes(version);
    }
    metadata.origin =
        number(&fields, tag::ORIGIN)?.map(|bits| BusId::from_u128(u128::from_be_bytes(bits)));
    if let Some(text) = text(tag::CORRELATION, MAX_SHORT)? {
        metadata.correlation = CorrelationId::from_text(text);
    }
    metadata.causation =
        number(&fields, tag::CAUSATION)?.map(|bits| EventId::from_u128(u128::from_be_bytes(bits)));
    // Longer ones are not valid, and left out with the others that are not.
    let most = u16::MAX.into();
    metadata.trace = trace::read(
        text(tag::TRACE_PARENT, most)?,
        text(tag::TRACE_STATE, most)?,
    );
    metadata.priority = Priority::new(properties.priority().unwrap_or_default());
    metadata.expires = number(&fields, tag::EXPIRES)?
        .map(i64::from_be_bytes)
        .and_then(|millis| at(millis, Duration::from_millis));
    let content_type = text(tag::CONTENT_TYPE, MAX_SHORT)?.unwrap_or(USUAL);
    Ok((metadata, media_type(content_type), begins))
}

/// 32 of them. `format!` takes five times as long, and this is for each message.
fn digits(number: u128) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = [0; 32];
    for (digits, byte) in text.chunks_exact_mut(2).zip(number.to_be_bytes()) {
        digits[0] = DIGITS[usize::from(byte >> 4)];
        digits[1] = DIGITS[usize::from(byte & 15)];
    }
    // It is text.
    str::from_utf8(&text).unwrap_or_default().to_owned()
}

type Fields<'body> = [Option<&'body [u8]>; tag::END];

/// The values of the tags that are known, and where the event begins. Copies nothing.
fn fields(body: &[u8]) -> Result<(Fields<'_>, usize), Error> {
    let cut_short = || malformed("envelope", &"cut short");
    let ([layout, high, low], rest) = body.split_first_chunk::<HEAD>().ok_or_else(cut_short)?;
    if *layout != LAYOUT {
        return Err(read_error(ErrorKind::Unsupported)
            .with_detail(format!("envelope: of layout {layout}, known is {LAYOUT}"))
            .with_advice("a newer instance wrote it: update this one"));
    }
    let length = usize::from(u16::from_be_bytes([*high, *low]));
    let mut rest = rest.get(..length).ok_or_else(cut_short)?;
    let mut fields: Fields<'_> = [None; tag::END];
    while let Some(([tag, high, low], after)) = rest.split_first_chunk::<3>() {
        let length = u16::from_be_bytes([*high, *low]);
        let (value, after) = after
            .split_at_checked(length.into())
            .ok_or_else(cut_short)?;
        rest = after;
        if let Some(field) = fields.get_mut(usize::from(*tag))
            && field.replace(value).is_some()
        {
            return Err(malformed(
                "envelope",
                &format_args!("field {tag} stands twice"),
            ));
        }
    }
    if !rest.is_empty() {
        return Err(cut_short());
    }
    Ok((fields, HEAD + length))
}

fn text(tag: u8, value: &[u8], most: usize) -> Result<&str, Error> {
    if value.len() > most {
        let what = format_args!(
            "field {tag} has {} bytes, at most {most} are read",
            value.len()
        );
        return Err(malformed("envelope", &what));
    }
    std::str::from_utf8(value)
        .map_err(|error| malformed("envelope", &format_args!("field {tag}: {error}")))
}

fn number<const BYTES: usize>(fields: &Fields<'_>, tag: u8) -> Result<Option<[u8; BYTES]>, Error> {
    let Some(value) = fields[usize::from(tag)] else {
        return Ok(None);
    };
    value.try_into().map(Some).map_err(|_| {
        let what = format_args!(
            "field {tag} has {} bytes, and must have {BYTES}",
            value.len()
        );
        malformed("envelope", &what)
    })
}
