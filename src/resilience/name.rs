use std::{
    collections::HashSet,
    fmt,
    sync::{Mutex, OnceLock, PoisonError},
};

use serde::{Serialize, Serializer};

/// The name of a component, such as `llm_api`: in errors, notices and reports.
///
/// A copy costs nothing. A name made at run time is kept until the process ends, once for each distinct name: name
/// components, not calls.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(&'static str);

impl Name {
    /// The name of a constant.
    pub const fn from_static(name: &'static str) -> Self {
        Self(name)
    }

    /// A name made at run time.
    pub fn new(name: &str) -> Self {
        static KNOWN: OnceLock<Mutex<HashSet<&'static str>>> = OnceLock::new();
        let mut known = KNOWN
            .get_or_init(Mutex::default)
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(&name) = known.get(name) {
            return Self(name);
        }
        let name: &'static str = Box::leak(name.into());
        known.insert(name);
        Self(name)
    }

    /// As text.
    pub const fn as_str(self) -> &'static str {
        self.0
    }
}

impl From<&str> for Name {
    fn from(name: &str) -> Self {
        Self::new(name)
    }
}

impl From<String> for Name {
    fn from(name: String) -> Self {
        Self::new(&name)
    }
}

impl Serialize for Name {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_kept_once() {
        let name = Name::new(&format!("shard-{}", 1));
        assert!(std::ptr::eq(name.as_str(), Name::new("shard-1").as_str()));
        assert_eq!(name, Name::from_static("shard-1"));
    }
}
