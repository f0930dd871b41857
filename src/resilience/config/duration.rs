//! Durations as people write them: `"60s"`, `"1m 30s"`, `"250ms"`; a whole number is milliseconds.
//!
//! For `#[serde(with = "…")]`, in formats that describe themselves, such as TOML, YAML, JSON and CBOR.

use std::{fmt, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

pub(crate) fn serialize<S: Serializer>(
    duration: &Duration,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&humantime::format_duration(*duration))
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Duration, D::Error> {
    deserializer.deserialize_any(Written)
}

struct Written;

impl de::Visitor<'_> for Written {
    type Value = Duration;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a duration such as \"60s\" or \"1m 30s\", or a whole number of milliseconds")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Duration, E> {
        humantime::parse_duration(text)
            .map_err(|error| E::custom(format_args!("{text:?}: {error}")))
    }

    fn visit_u64<E: de::Error>(self, millis: u64) -> Result<Duration, E> {
        Ok(Duration::from_millis(millis))
    }

    fn visit_i64<E: de::Error>(self, millis: i64) -> Result<Duration, E> {
        let unexpected = de::Unexpected::Signed(millis);
        let millis = u64::try_from(millis).map_err(|_| E::invalid_value(unexpected, &self))?;
        self.visit_u64(millis)
    }
}

/// The same for a time that may be none.
pub(crate) mod option {
    use super::{Deserialize, Deserializer, Duration, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    struct Some_(#[serde(with = "super")] Duration);

    #[expect(clippy::ref_option, reason = "serde calls it so")]
    pub(crate) fn serialize<S: Serializer>(
        duration: &Option<Duration>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        duration.map(Some_).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Duration>, D::Error> {
        Ok(Option::<Some_>::deserialize(deserializer)?.map(|Some_(duration)| duration))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Times {
        #[serde(with = "super")]
        time: Duration,
        #[serde(with = "super::option", default)]
        perhaps: Option<Duration>,
    }

    #[test]
    fn words_and_milliseconds_are_read() {
        let times = |text: &str| serde_json::from_str::<Times>(text).expect("good");
        let minute = Duration::from_secs(60);
        let expected = Times {
            time: minute,
            perhaps: Some(minute / 2),
        };
        assert_eq!(times(r#"{"time": "1m", "perhaps": "30s"}"#), expected);
        assert_eq!(times(r#"{"time": 60000, "perhaps": 30000}"#), expected);
        assert_eq!(times(r#"{"time": "1s"}"#).perhaps, None);
        assert_eq!(times(r#"{"time": 1, "perhaps": null}"#).perhaps, None);
    }

    #[test]
    fn nonsense_is_refused_with_what_is_expected() {
        for text in [
            r#"{"time": -1}"#,
            r#"{"time": 1.5}"#,
            r#"{"time": "soon"}"#,
            r#"{"time": "1"}"#,
        ] {
            let error = serde_json::from_str::<Times>(text)
                .expect_err(text)
                .to_string();
            assert!(
                error.contains("such as") || error.contains("soon") || error.contains("\"1\""),
                "{error}"
            );
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(nanos: u64, more: u32) {
            let times = Times {
                time: Duration::from_nanos(nanos),
                perhaps: Some(Duration::from_millis(u64::from(more))),
            };
            let text = serde_json::to_string(&times).expect("good");
            prop_assert_eq!(&times, &serde_json::from_str(&text).expect("good"));
            let mut bytes = Vec::new();
            ciborium::into_writer(&times, &mut bytes).expect("good");
            prop_assert_eq!(&times, &ciborium::from_reader(&*bytes).expect("good"));
        }
    }
}
