//! Durations.

use std::fmt;
use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Error, Unexpected, Visitor};

/// A duration, written `"100ms"`, `"10s"`, `"5m"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct DurationSetting(Duration);

impl DurationSetting {
    /// A duration in seconds.
    pub const fn from_secs(count: u64) -> Self {
        Self(Duration::from_secs(count))
    }

    /// A duration in milliseconds.
    pub const fn from_millis(count: u64) -> Self {
        Self(Duration::from_millis(count))
    }

    /// The duration.
    pub const fn duration(self) -> Duration {
        self.0
    }

    /// Parses a text with units. Fails with the error of a visitor that expected something else.
    pub(super) fn from_text<E: Error>(
        text: &str,
        visitor: &impl serde::de::Expected,
    ) -> Result<Self, E> {
        humantime::parse_duration(text)
            .map(Self)
            .map_err(|_| E::invalid_value(Unexpected::Str(text), visitor))
    }
}

impl From<Duration> for DurationSetting {
    fn from(duration: Duration) -> Self {
        Self(duration)
    }
}

impl fmt::Display for DurationSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", humantime::format_duration(self.0))
    }
}

impl<'de> Deserialize<'de> for DurationSetting {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(DurationVisitor)
    }
}

struct DurationVisitor;

impl Visitor<'_> for DurationVisitor {
    type Value = DurationSetting;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a duration such as \"100ms\", \"10s\" or \"5m\"")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<DurationSetting, E> {
        DurationSetting::from_text(text, &self)
    }
}
