//! Events as bytes: CBOR (RFC 8949) by serde, with named fields.
//!
//! Any valid CBOR is read; floats may be shortened when nothing is lost by it. Only the mirror
//! comes here: an event that stays in the process is never encoded.

use algedonic_transport::{Error, ErrorKind};
use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};

/// The media type of what [`encode`] makes.
pub(crate) const CONTENT_TYPE: &str = "application/cbor";

/// How deep a body may nest: a hostile one must not exhaust the stack.
const MAX_DEPTH: usize = 32;

pub(crate) fn encode<E: Serialize>(event: &E) -> Result<Bytes, Error> {
    let mut body = Vec::with_capacity(128);
    ciborium::into_writer(event, &mut body).map_err(|source| {
        Error::permanent(ErrorKind::Malformed, "encode an event as CBOR")
            .with_detail(source.to_string())
            .with_source(source)
    })?;
    Ok(body.into())
}

pub(crate) fn decode<E: DeserializeOwned>(body: &[u8]) -> Result<E, Error> {
    let malformed = || Error::permanent(ErrorKind::Malformed, "decode a CBOR body");
    let mut rest = body;
    let event = ciborium::de::from_reader_with_recursion_limit(&mut rest, MAX_DEPTH)
        .map_err(|source| malformed().with_detail(source.to_string()))?;
    if !rest.is_empty() {
        return Err(malformed().with_detail(format!("{} bytes after its end", rest.len())));
    }
    Ok(event)
}

/// Whether a body of this media type can be [`decode`]d; parameters are ignored, as is case.
pub(crate) fn reads(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case(CONTENT_TYPE)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Sample {
        text: String,
        number: f64,
        list: Vec<i64>,
        maybe: Option<bool>,
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(
            text in ".*", number in prop::num::f64::NORMAL, list: Vec<i64>, maybe: Option<bool>,
        ) {
            let sample = Sample { text, number, list, maybe };
            let body = encode(&sample).expect("encodes");
            prop_assert_eq!(decode::<Sample>(&body).expect("decodes"), sample);
        }

        #[test]
        fn no_bytes_make_it_panic(body: Vec<u8>) {
            let _ = decode::<Sample>(&body);
            let _ = decode::<Vec<Vec<String>>>(&body);
        }
    }

    #[derive(Debug, Deserialize)]
    struct Nested(#[allow(dead_code, reason = "only its depth matters")] Vec<Self>);

    #[test]
    fn a_body_that_nests_too_deep_is_refused_on_a_small_stack() {
        let deep = |levels: usize| {
            let mut body = vec![0x81; levels];
            body.push(0x80);
            body
        };
        std::thread::Builder::new()
            .stack_size(512 * 1024)
            .spawn(move || {
                assert!(decode::<Nested>(&deep(MAX_DEPTH - 1)).is_ok());
                assert!(decode::<Nested>(&deep(MAX_DEPTH)).is_err());
                assert!(decode::<Nested>(&deep(100_000)).is_err());
            })
            .expect("a thread")
            .join()
            .expect("no overflow");
    }

    #[test]
    fn bytes_after_the_end_are_refused() {
        let mut body = encode(&1_u8).expect("encodes").to_vec();
        body.push(0);
        assert!(decode::<u8>(&body).is_err());
    }

    #[test]
    fn the_media_type_may_have_parameters() {
        assert!(reads("application/cbor"));
        assert!(reads("Application/CBOR; charset=x"));
        assert!(!reads("application/json"));
        assert!(!reads("application/cbor-seq"));
    }
}
