//! Durations that may be plain numbers of seconds.

use std::fmt;
use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Error, Unexpected, Visitor};

use super::duration_setting::DurationSetting;

/// A duration that may also be written as a number of seconds, as Django writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SecondsSetting(pub DurationSetting);

impl<'de> Deserialize<'de> for SecondsSetting {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SecondsVisitor).map(Self)
    }
}

struct SecondsVisitor;

impl Visitor<'_> for SecondsVisitor {
    type Value = DurationSetting;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a duration such as \"10s\", or a number of seconds")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<DurationSetting, E> {
        DurationSetting::from_text(text, &self)
    }

    fn visit_i64<E: Error>(self, seconds: i64) -> Result<DurationSetting, E> {
        u64::try_from(seconds)
            .map(DurationSetting::from_secs)
            .map_err(|_| E::invalid_value(Unexpected::Signed(seconds), &self))
    }

    fn visit_f64<E: Error>(self, seconds: f64) -> Result<DurationSetting, E> {
        Duration::try_from_secs_f64(seconds)
            .map(DurationSetting::from)
            .map_err(|_| E::invalid_value(Unexpected::Float(seconds), &self))
    }
}
