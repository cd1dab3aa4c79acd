//! The manifest of a plugin, `plugin.toml`. It is a section of the component.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::capabilities::Capabilities;
use crate::units::{ByteSize, DurationSetting};

/// The name of the custom section of a component that has the text of the manifest.
pub const CUSTOM_SECTION_NAME: &str = "narrowboat:manifest";

/// The manifest of a plugin. The configuration of the operator can only restrict it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The name of the plugin. The configuration may use another one.
    pub name: String,
    /// A description in one line.
    #[serde(default)]
    pub description: String,
    /// Whether consumers share an instance.
    #[serde(default)]
    pub isolation: Isolation,
    /// The threads that run calls.
    #[serde(default)]
    pub execution: ExecutionMode,
    /// Limits that are lower than those of the host.
    #[serde(default)]
    pub limits: RequestedLimits,
    /// The requested capabilities.
    #[serde(default)]
    pub capabilities: Capabilities,
}

/// Whether consumers share an instance.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Isolation {
    /// Each connection has its own instance, so a trap, loop or leak affects one client only.
    #[default]
    Connection,
    /// One instance has many consumers, which share its state as in a Django process.
    Shared,
}

impl Isolation {
    /// The value of the key `isolation`.
    pub fn key(self) -> &'static str {
        match self {
            Self::Connection => "connection",
            Self::Shared => "shared",
        }
    }
}

/// The threads that run the calls of a plugin.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExecutionMode {
    /// The task of the connection while calls are short, guest threads after a long call.
    #[default]
    Auto,
    /// Always guest threads.
    Thread,
}

/// The limits that a plugin sets itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestedLimits {
    /// The linear memory of one instance.
    pub memory: Option<ByteSize>,
    /// The running time of one call for a connection.
    pub call_time: Option<DurationSetting>,
    /// The running time of a worker for one message.
    pub worker_time: Option<DurationSetting>,
}

/// The reason why a text is not a manifest.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ManifestError {
    /// The text is not UTF-8.
    #[error("the manifest is not UTF-8")]
    NotUtf8,
    /// The text is not TOML, or has an unknown key or a wrong value.
    #[error("{0}")]
    Syntax(String),
    /// The name is not valid in logs and file names.
    #[error("name = {0:?}: a plugin name has 1 to 64 of the characters a-z, 0-9, `-` and `_`")]
    InvalidName(String),
    /// A limit is zero.
    #[error("limits.{0} must be more than zero")]
    ZeroLimit(&'static str),
}

impl Manifest {
    /// Parses the text of a `plugin.toml`.
    ///
    /// # Errors
    /// The problem with its line and column, and the expected value.
    pub fn parse(text: &[u8]) -> Result<Self, ManifestError> {
        let text = std::str::from_utf8(text).map_err(|_| ManifestError::NotUtf8)?;
        let manifest: Self = toml::from_str(text)
            .map_err(|error| ManifestError::Syntax(error.to_string().trim_end().to_owned()))?;
        manifest.check()?;
        Ok(manifest)
    }

    fn check(&self) -> Result<(), ManifestError> {
        if !is_valid_plugin_name(&self.name) {
            return Err(ManifestError::InvalidName(self.name.clone()));
        }
        if self.limits.memory.is_some_and(|memory| memory.bytes() == 0) {
            return Err(ManifestError::ZeroLimit("memory"));
        }
        if self.limits.call_time.is_some_and(|time| time.duration() == Duration::ZERO) {
            return Err(ManifestError::ZeroLimit("call_time"));
        }
        if self.limits.worker_time.is_some_and(|time| time.duration() == Duration::ZERO) {
            return Err(ManifestError::ZeroLimit("worker_time"));
        }
        Ok(())
    }
}

/// Whether a text is a valid name of a plugin, which appears in logs, file names and routes.
pub fn is_valid_plugin_name(name: &str) -> bool {
    let is_allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
    (1..=64).contains(&name.len()) && name.bytes().all(is_allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_name_is_required() {
        let manifest = Manifest::parse(b"name = \"echo\"").unwrap();
        assert_eq!(manifest.isolation, Isolation::Connection);
        assert_eq!(manifest.execution, ExecutionMode::Auto);
    }

    #[test]
    fn requested_capabilities_are_described() {
        let text =
            b"name = \"echo\"\n[capabilities]\ngroups = [\"room.*\"]\nchannels = [\"jobs\"]\nlog = true";
        let manifest = Manifest::parse(text).unwrap();
        assert_eq!(
            manifest.capabilities.descriptions(),
            ["groups \"room.*\"", "channels \"jobs\"", "log"]
        );
        assert!(Manifest::parse(b"name = \"echo\"").unwrap().capabilities.is_empty());
    }

    #[test]
    fn an_invalid_capability_is_reported_with_its_line() {
        for (line, expected) in
            [("groups = [\"a b\"]", "not a pattern"), ("clock = true", "`clocks`")]
        {
            let text = format!("name = \"echo\"\n[capabilities]\n{line}");
            let text = Manifest::parse(text.as_bytes()).unwrap_err().to_string();
            assert!(text.contains("line 3") && text.contains(expected), "{text}");
        }
    }

    #[test]
    fn an_unknown_key_is_reported_with_its_line() {
        let error = Manifest::parse(b"name = \"echo\"\nisolaton = \"shared\"").unwrap_err();
        let text = error.to_string();
        assert!(text.contains("line 2") && text.contains("isolaton"), "{text}");
        assert!(text.contains("isolation"), "{text}");
    }

    #[test]
    fn names_with_path_separators_and_other_characters_are_refused() {
        for name in ["", "../echo", "Echo", "a b", "é"] {
            let text = format!("name = {name:?}");
            assert!(matches!(Manifest::parse(text.as_bytes()), Err(ManifestError::InvalidName(_))));
        }
    }
}
