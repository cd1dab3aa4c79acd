//! `plugin.toml`: what a plugin says of itself and wishes for. It travels inside the component.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::capabilities::Capabilities;
use crate::units::{ByteSize, DurationSetting};

/// The custom section of a component that holds the manifest's text.
pub const CUSTOM_SECTION_NAME: &str = "narrowboat:manifest";

/// What a plugin says of itself and wishes for; the operator's configuration may only narrow it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The plugin's own name, for logs and people; a configuration may call it otherwise.
    pub name: String,
    /// One line for people.
    #[serde(default)]
    pub description: String,
    /// How many consumers share an instance.
    #[serde(default)]
    pub isolation: Isolation,
    /// Where its calls run.
    #[serde(default)]
    pub execution: ExecutionMode,
    /// Limits below the host's own.
    #[serde(default)]
    pub limits: RequestedLimits,
    /// What it cannot do without its operator's leave.
    #[serde(default)]
    pub capabilities: Capabilities,
}

/// How many consumers share an instance.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Isolation {
    /// An instance a connection: a trap, loop or leak touches one client.
    #[default]
    Connection,
    /// One instance carries many consumers, which share the module's state as in a Django process.
    Shared,
}

/// Where a plugin's calls run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExecutionMode {
    /// On the socket's own task while calls are short, on guest threads once they are not.
    #[default]
    Auto,
    /// Always on guest threads.
    Thread,
}

/// Limits a plugin sets itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestedLimits {
    /// Linear memory of one instance, in bytes.
    pub memory: Option<ByteSize>,
    /// Running time of one call for a connection.
    pub call_time: Option<DurationSetting>,
    /// Running time of a worker with one message.
    pub worker_time: Option<DurationSetting>,
}

/// Why a text is no manifest.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ManifestError {
    /// Not UTF-8.
    #[error("the manifest is not UTF-8")]
    NotUtf8,
    /// Not TOML, an unknown key, a wrong value.
    #[error("{0}")]
    Syntax(String),
    /// A name that cannot stand in a log or a file name.
    #[error("name = {0:?}: a plugin's name is 1 to 64 of a-z, 0-9, `-` and `_`")]
    InvalidName(String),
    /// A limit of nothing.
    #[error("limits.{0} must be more than zero")]
    ZeroLimit(&'static str),
}

impl Manifest {
    /// Reads the text of a `plugin.toml`.
    ///
    /// # Errors
    /// With line, column and what would be right.
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

/// Whether this may be a plugin's name: it stands in logs, file names and routes.
pub fn is_valid_plugin_name(name: &str) -> bool {
    let legal = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
    (1..=64).contains(&name.len()) && name.bytes().all(legal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_enough() {
        let manifest = Manifest::parse(b"name = \"echo\"").unwrap();
        assert_eq!(manifest.isolation, Isolation::Connection);
        assert_eq!(manifest.execution, ExecutionMode::Auto);
    }

    #[test]
    fn what_it_asks_for_is_told_in_words() {
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
    fn a_wrong_ask_is_named_with_its_line() {
        for (ask, words) in [("groups = [\"a b\"]", "no pattern"), ("clock = true", "`clocks`")] {
            let text = format!("name = \"echo\"\n[capabilities]\n{ask}");
            let text = Manifest::parse(text.as_bytes()).unwrap_err().to_string();
            assert!(text.contains("line 3") && text.contains(words), "{text}");
        }
    }

    #[test]
    fn an_unknown_key_is_named_with_its_line() {
        let error = Manifest::parse(b"name = \"echo\"\nisolaton = \"shared\"").unwrap_err();
        let text = error.to_string();
        assert!(text.contains("line 2") && text.contains("isolaton"), "{text}");
        assert!(text.contains("isolation"), "{text}");
    }

    #[test]
    fn names_that_could_walk_the_file_system_are_refused() {
        for name in ["", "../echo", "Echo", "a b", "é"] {
            let text = format!("name = {name:?}");
            assert!(matches!(Manifest::parse(text.as_bytes()), Err(ManifestError::InvalidName(_))));
        }
    }
}
