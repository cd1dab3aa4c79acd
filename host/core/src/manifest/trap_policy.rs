//! What happens to the consumers of an instance that traps or times out.

use std::fmt;
use std::time::Duration;

use serde::Deserialize;
use serde::de::{Deserializer, Visitor};

use super::ManifestError;

/// The interval of checkpoints in a manifest that does not set it.
const DEFAULT_INTERVAL: Duration = Duration::from_secs(5);

/// The shortest interval of checkpoints.
const MIN_INTERVAL: Duration = Duration::from_millis(100);

/// What happens to the consumers of an instance that traps or times out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TrapPolicy {
    /// Their connections close.
    #[default]
    Close,
    /// A new instance goes on with the state of the last checkpoint.
    Restart(CheckpointRule),
}

/// When the state of an instance is saved for the case that it traps. It is saved before an event, if there have been others
/// since the last time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckpointRule {
    /// After this number of events.
    Events(u32),
    /// After this time.
    Interval(Duration),
}

/// The value of `on_trap`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum RawTrapPolicy {
    Close,
    Restart,
}

/// The keys about traps in a manifest.
pub(super) struct RawTrapSettings {
    pub(super) on_trap: Option<RawTrapPolicy>,
    pub(super) checkpoint_every: Option<CheckpointRule>,
}

impl RawTrapSettings {
    pub(super) fn check(&self) -> Result<TrapPolicy, ManifestError> {
        match (self.on_trap, self.checkpoint_every) {
            (Some(RawTrapPolicy::Restart), rule) => {
                Ok(TrapPolicy::Restart(rule.unwrap_or(CheckpointRule::Interval(DEFAULT_INTERVAL))))
            }
            (None | Some(RawTrapPolicy::Close), None) => Ok(TrapPolicy::Close),
            (None | Some(RawTrapPolicy::Close), Some(_)) => Err(ManifestError::CheckpointsUnused),
        }
    }
}

impl<'de> Deserialize<'de> for CheckpointRule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RuleVisitor)
    }
}

struct RuleVisitor;

impl Visitor<'_> for RuleVisitor {
    type Value = CheckpointRule;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(
            "a number of events such as 100, or an interval of at least 100ms such as \"5s\"",
        )
    }

    fn visit_i64<E: serde::de::Error>(self, count: i64) -> Result<CheckpointRule, E> {
        match u32::try_from(count) {
            Ok(count @ 1..) => Ok(CheckpointRule::Events(count)),
            _ => Err(E::invalid_value(serde::de::Unexpected::Signed(count), &self)),
        }
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<CheckpointRule, E> {
        let interval = humantime::parse_duration(text).ok();
        let interval = interval.filter(|interval| *interval >= MIN_INTERVAL);
        interval.map(CheckpointRule::Interval).ok_or_else(|| {
            E::custom(format!(
                "{text:?} is not a value of `checkpoint_every`; write a number of events such as 100, or an interval of at \
                 least 100ms such as \"5s\""
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::Manifest;

    fn parse(keys: &str) -> Result<TrapPolicy, ManifestError> {
        Manifest::parse(format!("name = \"chat\"\n{keys}").as_bytes()).map(|parsed| parsed.on_trap)
    }

    #[test]
    fn the_connections_of_an_instance_that_traps_close_by_default() {
        assert_eq!(parse(""), Ok(TrapPolicy::Close));
        assert_eq!(parse("on_trap = \"close\""), Ok(TrapPolicy::Close));
    }

    #[test]
    fn checkpoints_are_by_time_or_by_events() {
        let restart = |rule: &str| parse(&format!("on_trap = \"restart\"\n{rule}"));
        let seconds =
            |seconds| TrapPolicy::Restart(CheckpointRule::Interval(Duration::from_secs(seconds)));
        assert_eq!(restart(""), Ok(seconds(5)));
        assert_eq!(restart("checkpoint_every = \"30s\""), Ok(seconds(30)));
        assert_eq!(
            restart("checkpoint_every = 100"),
            Ok(TrapPolicy::Restart(CheckpointRule::Events(100)))
        );
    }

    #[test]
    fn other_values_are_refused_with_their_line() {
        for value in ["0", "-1", "\"50ms\"", "\"often\"", "true"] {
            let keys = format!("on_trap = \"restart\"\ncheckpoint_every = {value}");
            let text = parse(&keys).unwrap_err().to_string();
            assert!(text.contains("line 3") && text.contains("\"5s\""), "{text}");
        }
        assert_eq!(parse("checkpoint_every = 5"), Err(ManifestError::CheckpointsUnused));
    }
}
