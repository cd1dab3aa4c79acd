//! Sizes and spans of time as a person writes them in a configuration: `"1 MiB"`, `"10s"`.

use std::fmt;
use std::time::Duration;

use bytesize::ByteSize as Parsed;
use serde::de::{Deserialize, Deserializer, Error, Unexpected, Visitor};

/// A number of bytes, written `"64 KiB"`, `"1 MiB"` or as a plain number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(usize);

/// A span of time, written `"100ms"`, `"10s"`, `"5m"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct DurationSetting(Duration);

impl ByteSize {
    /// So many times 1,024 bytes.
    pub const fn kib(count: usize) -> Self {
        Self(count * 1024)
    }

    /// So many times 1,048,576 bytes.
    pub const fn mib(count: usize) -> Self {
        Self::kib(count * 1024)
    }

    /// The number of bytes.
    pub const fn bytes(self) -> usize {
        self.0
    }
}

impl From<usize> for ByteSize {
    fn from(bytes: usize) -> Self {
        Self(bytes)
    }
}

impl DurationSetting {
    /// So many seconds.
    pub const fn from_secs(count: u64) -> Self {
        Self(Duration::from_secs(count))
    }

    /// So many milliseconds.
    pub const fn from_millis(count: u64) -> Self {
        Self(Duration::from_millis(count))
    }

    /// The span.
    pub const fn duration(self) -> Duration {
        self.0
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Parsed::b(self.0 as u64))
    }
}

impl fmt::Display for DurationSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", humantime::format_duration(self.0))
    }
}

/// A span of time that may also be written as a number of seconds, as Django writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SecondsSetting(pub DurationSetting);

impl<'de> Deserialize<'de> for SecondsSetting {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SecondsVisitor;
        impl Visitor<'_> for SecondsVisitor {
            type Value = DurationSetting;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a span of time such as \"10s\", or a number of seconds")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<DurationSetting, E> {
                humantime::parse_duration(text)
                    .map(DurationSetting)
                    .map_err(|_| E::invalid_value(Unexpected::Str(text), &self))
            }

            fn visit_i64<E: Error>(self, seconds: i64) -> Result<DurationSetting, E> {
                let seconds = u64::try_from(seconds)
                    .map_err(|_| E::invalid_value(Unexpected::Signed(seconds), &self))?;
                Ok(DurationSetting(Duration::from_secs(seconds)))
            }

            fn visit_f64<E: Error>(self, seconds: f64) -> Result<DurationSetting, E> {
                Duration::try_from_secs_f64(seconds)
                    .map(DurationSetting)
                    .map_err(|_| E::invalid_value(Unexpected::Float(seconds), &self))
            }
        }
        deserializer.deserialize_any(SecondsVisitor).map(Self)
    }
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ByteSizeVisitor;
        impl Visitor<'_> for ByteSizeVisitor {
            type Value = ByteSize;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a size such as \"64 KiB\" or \"1 MiB\"")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<ByteSize, E> {
                let wrong = |_| E::invalid_value(Unexpected::Str(text), &self);
                let parsed = text.parse::<Parsed>().map_err(wrong)?;
                usize::try_from(parsed.as_u64())
                    .map(ByteSize)
                    .map_err(|_| E::invalid_value(Unexpected::Str(text), &self))
            }

            fn visit_i64<E: Error>(self, bytes: i64) -> Result<ByteSize, E> {
                usize::try_from(bytes)
                    .map(ByteSize)
                    .map_err(|_| E::invalid_value(Unexpected::Signed(bytes), &self))
            }
        }
        deserializer.deserialize_any(ByteSizeVisitor)
    }
}

impl<'de> Deserialize<'de> for DurationSetting {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct DurationVisitor;
        impl Visitor<'_> for DurationVisitor {
            type Value = DurationSetting;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a span of time such as \"100ms\", \"10s\" or \"5m\"")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<DurationSetting, E> {
                humantime::parse_duration(text)
                    .map(DurationSetting)
                    .map_err(|_| E::invalid_value(Unexpected::Str(text), &self))
            }
        }
        deserializer.deserialize_any(DurationVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Deserialize)]
    struct Sample {
        size: ByteSize,
        time: DurationSetting,
    }

    fn parse(size: &str, time: &str) -> Result<Sample, toml::de::Error> {
        toml::from_str(&format!("size = {size}\ntime = {time}"))
    }

    #[test]
    fn sizes_and_times_read_as_people_write_them() {
        let sample = parse("\"1 MiB\"", "\"1m 30s\"").unwrap();
        assert_eq!(sample.size, ByteSize::mib(1));
        assert_eq!(sample.time, DurationSetting::from_secs(90));
        assert_eq!(parse("4096", "\"5ms\"").unwrap().size, ByteSize::kib(4));
    }

    #[test]
    fn a_wrong_unit_is_told_with_an_example() {
        let error = parse("\"1 furlong\"", "\"5ms\"").err().map(|e| e.to_string()).unwrap();
        assert!(error.contains("a size such as \"64 KiB\""), "{error}");
        let error = parse("1", "5").err().map(|e| e.to_string()).unwrap();
        assert!(error.contains("a span of time such as"), "{error}");
    }
}
