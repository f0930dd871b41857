use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use crate::resilience::{
    ConfigError,
    config::{Check, duration},
};

/// Where a spool is, and its bounds.
///
/// ```
/// # use std::time::Duration;
/// use algedonic::spool::SpoolConfig;
///
/// let config = SpoolConfig::new("/var/lib/app/outbound.spool")
///     .max_bytes(16 * 1024 * 1024)
///     .max_age(Duration::from_secs(24 * 3600));
/// # assert!(config.validate().is_ok());
/// ```
///
/// As a file, with times in words or in milliseconds:
///
/// ```toml
/// path = "/var/lib/app/outbound.spool"
/// max_bytes = 16777216
/// max_age = "1day"
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct SpoolConfig {
    /// The file. Its folder has to be there, and be the application's own; beside the file there will be one of the
    /// same name that ends in `.reserve`, whose room is for signals on a full disk, and one that ends in `.lock`, which also knows how long the file is: without it, a file whose end was lost may
    /// be taken for a shorter one. No default.
    pub path: PathBuf,
    /// So many bytes the records of each lane may take: no lane fills another. Counted as they are stored, without
    /// what the database adds. 4,096 to 2^40; default 64 MiB (ours).
    #[serde(default = "defaults::max_bytes")]
    pub max_bytes: u64,
    /// What is older is dropped, and told, unless it is [never dropped](crate::spool#bounds). By the system's clock:
    /// it goes on while no process runs. Above 0, below 2^40 ms; default 7 days (ours).
    #[serde(default = "defaults::max_age", with = "duration")]
    pub max_age: Duration,
    /// So many appends of each lane wait at once, and share a synced write at most; 8 MiB of them at most, too, and of
    /// events and commands 1 MiB in a write. Further ones wait for their turn. 1 to 65,536; default 1,024 (ours).
    #[serde(default = "defaults::group")]
    pub group: u32,
    /// How long an append or a read may take: a disk that hangs is an error then. Above 0, below 2^40 ms; default
    /// 5 s (ours), as long as a confirm may take.
    #[serde(default = "defaults::timeout", with = "duration")]
    pub timeout: Duration,
}

mod defaults {
    use std::time::Duration;

    pub(super) const fn max_bytes() -> u64 {
        64 * 1024 * 1024
    }

    pub(super) const fn max_age() -> Duration {
        Duration::from_secs(7 * 24 * 3600)
    }

    pub(super) const fn group() -> u32 {
        1024
    }

    pub(super) const fn timeout() -> Duration {
        Duration::from_secs(5)
    }
}

impl SpoolConfig {
    /// A spool in this file, with the defaults.
    pub fn new(path: impl AsRef<Path>) -> Self {
        Self {
            path: path.as_ref().to_owned(),
            max_bytes: defaults::max_bytes(),
            max_age: defaults::max_age(),
            group: defaults::group(),
            timeout: defaults::timeout(),
        }
    }

    /// Sets how many bytes each lane may take.
    pub fn max_bytes(mut self, bytes: u64) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// Sets how old a record may become.
    pub fn max_age(mut self, age: Duration) -> Self {
        self.max_age = age;
        self
    }

    /// Sets how many appends share a synced write at most.
    pub fn group(mut self, appends: u32) -> Self {
        self.group = appends;
        self
    }

    /// Sets how long an append or a read may take.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Whether it can work; else which field breaks which rule. Does not look at the disk.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let named = self.path.file_name().is_some();
        let bytes = (4096..=1 << 40).contains(&self.max_bytes);
        let group = (1..=65_536).contains(&self.group);
        Check::of("spool")
            .holds("path", &self.path, named, "the path of a file")?
            .holds("max_bytes", self.max_bytes, bytes, "4096 to 2^40")?
            .positive("max_age", self.max_age)?
            .holds("group", self.group, group, "1 to 65536")?
            .positive("timeout", self.timeout)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_needs_no_more_than_the_path() {
        let read = |text: &str| serde_json::from_str::<SpoolConfig>(text);
        assert_eq!(
            read(r#"{"path": "a/b"}"#).expect("good"),
            SpoolConfig::new("a/b")
        );
        let all = SpoolConfig::new("a/b")
            .max_bytes(4096)
            .max_age(Duration::from_secs(60))
            .group(1)
            .timeout(Duration::from_millis(10));
        let text = serde_json::to_string(&all).expect("good");
        assert_eq!(read(&text).expect("good"), all);
        assert!(read("{}").is_err());
        assert!(read(r#"{"path": "a", "paht": "b"}"#).is_err());
    }

    #[test]
    fn the_error_names_the_field_and_the_rule() {
        let good = SpoolConfig::new("a/b");
        assert_eq!(good.validate(), Ok(()));
        let bad = [
            (SpoolConfig::new(""), "path"),
            (SpoolConfig::new("/"), "path"),
            (good.clone().max_bytes(4095), "max_bytes"),
            (good.clone().max_bytes((1 << 40) + 1), "max_bytes"),
            (good.clone().max_age(Duration::ZERO), "max_age"),
            (good.clone().group(0), "group"),
            (good.clone().group(65_537), "group"),
            (good.timeout(Duration::MAX), "timeout"),
        ];
        for (config, field) in bad {
            let error = config.validate().expect_err(field);
            assert_eq!((error.component(), error.field()), ("spool", field));
        }
    }
}
