//! What is in a table of headers that anybody may have written?

use lapin::types::{AMQPValue, FieldArray, FieldTable};

/// How many headers a message may have. RabbitMQ and instrumentation add a few of their own.
const MAX_HEADERS: usize = 128;
/// How deep they may nest. RabbitMQ's own `x-death` is a list of tables with lists in them: 3.
const MAX_DEPTH: usize = 16;
/// How many values they may hold in all. `x-death` has about ten for each queue that a message died in.
const MAX_VALUES: usize = 4096;

/// Says what is out of bounds. Nothing here follows a table downwards, but whoever does, such as an
/// exporter of logs, should not be led for ever.
pub(super) fn check(headers: &FieldTable) -> Result<(), String> {
    let count = headers.inner().len();
    if count > MAX_HEADERS {
        return Err(format!("{count} of them; at most {MAX_HEADERS} are read"));
    }
    let mut left = MAX_VALUES;
    for value in headers.inner().values() {
        within(value, MAX_DEPTH, &mut left)?;
    }
    Ok(())
}

fn within(value: &AMQPValue, depth: usize, left: &mut usize) -> Result<(), String> {
    let Some(fewer) = left.checked_sub(1) else {
        return Err(format!("more than {MAX_VALUES} values"));
    };
    *left = fewer;
    if !matches!(value, AMQPValue::FieldArray(_) | AMQPValue::FieldTable(_)) {
        return Ok(());
    }
    let Some(depth) = depth.checked_sub(1) else {
        return Err(format!("nested more than {MAX_DEPTH} deep"));
    };
    match value {
        AMQPValue::FieldArray(array) => within_array(array, depth, left),
        AMQPValue::FieldTable(table) => {
            for value in table.inner().values() {
                within(value, depth, left)?;
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

fn within_array(array: &FieldArray, depth: usize, left: &mut usize) -> Result<(), String> {
    for value in array.as_slice() {
        within(value, depth, left)?;
    }
    Ok(())
}

pub(super) fn integer_of(headers: &FieldTable, name: &str) -> Option<i64> {
    headers.inner().get(name).and_then(integer)
}

/// Any of AMQP's integer types: clients differ in the one they choose.
pub(super) fn integer(value: &AMQPValue) -> Option<i64> {
    Some(match value {
        AMQPValue::ShortShortInt(number) => (*number).into(),
        AMQPValue::ShortShortUInt(number) => (*number).into(),
        AMQPValue::ShortInt(number) => (*number).into(),
        AMQPValue::ShortUInt(number) => (*number).into(),
        AMQPValue::LongInt(number) => (*number).into(),
        AMQPValue::LongUInt(number) => (*number).into(),
        AMQPValue::LongLongInt(number) => *number,
        AMQPValue::Timestamp(number) => i64::try_from(*number).ok()?,
        _ => return None,
    })
}

/// Text, of whatever type a client gave it. What is no UTF-8 is none.
pub(super) fn text_of<'table>(headers: &'table FieldTable, name: &str) -> Option<&'table str> {
    match headers.inner().get(name)? {
        AMQPValue::LongString(text) => std::str::from_utf8(text.as_bytes()).ok(),
        AMQPValue::ShortString(text) => Some(text.as_str()),
        AMQPValue::ByteArray(bytes) => std::str::from_utf8(bytes.as_slice()).ok(),
        _ => None,
    }
}
